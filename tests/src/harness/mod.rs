//! Gateways in a test, with clients and servers around them that say byte for byte what a test wants.
//!
//! ```text
//! Client (HTTP/1 by hand) ─┐                 ┌─> Server, Recorder (HTTP/1 by hand)
//! H2 (a real client) ──────┴──> Running ─────┴─> H2Server
//!                             a Gateway
//! ```
//!
//! Whatever goes wrong is a panic that says what was seen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod chromium;
mod client;
mod client_h2;
// Beside the tests of upstreams, which cannot depend on this crate.
#[path = "../../../core/gateway/src/upstream/tests/dns_server.rs"]
mod dns;
mod gateway;
mod message;
mod mmtp;
mod nginx;
mod pki;
mod probe;
// Beside the tests of the store, which cannot depend on this crate.
#[path = "../../../core/state/tests/redis/server.rs"]
mod redis;
mod time;
mod upstream;
mod upstream_h2;
mod wire;

pub use chromium::Chromium;
pub use client::{Client, connect_from};
pub use client_h2::{Ask, H2, Reply};
pub use dns::{DnsServer, SERVICE, Srv};
pub use gateway::{Running, Setup, one_api, one_upstream};
pub use message::Message;
pub use mmtp::{MmtpAnswer, MmtpClient, hello as mmtp_hello};
pub use nginx::Nginx;
pub use pki::{Pair, Pki, TlsClient};
pub use probe::{Probe, Probes, Recorded};
pub use redis::{RedisCluster, RedisServer};
pub use time::{soon, until};
pub use upstream::{Recorder, Server, refused_address};
pub use upstream_h2::{H2Call, H2Server};
pub use wire::{Cut, Wire};
