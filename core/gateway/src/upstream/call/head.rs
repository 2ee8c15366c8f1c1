//! The request head as a server gets it: hop-by-hop headers gone, `Host`, forwarding and framing set.

use crate::deadlines;
use crate::front::{
    fields::{Field, Fields},
    hop::strip_request,
};
use crate::upstream::{endpoint::Endpoint, forwarded, hop, spec::HostPolicy};
use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};
use paifang_pipeline::{BodySize, Exchange, OriginError, RequestHead};
use std::borrow::Cow;

/// So many fields are added to most requests: `X-Forwarded-*`, `traceparent`, and one that frames the
/// body.
const ADDED: usize = 6;

/// A head that is ready for the wire.
#[derive(Debug)]
pub(in crate::upstream) struct Prepared {
    pub(in crate::upstream) method: Method,
    /// Of it, path and query are sent.
    pub(in crate::upstream) uri: Uri,
    /// `Host` included; `Content-Length`, or `Transfer-Encoding: chunked` for HTTP/1.1.
    pub(in crate::upstream) headers: HeaderMap,
    /// A body follows.
    pub(in crate::upstream) has_body: bool,
}

/// Readies a call's head for `endpoint`. `h1` says that HTTP/1.1 will be spoken.
pub(in crate::upstream) fn prepare(
    call: &Exchange,
    head: Cow<'_, RequestHead>,
    size: BodySize,
    endpoint: &Endpoint,
    h1: bool,
) -> Prepared {
    let (method, uri, mut headers) = match head {
        Cow::Owned(head) => (head.method, head.uri, head.headers),
        Cow::Borrowed(head) => {
            let mut headers = head.headers.clone();
            headers.reserve(ADDED);
            (head.method.clone(), head.uri.clone(), headers)
        }
    };
    let fields = Fields::of(&headers);
    let upgrade = h1 && hop::asks_upgrade(fields, &headers);
    strip_request(fields, &mut headers, upgrade);
    // The gateway has answered it, or will.
    fields.take(Field::Expect, &mut headers);
    let spec = &endpoint.common.spec;
    let asked = asked_host(&headers, &uri, call);
    forwarded::apply(&mut headers, fields, call.facts(), asked.as_ref(), spec.forwarding);
    if let Some(span) = call.span() {
        span.inject(&mut headers);
    }
    deadlines::tell(&mut headers, call);
    if let Some(credential) = &call.facts().carried {
        headers.insert(AUTHORIZATION, (**credential).clone());
    }
    let host = match &spec.host {
        HostPolicy::Preserve => asked,
        HostPolicy::Upstream => Some(endpoint.identity.authority.clone()),
        HostPolicy::Name(host) => Some(host.clone()),
    };
    // A request without one (HTTP/1.0) gets the server's own: HTTP/1.1 requires it.
    headers.insert(HOST, host.unwrap_or_else(|| endpoint.identity.authority.clone()));
    let has_body = frame(&mut headers, fields, &method, size, h1);
    Prepared { method, uri, headers, has_body }
}

/// The host that the client asked for, with its port.
fn asked_host(headers: &HeaderMap, uri: &Uri, call: &Exchange) -> Option<HeaderValue> {
    if let Some(host) = headers.get(HOST) {
        return Some(host.clone());
    }
    if let Some(authority) = uri.authority() {
        return HeaderValue::from_str(authority.as_str()).ok();
    }
    let host = call.facts().host();
    if host.is_empty() { None } else { HeaderValue::from_str(host).ok() }
}

/// Sets the framing headers; says whether a body follows.
pub(in crate::upstream) fn frame(
    headers: &mut HeaderMap,
    fields: Fields,
    method: &Method,
    size: BodySize,
    h1: bool,
) -> bool {
    let length = match size {
        BodySize::Empty => {
            // Servers may insist on a length where the method usually has a body
            // (RFC 9110 section 8.6).
            let expected = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
            if !expected {
                fields.take(Field::ContentLength, headers);
                return false;
            }
            Some(0)
        }
        BodySize::Exact(length) => Some(length),
        BodySize::Unknown => None,
        BodySize::Declared => declared(headers),
    };
    match length {
        Some(length) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        None => {
            fields.take(Field::ContentLength, headers);
            if h1 {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
    length != Some(0)
}

/// The length that the head declares, if it is one.
pub(super) fn declared(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    // Lists of equal lengths count as one (RFC 9110 section 8.6).
    text.split(',').next()?.trim().parse().ok()
}

/// The whole target that HTTP/2 wants: scheme, authority, path. Takes `Host` out of the headers.
pub(super) fn h2_target(prepared: &mut Prepared, tls: bool) -> Result<Uri, OriginError> {
    let refuse = crate::upstream::error::unsendable;
    let host = prepared.headers.remove(HOST);
    let authority = host
        .and_then(|host| {
            Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes())).ok()
        })
        .ok_or_else(|| refuse("the host cannot be sent over HTTP/2"))?;
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(authority);
    let path = prepared.uri.path_and_query().cloned();
    parts.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    Uri::from_parts(parts).map_err(|_| refuse("the target cannot be sent over HTTP/2"))
}
