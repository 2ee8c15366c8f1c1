//! Rows of the error table: limits.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// The rate is used up.
pub const RATE_LIMITED: &ErrorCode =
    &ErrorCode::new(3000, StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests.");

/// All places in flight are taken.
pub const CONCURRENCY_LIMITED: &ErrorCode = &ErrorCode::new(
    3001,
    StatusCode::TOO_MANY_REQUESTS,
    "concurrency_limited",
    "Too many requests at once.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[RATE_LIMITED, CONCURRENCY_LIMITED];
