//! What of a request's head is checked beyond what `h2` checks.

use super::super::{HttpLimits, authority, method, refusal::Refusal, response::content_length};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{CONTENT_LENGTH, COOKIE, EXPECT},
};
use paifang_pipeline::{HostName, RequestHead};

/// The head as a call has it and the host it is for, or why it is refused.
pub(super) fn check(
    mut head: RequestHead,
    limits: &HttpLimits,
) -> Result<(RequestHead, HostName), Refusal> {
    head.method = method::check(head.method.as_str().as_bytes())?;
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target_bytes {
        return Err(Refusal::target_too_long(limits.target_bytes));
    }
    if head.headers.len() > limits.header_count {
        return Err(Refusal::too_many_fields(limits.header_count));
    }
    if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) {
        return Err(Refusal::malformed("the scheme is neither http nor https"));
    }
    let about_server = target == "*" && head.method == Method::OPTIONS;
    if !target.starts_with('/') && !about_server {
        return Err(Refusal::malformed("the path does not begin with a slash"));
    }
    check_length(&head.headers)?;
    let host = authority::check(head.version, &head.uri, &head.headers)?;
    if expects_continue(&head.headers) {
        // It is fulfilled by the stream's front.
        head.headers.remove(EXPECT);
    }
    join_cookies(&mut head.headers);
    Ok((head, host))
}

/// Whether the client waits for 100 before it sends its body (RFC 9110 section 10.1.1).
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// `h2` holds the body to the first of several equal lengths; an upstream might be told all of them.
fn check_length(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::malformed("several Content-Length fields")),
        (Some(length), None) => match content_length(length) {
            Some(_) => Ok(()),
            None => Err(Refusal::malformed("a Content-Length that is not one number")),
        },
    }
}

/// Clients may split `Cookie` for compression; whoever reads it further on expects one field (RFC 9113
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Legal values joined by legal bytes.
    if let Ok(whole) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(COOKIE, whole);
    }
}
