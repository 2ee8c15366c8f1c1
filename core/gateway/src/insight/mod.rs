//! What a gateway is doing now: rates, shares of errors and times of calls over the last seconds.
//!
//! Calls count as they always do ([`paifang_pipeline::stats`]). A [`Sampler`] takes the counts out at
//! each of its ticks and keeps a minute of them, as long as there is something to keep; what the
//! admin API answers is made of that when it is asked for.

mod of_late;
mod report;
mod sampler;
mod steps;
mod window;

pub(crate) use report::{Asked, Sort};
pub(crate) use sampler::{Sampler, sample};
