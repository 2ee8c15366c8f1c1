//! Why a request is refused before it is a call.

use paifang_pipeline::{ErrorCode, error};
use std::borrow::Cow;

/// A row of the error table, and a sentence for the client. The sentence never holds bytes of the
/// request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static ErrorCode,
    pub(super) detail: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(code: &'static ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    pub(super) const fn malformed(detail: &'static str) -> Self {
        Self { code: error::MALFORMED_REQUEST, detail: Cow::Borrowed(detail) }
    }

    pub(super) fn too_many_fields(most: usize) -> Self {
        Self::new(error::HEADERS_TOO_LARGE, format!("more than {most} header fields"))
    }

    pub(super) fn section_too_large(most: usize) -> Self {
        Self::new(error::HEADERS_TOO_LARGE, format!("the header section exceeds {most} bytes"))
    }

    pub(super) fn target_too_long(most: usize) -> Self {
        Self::new(error::URI_TOO_LONG, format!("the request target exceeds {most} bytes"))
    }
}
