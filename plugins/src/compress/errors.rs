//! Rows of the error table: request bodies that cannot be decoded.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// The request's body has a coding, or several, that the step does not take.
pub const CODING_REFUSED: &ErrorCode = &ErrorCode::new(
    1020,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "coding_refused",
    "The request body's content coding is not supported.",
);

/// The body is not what its `Content-Encoding` says.
pub const CODING_MALFORMED: &ErrorCode = &ErrorCode::new(
    1021,
    StatusCode::BAD_REQUEST,
    "coding_malformed",
    "The request body cannot be decoded.",
);

/// The body is larger than allowed once it is decoded, or grows too much.
pub const DECODED_TOO_LARGE: &ErrorCode = &ErrorCode::new(
    1022,
    StatusCode::PAYLOAD_TOO_LARGE,
    "decoded_too_large",
    "The decoded request body is larger than allowed.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[CODING_REFUSED, CODING_MALFORMED, DECODED_TOO_LARGE];
