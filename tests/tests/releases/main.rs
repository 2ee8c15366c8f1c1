//! Releases and operation of whole gateways: reloads as transactions, releases on disk, the admin
//! API, many gateways in one process, and a soak.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod apis;
mod diffs;
mod disk;
mod held;
mod included;
mod lifetime;
mod listeners;
mod plans;
mod recovery;
mod refused;
mod schema;
mod soak;
mod state;
mod support;
mod tls;
mod watch;
