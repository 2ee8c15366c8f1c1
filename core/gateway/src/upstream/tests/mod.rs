//! Upstreams on real sockets, driven by the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod balance;
mod choose;
mod discovery;
mod dns;
mod duplex;
mod grpc;
mod h1;
mod h1_failures;
mod h2;
mod hash;
mod health;
mod limits;
mod nginx;
mod outliers;
pub(super) mod support;
mod tls;
mod tunnel;
mod whole;
mod zones;
