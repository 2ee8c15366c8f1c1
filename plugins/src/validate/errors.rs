//! Rows of the error table: requests that are not what they should be.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// Parameters or body break the schema, or the body is no JSON.
pub const REQUEST_INVALID: &ErrorCode = &ErrorCode::new(
    1030,
    StatusCode::BAD_REQUEST,
    "request_invalid",
    "The request does not conform to the API's description.",
);

/// The body's media type is none that the description names.
pub const MEDIA_TYPE_REFUSED: &ErrorCode = &ErrorCode::new(
    1031,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "media_type_refused",
    "The request body's media type is not supported.",
);

/// The description has no operation with this method and path.
pub const OPERATION_UNKNOWN: &ErrorCode = &ErrorCode::new(
    1032,
    StatusCode::NOT_FOUND,
    "operation_unknown",
    "The API's description knows no such operation.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[REQUEST_INVALID, MEDIA_TYPE_REFUSED, OPERATION_UNKNOWN];
