//! Rows of the error table that several plugins here share: one cause is one row, whichever plugin
//! meets it.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// A value of the request must not stand where a template puts it.
pub const VALUE_REFUSED: &ErrorCode = &ErrorCode::new(
    5100,
    StatusCode::BAD_REQUEST,
    "value_refused",
    "A value of the request cannot be used here.",
);

/// What a template makes of the request is larger than its limit.
pub const TOO_LARGE: &ErrorCode = &ErrorCode::new(
    5101,
    StatusCode::BAD_REQUEST,
    "rendered_too_large",
    "The values of the request are too large here.",
);

/// A redirect's address, filled from the request, is not acceptable.
pub const REDIRECT_REFUSED: &ErrorCode = &ErrorCode::new(
    5102,
    StatusCode::BAD_REQUEST,
    "redirect_refused",
    "The request leads to no acceptable address.",
);

/// A rewritten path is not acceptable.
pub const REWRITE_REFUSED: &ErrorCode = &ErrorCode::new(
    5103,
    StatusCode::BAD_REQUEST,
    "rewrite_refused",
    "The request's path cannot be rewritten to an acceptable one.",
);
