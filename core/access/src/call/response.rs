//! The head of an answer as TLVs, and trailers as such.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use paifang_mmtp::{
    session::NewResponse,
    tlv::{MAX_BLOCK, MAX_COUNT, TlvWriter, kind},
};
use paifang_pipeline::{ErrorCode, ResponseHead};

/// Bytes of a FIELD beside its name and value, with two more for what follows them: kind, length, and the name's length.
const FIELD_OVERHEAD: usize = 8;

/// Fields of answers that clients do not need (spec section 5).
fn is_left_out(name: &HeaderName) -> bool {
    matches!(name.as_str(), "date" | "server" | "alt-svc") || super::is_forbidden(name)
}

/// The block of an answer; `None` when it is too large. `asked` is the request's content type, `dictionary` the number of the one that
/// the answer is compressed with.
pub(super) fn block(
    head: &ResponseHead,
    asked: Option<&HeaderValue>,
    dictionary: Option<u32>,
) -> Option<Bytes> {
    let length = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + FIELD_OVERHEAD
    };
    let mut tlvs = Vec::with_capacity(head.headers.iter().map(length).sum());
    let mut count = 0;
    let mut put = TlvWriter(&mut tlvs);
    for (name, value) in &head.headers {
        let same = name == CONTENT_TYPE && asked == Some(value);
        if is_left_out(name) || same {
            continue;
        }
        put.pair(kind::FIELD, name.as_str().as_bytes(), value.as_bytes());
        count += 1;
    }
    if let Some(number) = dictionary {
        put.integer(kind::ENCODED_WITH, u64::from(number));
        count += 1;
    }
    if let Some(code) = head.extensions.get::<&'static ErrorCode>() {
        put.integer(kind::ERROR, u64::from(code.number));
        count += 1;
    }
    (tlvs.len() <= MAX_BLOCK && count <= MAX_COUNT).then(|| tlvs.into())
}

/// The whole answer that a row of the error table is.
pub(super) fn of_row(row: &'static ErrorCode) -> NewResponse {
    refusal(row.status.as_u16(), u32::from(row.number))
}

/// An answer with a status and the number of a row of the error table alone.
pub(super) fn refusal(status: u16, error: u32) -> NewResponse {
    let mut tlvs = Vec::new();
    TlvWriter(&mut tlvs).integer(kind::ERROR, u64::from(error));
    NewResponse { status, tlvs: tlvs.into(), zstd: false, data: Bytes::new(), end: true }
}

/// The block of an answer of bytes that mean something to who asked alone.
pub(super) fn opaque(asked: Option<&HeaderValue>) -> Bytes {
    let mut tlvs = Vec::new();
    let own = HeaderValue::from_static("application/octet-stream");
    if asked != Some(&own) {
        let mut put = TlvWriter(&mut tlvs);
        put.pair(kind::FIELD, CONTENT_TYPE.as_str().as_bytes(), own.as_bytes());
    }
    tlvs.into()
}

/// Trailers as a block; empty when there are none, or too large ones.
pub(super) fn trailers(trailers: Option<Box<HeaderMap>>) -> Bytes {
    let Some(trailers) = trailers else { return Bytes::new() };
    let mut tlvs = Vec::new();
    let mut put = TlvWriter(&mut tlvs);
    for (name, value) in trailers.iter().filter(|(name, _)| !is_left_out(name)) {
        put.pair(kind::FIELD, name.as_str().as_bytes(), value.as_bytes());
    }
    let fits = tlvs.len() <= MAX_BLOCK && trailers.len() <= MAX_COUNT;
    if fits { tlvs.into() } else { Bytes::new() }
}
