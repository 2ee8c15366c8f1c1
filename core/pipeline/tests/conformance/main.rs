//! The conformance table of the pipeline: a chain, a request, and the trace of stages expected.
//!
//! Each case is one sentence of `docs/specs/pipeline.md`. The HTTP fronts run the like over
//! sockets; here the engine alone is held to them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod bodies;
mod endings;
mod failing;
mod leaving;
mod order;
mod response;
