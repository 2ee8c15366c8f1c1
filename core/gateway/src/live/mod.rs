//! What is live: the routes, APIs and upstreams that new calls see, swapped as a whole.
//!
//! A release builds a [`Serving`] beside the one that serves and makes it live with one store.
//! A call that has begun keeps its API, and with it the upstream, for as long as it runs.

mod dispatch;
mod facts;
mod serving;
mod trace_key;

pub(crate) use dispatch::{Dispatcher, Refusals};
pub(crate) use serving::{Live, Serving, ServingApi};
pub(crate) use trace_key::{TRACE_HEADER, TraceKey};
