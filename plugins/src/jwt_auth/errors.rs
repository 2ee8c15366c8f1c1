//! Rows of the error table: tokens.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// No token where one is looked for.
pub const MISSING: &ErrorCode =
    &ErrorCode::new(2060, StatusCode::UNAUTHORIZED, "token_missing", "A token is needed.");

/// More than one token.
pub const AMBIGUOUS: &ErrorCode = &ErrorCode::new(
    2061,
    StatusCode::BAD_REQUEST,
    "token_ambiguous",
    "The request carries more than one token.",
);

/// Not a token, not signed by a known key, or not for here: not told apart.
pub const INVALID: &ErrorCode =
    &ErrorCode::new(2062, StatusCode::UNAUTHORIZED, "token_invalid", "The token is not valid.");

/// It was valid once.
pub const EXPIRED: &ErrorCode =
    &ErrorCode::new(2063, StatusCode::UNAUTHORIZED, "token_expired", "The token has expired.");

/// It is valid and lacks what `require` asks for.
pub const INSUFFICIENT: &ErrorCode = &ErrorCode::new(
    2064,
    StatusCode::FORBIDDEN,
    "token_insufficient",
    "The token does not suffice for this API.",
);

/// It is valid and names no app that there is.
pub const APP_REFUSED: &ErrorCode = &ErrorCode::new(
    2065,
    StatusCode::FORBIDDEN,
    "token_app_refused",
    "The token's app may not use this API.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[MISSING, AMBIGUOUS, INVALID, EXPIRED, INSUFFICIENT, APP_REFUSED];
