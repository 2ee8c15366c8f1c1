//! Rows of the error table: shares of calls that are given up.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// The call belongs to the share that is refused.
pub const LOAD_SHED: &ErrorCode = &ErrorCode::new(
    3010,
    StatusCode::SERVICE_UNAVAILABLE,
    "load_shed",
    "Not all requests can be served at present.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[LOAD_SHED];
