//! From a header section's bytes to a request head, and to how its body and connection go on.
//!
//! `httparse` splits the lines; what follows refuses everything that another reader might take for
//! something else (RFC 9112 sections 3, 6 and 11.2). Header values are slices of the bytes that came
//! in.

use super::{diagnose, scan::Section};
use crate::front::{
    HttpLimits, authority,
    fields::{Field, Fields},
    hop::{self, ConnectionOptions},
    method,
    refusal::Refusal,
    response::content_length,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header::EXPECT};
use paifang_pipeline::{HostName, RequestHead};
use std::mem::MaybeUninit;

/// Up to so many header lines are parsed without an allocation for them.
const USUAL_FIELDS: usize = 48;

/// What frames a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// It has none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// How a request goes on after its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    /// HTTP/1.1, not 1.0.
    pub(super) is_11: bool,
    /// The method is HEAD.
    pub(super) is_head: bool,
    pub(super) body: Body,
    /// The client wants the connection to live on.
    pub(super) keep_alive: bool,
    /// The client asks to switch protocols, in a way that can be granted.
    pub(super) upgrade: bool,
    /// The client waits for 100 before it sends its body.
    pub(super) expects_continue: bool,
}

impl Framing {
    /// A head that says to Pingora's session what this framing says, and nothing else: what frames
    /// a call is decided in one place only.
    pub(super) fn to_session(self) -> BytesMut {
        let method = if self.is_head { "HEAD" } else { "GET" };
        let version = if self.is_11 { "1.1" } else { "1.0" };
        // More than the longest of them, so that it grows once.
        let mut head = BytesMut::with_capacity(96);
        head.extend_from_slice(method.as_bytes());
        head.extend_from_slice(b" / HTTP/");
        head.extend_from_slice(version.as_bytes());
        match (self.is_11, self.keep_alive) {
            (true, true) | (false, false) => {}
            (true, false) => head.extend_from_slice(b"\r\nConnection: close"),
            (false, true) => head.extend_from_slice(b"\r\nConnection: keep-alive"),
        }
        if self.upgrade {
            head.extend_from_slice(b"\r\nUpgrade: granted");
        }
        match self.body {
            Body::None => {}
            Body::Length(length) => {
                head.extend_from_slice(b"\r\nContent-Length: ");
                head.extend_from_slice(length.to_string().as_bytes());
            }
            Body::Chunked => head.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        }
        head.extend_from_slice(b"\r\n\r\n");
        head
    }
}

/// Parses the section that `bytes` is.
pub(super) fn parse(
    bytes: &Bytes,
    section: Section,
    limits: &HttpLimits,
) -> Result<(RequestHead, HostName, Framing), Refusal> {
    let mut usual = [MaybeUninit::uninit(); USUAL_FIELDS];
    let mut unusual = Vec::new();
    let slots = match section.fields {
        fields if fields <= USUAL_FIELDS => &mut usual[..],
        fields => {
            unusual.resize_with(fields, MaybeUninit::uninit);
            &mut unusual[..]
        }
    };
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, slots) {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
        _ => return Err(diagnose::why(bytes)),
    }
    let (Some(verb), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(diagnose::why(bytes));
    };
    let (mut head, ()) = Request::new(()).into_parts();
    head.version = if version == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    head.method = method::check(verb.as_bytes())?;
    head.uri = check_target(&head.method, target, bytes, limits)?;
    head.headers = fields(parsed.headers, bytes)?;
    let host = authority::check(head.version, &head.uri, &head.headers)?;
    let framing = frame(&mut head)?;
    Ok((head, host, framing))
}

/// The target as it stands there. It must be in a form that goes with the method (RFC 9112 section
/// 3.2); the path's own rules are those of `docs/specs/paths.md` and are applied later.
fn check_target(
    method: &Method,
    target: &str,
    bytes: &Bytes,
    limits: &HttpLimits,
) -> Result<Uri, Refusal> {
    if target.len() > limits.target_bytes {
        return Err(Refusal::target_too_long(limits.target_bytes));
    }
    if target.contains('#') {
        return Err(Refusal::malformed("a fragment in the request target"));
    }
    let form = |good: bool| match good {
        true => Ok(()),
        false => Err(Refusal::malformed(
            "the request target has a form that does not go with the method",
        )),
    };
    form(match target.as_bytes() {
        b"*" => method == Method::OPTIONS,
        [first, ..] => *first == b'/' || target.contains("://"),
        [] => false,
    })?;
    let uri = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes()))
        .map_err(|_| Refusal::malformed("the request target has a character that none may have"))?;
    if !target.starts_with(['/', '*']) {
        form(matches!(uri.scheme_str(), Some("http" | "https")))?;
    }
    Ok(uri)
}

fn fields(parsed: &[httparse::Header<'_>], bytes: &Bytes) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value));
        match (name, value) {
            (Ok(name), Ok(value)) => {
                headers.append(name, value);
            }
            _ => return Err(diagnose::why(bytes)),
        }
    }
    Ok(headers)
}

/// Reads off how the request goes on, and takes out of its head what concerns the connection.
fn frame(head: &mut RequestHead) -> Result<Framing, Refusal> {
    let is_11 = head.version == Version::HTTP_11;
    let headers = &mut head.headers;
    let present = Fields::of(headers);
    let body = check_body(present, headers, is_11)?;
    let options = ConnectionOptions::of(present, headers);
    let upgrade = is_11 && options.upgrade && body == Body::None && can_upgrade(present, headers);
    let expects = present
        .values(Field::Expect, headers)
        .next()
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        // It is fulfilled here.
        headers.remove(EXPECT);
    }
    hop::strip_request(present, headers, upgrade);
    Ok(Framing {
        is_11,
        is_head: head.method == Method::HEAD,
        body,
        keep_alive: if is_11 { !options.close } else { options.keep_alive && !options.close },
        upgrade,
        expects_continue: expects && is_11 && body != Body::None,
    })
}

/// Whether there is something to switch to. Switching to h2c is over with RFC 9113; a client that
/// wants it goes on in HTTP/1.1.
fn can_upgrade(present: Fields, headers: &HeaderMap) -> bool {
    let mut protocols = present
        .values(Field::Upgrade, headers)
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii));
    present.has(Field::Upgrade) && protocols.all(|name| !name.eq_ignore_ascii_case(b"h2c"))
}

/// What frames the body, said once and in one way (RFC 9112 sections 6.1 to 6.3).
fn check_body(present: Fields, headers: &HeaderMap, is_11: bool) -> Result<Body, Refusal> {
    let refuse = |detail| Err(Refusal::malformed(detail));
    let mut codings = present.values(Field::TransferEncoding, headers);
    let mut lengths = present.values(Field::ContentLength, headers);
    match (codings.next(), lengths.next()) {
        (None, None) => Ok(Body::None),
        (Some(_), Some(_)) => refuse("both Transfer-Encoding and Content-Length"),
        (Some(_), None) if !is_11 => refuse("Transfer-Encoding in HTTP/1.0"),
        (Some(_), None) if codings.next().is_some() => refuse("several Transfer-Encoding fields"),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Body::Chunked)
        }
        (Some(_), None) => refuse("a Transfer-Encoding other than chunked"),
        (None, Some(_)) if lengths.next().is_some() => refuse("several Content-Length fields"),
        (None, Some(length)) => match content_length(length) {
            Some(0) => Ok(Body::None),
            Some(length) if usize::try_from(length).is_ok() => Ok(Body::Length(length)),
            _ => refuse("a Content-Length that is not one number"),
        },
    }
}
