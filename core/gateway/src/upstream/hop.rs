//! Of the fields that concern one connection only, what is the upstream side's own affair; what
//! is taken out of requests and answers is said in [`crate::front::hop`].
//!
//! HTTP fronts have stripped requests before steps see them; steps and calls without a transport can
//! still bring such fields in.

use crate::front::{
    fields::{Field, Fields},
    hop::{ConnectionOptions, strip_response},
};
use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, HOST, TRAILER},
};

/// Whether a request asks for another protocol that may be relayed. A change to HTTP/2 in clear
/// never is: behind it calls would pass unseen. `fields` are those that `headers` has.
pub(super) fn asks_upgrade(fields: Fields, headers: &HeaderMap) -> bool {
    let clear_h2 = |value: &http::HeaderValue| {
        let mut protocols = value.as_bytes().split(|&byte| byte == b',');
        protocols.any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"h2c"))
    };
    fields.has(Field::Upgrade)
        && ConnectionOptions::of(fields, headers).upgrade
        && !fields.values(Field::Upgrade, headers).any(clear_h2)
}

/// Strips what may not stand among trailers either (RFC 9110 section 6.5.1).
pub(super) fn trailers(trailers: &mut HeaderMap) {
    strip_response(Fields::of(trailers), trailers, false);
    for name in [CONTENT_LENGTH, HOST, TRAILER] {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    //! Upgrades and trailers.
    use super::{Fields, asks_upgrade, trailers};
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
            assert_eq!(asks_upgrade(Fields::of(&map), &map), asked, "{connection} {upgrade}");
        }
        let map = headers(&[("connection", "upgrade")]);
        assert!(!asks_upgrade(Fields::of(&map), &map));
    }

    #[test]
    fn framing_is_no_matter_for_trailers() {
        let mut map = headers(&[("content-length", "9"), ("host", "a"), ("grpc-status", "0")]);
        trailers(&mut map);
        assert_eq!(map, headers(&[("grpc-status", "0")]));
    }
}
