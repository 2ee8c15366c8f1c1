//! Rows of the error table: what handlers refuse.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// A handler found the request wrong.
pub const BAD_REQUEST: &ErrorCode = &ErrorCode::new(
    6000,
    StatusCode::BAD_REQUEST,
    "handler_bad_request",
    "The request is not acceptable.",
);

/// A handler wants to know who calls.
pub const UNAUTHENTICATED: &ErrorCode = &ErrorCode::new(
    6001,
    StatusCode::UNAUTHORIZED,
    "handler_unauthenticated",
    "The caller must prove who they are.",
);

/// A handler lets this caller not do this.
pub const FORBIDDEN: &ErrorCode = &ErrorCode::new(
    6002,
    StatusCode::FORBIDDEN,
    "handler_forbidden",
    "The caller may not do this.",
);

/// A handler knows of nothing there.
pub const NOT_FOUND: &ErrorCode =
    &ErrorCode::new(6003, StatusCode::NOT_FOUND, "handler_not_found", "There is nothing here.");

/// A handler found that the request contradicts what is.
pub const CONFLICT: &ErrorCode = &ErrorCode::new(
    6004,
    StatusCode::CONFLICT,
    "handler_conflict",
    "The request contradicts the present state.",
);

/// A handler understood the request and cannot follow it.
pub const UNPROCESSABLE: &ErrorCode = &ErrorCode::new(
    6005,
    StatusCode::UNPROCESSABLE_ENTITY,
    "handler_unprocessable",
    "The request cannot be followed.",
);

/// A handler's limit is used up.
pub const TOO_MANY_REQUESTS: &ErrorCode = &ErrorCode::new(
    6006,
    StatusCode::TOO_MANY_REQUESTS,
    "handler_too_many_requests",
    "Too many requests.",
);

/// A handler lacks what it needs.
pub const UNAVAILABLE: &ErrorCode = &ErrorCode::new(
    6007,
    StatusCode::SERVICE_UNAVAILABLE,
    "handler_not_available",
    "The service is not available.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[
    BAD_REQUEST,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    CONFLICT,
    UNPROCESSABLE,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
];
