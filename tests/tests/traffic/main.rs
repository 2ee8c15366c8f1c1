//! Calls through a whole gateway, on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conformance;
mod edge;
mod plugins;
mod refusals;
mod relay;
mod upstreams;
