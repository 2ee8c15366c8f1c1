//! The fronts on real sockets: what clients send byte by byte, what they get, what the account says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bodies;
mod deadlines;
mod gone;
mod keep_alive;
mod refusals;
mod streams;
mod streams_limits;
mod streams_raw;
mod support;
mod support2;
mod upgrade;

use super::HttpLimits;
use std::time::Duration;

/// Limits that tests reach quickly; times far away, so that each test shortens the one it is about.
pub(super) fn limits() -> HttpLimits {
    let long = Duration::from_secs(60);
    HttpLimits {
        header_timeout: long,
        idle_timeout: long,
        stall_timeout: long,
        body_timeout: long,
        header_bytes: 4096,
        header_count: 20,
        target_bytes: 1024,
        h2_streams: 10,
        h2_pending_resets: 5,
        requests_per_connection: 1000,
    }
}
