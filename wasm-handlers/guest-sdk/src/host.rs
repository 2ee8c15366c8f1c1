//! What a handler may call, each where the gateway's config grants it. Outside of a gateway, as in
//! `cargo test`, these panic: keep what decides apart from what asks.

pub use crate::bindings::imports::paifang::handler::{clock, crypto, http, kv, metrics, random};

use crate::bindings::imports::paifang::handler::logging;
pub use logging::Level;

/// Writes a line to the gateway's log, under this handler's name. Grant: `log`.
pub fn log(level: Level, message: &str) {
    logging::write(level, message);
}

/// Milliseconds since the Unix epoch. Grant: `clock`.
#[must_use]
pub fn unix_millis() -> u64 {
    clock::unix_nanos() / 1_000_000
}

/// Whole seconds since the Unix epoch. Grant: `clock`.
#[must_use]
pub fn unix_seconds() -> u64 {
    clock::unix_nanos() / 1_000_000_000
}
