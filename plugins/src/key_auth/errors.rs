//! Rows of the error table: keys.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// No key where one is looked for.
pub const KEY_MISSING: &ErrorCode =
    &ErrorCode::new(2000, StatusCode::UNAUTHORIZED, "key_missing", "An API key is needed.");

/// A key that no app has.
pub const KEY_UNKNOWN: &ErrorCode =
    &ErrorCode::new(2001, StatusCode::UNAUTHORIZED, "key_unknown", "The API key is not valid.");

/// More than one key.
pub const KEY_AMBIGUOUS: &ErrorCode = &ErrorCode::new(
    2002,
    StatusCode::BAD_REQUEST,
    "key_ambiguous",
    "The request carries more than one API key.",
);

/// The key is valid, its app is not one of those let in.
pub const APP_REFUSED: &ErrorCode = &ErrorCode::new(
    2003,
    StatusCode::FORBIDDEN,
    "key_app_refused",
    "The key's app may not use this API.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[KEY_MISSING, KEY_UNKNOWN, KEY_AMBIGUOUS, APP_REFUSED];
