//! Rows of the error table: signatures.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// No signature where one is looked for.
pub const SIGNATURE_MISSING: &ErrorCode = &ErrorCode::new(
    2010,
    StatusCode::UNAUTHORIZED,
    "signature_missing",
    "The request must be signed.",
);

/// The signature's header, or what it says is signed, breaks the rules.
pub const SIGNATURE_MALFORMED: &ErrorCode = &ErrorCode::new(
    2011,
    StatusCode::BAD_REQUEST,
    "signature_malformed",
    "The request's signature is malformed.",
);

/// The timestamp is too far from the gateway's time.
pub const SIGNATURE_EXPIRED: &ErrorCode = &ErrorCode::new(
    2012,
    StatusCode::UNAUTHORIZED,
    "signature_expired",
    "The request was signed too long ago, or its clock is wrong.",
);

/// The signature is not that of this request under this key, or there is no such key. One row for
/// both, so that nobody learns which keys there are.
pub const SIGNATURE_INVALID: &ErrorCode = &ErrorCode::new(
    2013,
    StatusCode::UNAUTHORIZED,
    "signature_invalid",
    "The request's signature is not valid.",
);

/// The nonce has been seen before.
pub const SIGNATURE_REPLAYED: &ErrorCode = &ErrorCode::new(
    2014,
    StatusCode::UNAUTHORIZED,
    "signature_replayed",
    "This signed request has been seen before.",
);

/// The memory of nonces is full, so a replay could not be told from this request.
pub const REPLAY_MEMORY_FULL: &ErrorCode = &ErrorCode::new(
    2015,
    StatusCode::SERVICE_UNAVAILABLE,
    "replay_memory_full",
    "The gateway cannot tell at present whether this request is new.",
);

/// The signature is valid, its app is not one of those let in.
pub const APP_REFUSED: &ErrorCode = &ErrorCode::new(
    2016,
    StatusCode::FORBIDDEN,
    "signature_app_refused",
    "The signature's app may not use this API.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[
    SIGNATURE_MISSING,
    SIGNATURE_MALFORMED,
    SIGNATURE_EXPIRED,
    SIGNATURE_INVALID,
    SIGNATURE_REPLAYED,
    REPLAY_MEMORY_FULL,
    APP_REFUSED,
];
