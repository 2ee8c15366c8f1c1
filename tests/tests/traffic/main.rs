//! Calls through a whole gateway, on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cache;
mod conformance;
mod deadlines;
mod edge;
mod fleet;
mod mmtp;
mod plugins;
mod refusals;
mod relay;
mod upstreams;
