//! A response's head: whether its body may be compressed, and what the head says when it is.

use super::{codec::Codec, types, types::Types};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
        CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY,
    },
};

/// What is true of a body as it was and no longer once it is coded otherwise (RFC 9530 section 2,
/// RFC 3230, RFC 1864).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// What kind of answer this is, for compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never compressed.
    Not,
    /// It would be, were it not so small.
    Small,
    /// It is, for clients that take it.
    Body,
    /// A 304, which stands for an answer that may have been.
    NotModified,
}

/// Looks at a head. `any_type` is for clients that take no bytes as they are.
pub(super) fn kind(
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
    types: &Types,
    min_size: u64,
    any_type: bool,
) -> Kind {
    let bodyless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::PARTIAL_CONTENT];
    let coded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    if status.is_informational()
        || bodyless.contains(&status)
        || coded
        || headers.contains_key(CONTENT_RANGE)
        || forbids_transform(headers)
    {
        return Kind::Not;
    }
    let of_type = match headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) {
        Some(value) => !types::is_grpc(value) && (any_type || types.has(value)),
        // A 304 need not say what its body would be.
        None => any_type || status == StatusCode::NOT_MODIFIED,
    };
    match length {
        _ if !of_type => Kind::Not,
        _ if status == StatusCode::NOT_MODIFIED => Kind::NotModified,
        Some(0) => Kind::Not,
        Some(length) if length < min_size && !any_type => Kind::Small,
        _ => Kind::Body,
    }
}

/// Whether `Cache-Control` says `no-transform`, in a request or in a response (RFC 9111 sections
/// 5.2.1.6 and 5.2.2.6).
pub(super) fn forbids_transform(headers: &HeaderMap) -> bool {
    lists(headers, &CACHE_CONTROL, b"no-transform")
}

/// Whether a field that is a list has this element, in whatever case.
fn lists(headers: &HeaderMap, name: &HeaderName, element: &[u8]) -> bool {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|found| found.trim_ascii().eq_ignore_ascii_case(element))
}

/// Says that other clients may get other bytes.
pub(super) fn vary(headers: &mut HeaderMap) {
    if !lists(headers, &VARY, b"accept-encoding") && !lists(headers, &VARY, b"*") {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// Makes the head one of a body that `codec` has compressed.
pub(super) fn coded(headers: &mut HeaderMap, codec: Codec) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(codec.name()));
    headers.remove(CONTENT_LENGTH);
    // Ranges are those of the bytes as they were.
    headers.remove(ACCEPT_RANGES);
    forget_digests(headers);
    weaken_etag(headers);
}

/// Makes the head one of a body that is no longer coded.
pub(super) fn decoded(headers: &mut HeaderMap) {
    headers.remove(CONTENT_ENCODING);
    forget_digests(headers);
}

/// Removes digests, of a head or of trailers.
pub(super) fn forget_digests(headers: &mut HeaderMap) {
    for name in &DIGESTS {
        headers.remove(name);
    }
}

/// Makes a strong entity tag weak: what is compressed is the same by meaning, not byte by byte
/// (RFC 9110 section 8.8.1).
pub(super) fn weaken_etag(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().first() == Some(&b'"')) else {
        return;
    };
    match HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

/// `Accept-Encoding` of an answer, which says what requests may be coded with (RFC 7694).
pub(super) fn accepted(codecs: &[Codec]) -> (HeaderName, HeaderValue) {
    let names: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
    let value = HeaderValue::from_str(&names.join(", "));
    (ACCEPT_ENCODING, value.unwrap_or_else(|_| HeaderValue::from_static("identity")))
}
