//! Rows of the error table: addresses.

use http::StatusCode;
use paifang_pipeline::ErrorCode;

/// The client's address is denied, or not among those allowed.
pub const ADDRESS_REFUSED: &ErrorCode = &ErrorCode::new(
    2050,
    StatusCode::FORBIDDEN,
    "address_refused",
    "Calls from this address are refused.",
);

/// All of them.
pub const ROWS: &[&ErrorCode] = &[ADDRESS_REFUSED];
