//! Shared state against real servers, which each test starts for itself.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod away;
mod cluster;
mod limits;
mod nonces;
mod server;
mod values;
mod world;
