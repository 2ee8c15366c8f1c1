//! Rows of the error table: names and passwords.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// No credentials of this scheme.
pub const MISSING: &ErrorCode = &ErrorCode::new(
    2040,
    StatusCode::UNAUTHORIZED,
    "password_missing",
    "A user name and a password are needed.",
);

/// No such user, or another password: not told apart.
pub const INVALID: &ErrorCode = &ErrorCode::new(
    2041,
    StatusCode::UNAUTHORIZED,
    "password_invalid",
    "The user name or the password is not valid.",
);

/// They cannot be read.
pub const MALFORMED: &ErrorCode = &ErrorCode::new(
    2042,
    StatusCode::BAD_REQUEST,
    "password_malformed",
    "The credentials are malformed.",
);

/// As many are waiting for their check as may.
pub const BUSY: &ErrorCode = &ErrorCode::new(
    2043,
    StatusCode::SERVICE_UNAVAILABLE,
    "password_check_busy",
    "Too many passwords wait for being checked.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[MISSING, INVALID, MALFORMED, BUSY];
