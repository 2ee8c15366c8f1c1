//! What is live: the routes, APIs and upstreams that new calls see, swapped as a whole.
//!
//! A release builds a [`Serving`] beside the one that serves and makes it live with one store.
//! A call that has begun keeps its API, and with it the upstream, for as long as it runs; [`Held`]
//! tells what old releases are kept alive by that, and bounds it.

mod dispatch;
mod facts;
mod held;
mod hops;
mod operation;
mod serving;
mod trace_key;

pub(crate) use dispatch::{Dispatcher, Refusals};
pub(crate) use held::{Bounds, Held, HeldRelease};
pub(crate) use operation::{NamedOperation, OperationForm};
pub(crate) use serving::{Live, MmtpPath, Serving, ServingApi};
pub(crate) use trace_key::{TRACE_HEADER, TraceKey};
