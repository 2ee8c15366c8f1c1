//! Upstreams on real sockets, driven by the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allocations;
mod balance;
mod choose;
mod discovery;
mod dns;
// Public for the tests of the whole gateway, which take the file.
#[allow(unreachable_pub)]
mod dns_server;
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
