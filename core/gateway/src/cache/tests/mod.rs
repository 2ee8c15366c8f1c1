//! The cache between a real engine and an origin in memory, on a clock that only moves when told to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod collapse;
mod fresh;
mod purge;
mod safety;
mod stale;
mod support;
