//! Rows of the error table: upstreams that are given a rest.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// The upstream's breaker is open, or half open and no more calls may try.
pub const CIRCUIT_OPEN: &ErrorCode = &ErrorCode::new(
    4050,
    StatusCode::SERVICE_UNAVAILABLE,
    "circuit_open",
    "The upstream is failing and is given a rest.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[CIRCUIT_OPEN];
