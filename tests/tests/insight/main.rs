//! Insight into a running gateway: live statistics, slow steps, traces.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod collector;
mod slow;
mod stats;
mod support;
mod traces;
