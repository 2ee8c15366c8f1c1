//! Headers that concern one connection only and are not relayed (RFC 9110 section 7.6.1): what
//! [`crate::front::hop`] takes out, asked for on the way to servers and back.
//!
//! HTTP fronts have stripped requests before steps see them; steps and calls without a transport can
//! still bring such headers in.

use crate::front::hop::{ConnectionOptions, strip_request, strip_response};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, HOST, TRAILER, UPGRADE},
};

/// Whether a request asks for another protocol that may be relayed. A change to HTTP/2 in clear
/// never is: behind it calls would pass unseen.
pub(super) fn asks_upgrade(headers: &HeaderMap) -> bool {
    let clear_h2 = |value: &http::HeaderValue| {
        let mut protocols = value.as_bytes().split(|&byte| byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c"))
    };
    headers.contains_key(UPGRADE)
        && ConnectionOptions::of(headers).upgrade
        && !headers.get_all(UPGRADE).iter().any(clear_h2)
}

/// Strips a request. With `upgrade` the wish to change the protocol stays.
pub(super) fn request(headers: &mut HeaderMap, upgrade: bool) {
    if any(headers) {
        strip_request(headers, upgrade);
    }
}

/// Strips an answer. With `upgrade`, a 101 says what it changes to.
pub(super) fn response(headers: &mut HeaderMap, upgrade: bool) {
    if any(headers) {
        strip_response(headers, upgrade);
    }
}

/// Strips what may not stand among trailers either (RFC 9110 section 6.5.1).
pub(super) fn trailers(trailers: &mut HeaderMap) {
    strip_response(trailers, false);
    for name in [CONTENT_LENGTH, HOST, TRAILER] {
        trailers.remove(name);
    }
}

/// Whether there is anything to strip. One look at each name is cheaper than looking up each of
/// those that are mostly missing.
fn any(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        matches!(
            name.as_str(),
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "te"
                | "transfer-encoding"
                | "upgrade"
                | "http2-settings"
        )
    })
}

#[cfg(test)]
mod tests {
    //! Upgrades, and that nothing is overlooked.
    use super::{asks_upgrade, request, response, trailers};
    use crate::upstream::tests::support::headers;

    #[test]
    fn an_upgrade_is_asked_for_by_both_headers_and_never_to_h2c() {
        for (connection, upgrade, asked) in [
            ("keep-alive, Upgrade", "websocket", true),
            ("keep-alive", "websocket", false),
            ("upgrade", "h2c", false),
            ("upgrade", "websocket, H2C", false),
        ] {
            let map = headers(&[("connection", connection), ("upgrade", upgrade)]);
            assert_eq!(asks_upgrade(&map), asked, "{connection} {upgrade}");
        }
        assert!(!asks_upgrade(&headers(&[("connection", "upgrade")])));
    }

    #[test]
    fn each_of_them_alone_is_found() {
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "transfer-encoding",
            "upgrade",
            "http2-settings",
        ] {
            let mut map = headers(&[(name, "x"), ("accept", "*/*")]);
            request(&mut map, false);
            assert_eq!(map.len(), 1, "{name}");
        }
        let mut map = headers(&[("keep-alive", "timeout=5"), ("etag", "x")]);
        response(&mut map, false);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn framing_is_no_matter_for_trailers() {
        let mut map = headers(&[("content-length", "9"), ("host", "a"), ("grpc-status", "0")]);
        trailers(&mut map);
        assert_eq!(map, headers(&[("grpc-status", "0")]));
    }
}
