//! Cases: what a handler is asked and what it must say, run inside the host that production uses.
//!
//! A handler ships some as probes, which every release must pass before it goes live; others stand
//! beside its source and are run by `paifang handler test`. The format: `docs/handlers.md`.

mod compare;
mod follow;
mod format;
mod measure;
mod run;
mod world;

pub use format::{Case, parse};
pub use measure::{Timing, measure};
pub use run::{Verdict, run, run_until};
