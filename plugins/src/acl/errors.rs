//! Rows of the error table: who may pass.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// No step above has established who calls.
pub const IDENTITY_MISSING: &ErrorCode = &ErrorCode::new(
    2030,
    StatusCode::UNAUTHORIZED,
    "identity_missing",
    "It is not known who calls.",
);

/// It is known who calls, and they may not pass.
pub const CALLER_REFUSED: &ErrorCode = &ErrorCode::new(
    2031,
    StatusCode::FORBIDDEN,
    "caller_refused",
    "This caller may not use this API.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[IDENTITY_MISSING, CALLER_REFUSED];
