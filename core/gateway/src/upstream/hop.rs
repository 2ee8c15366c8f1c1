//! Headers that concern one connection only and are not relayed (RFC 9110 section 7.6.1).

use http::{
    HeaderMap, HeaderName,
    header::{CONNECTION, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use smallvec::SmallVec;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Whether a comma-separated header has this token, in any case.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether a request asks for another protocol that may be relayed. A change to HTTP/2 in clear
/// never is: behind it calls would pass unseen.
pub(super) fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && has_token(headers, &CONNECTION, "upgrade")
        && !has_token(headers, &UPGRADE, "h2c")
}

/// Removes them. With `upgrade` the wish to change the protocol stays, alone in `Connection`.
/// `TE: trailers` stays, which every hop understands.
pub(super) fn strip(headers: &mut HeaderMap, upgrade: bool) {
    // One look at each name is cheaper than looking up each of those that are mostly missing.
    let mut found = Found::default();
    for name in headers.keys() {
        match name.as_str() {
            "connection" => found.connection = true,
            "te" => found.te = true,
            "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
            | "http2-settings" => found.others = true,
            _ => {}
        }
    }
    if found.connection {
        strip_named(headers, upgrade);
    }
    if found.te {
        let trailers = has_token(headers, &TE, "trailers");
        headers.remove(TE);
        if trailers {
            headers.insert(TE, http::HeaderValue::from_static("trailers"));
        }
    }
    if found.others {
        for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, HTTP2_SETTINGS] {
            headers.remove(name);
        }
        if !upgrade {
            headers.remove(UPGRADE);
        }
    }
    if upgrade {
        headers.insert(CONNECTION, http::HeaderValue::from_static("upgrade"));
    }
}

#[derive(Default)]
struct Found {
    connection: bool,
    te: bool,
    others: bool,
}

/// Removes `Connection` and what it names. Names that must reach the server are not removed for
/// it: a client could otherwise take from a request what steps have put there.
fn strip_named(headers: &mut HeaderMap, upgrade: bool) {
    let named: SmallVec<[HeaderName; 4]> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .collect();
    headers.remove(CONNECTION);
    for name in named {
        let keep = match name.as_str() {
            "host" | "content-length" | "content-type" | "authorization" | "cookie" | "te"
            | "forwarded" => true,
            "upgrade" => upgrade,
            name => name.starts_with("x-forwarded-"),
        };
        if !keep {
            headers.remove(name);
        }
    }
}

/// Headers that may not stand among trailers (RFC 9110 section 6.5.1), removed.
pub(super) fn strip_trailers(trailers: &mut HeaderMap) {
    strip(trailers, false);
    for name in [http::header::CONTENT_LENGTH, http::header::HOST, TRAILER, PROXY_AUTHENTICATE] {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    //! What stays and what goes.
    use super::{asks_upgrade, strip};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        list.iter().map(pair).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut map = headers(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("accept", "*/*"),
        ]);
        strip(&mut map, false);
        assert_eq!(names(&map), ["accept"]);
    }

    #[test]
    fn connection_cannot_take_what_the_server_must_see() {
        let mut map = headers(&[
            ("connection", "host, x-forwarded-for, authorization"),
            ("host", "a"),
            ("x-forwarded-for", "1.2.3.4"),
            ("authorization", "x"),
        ]);
        strip(&mut map, false);
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn te_keeps_trailers_only() {
        let mut map = headers(&[("te", "gzip, Trailers"), ("connection", "te")]);
        strip(&mut map, false);
        assert_eq!(map["te"], "trailers");
        let mut map = headers(&[("te", "gzip")]);
        strip(&mut map, false);
        assert!(map.is_empty());
    }

    #[test]
    fn an_upgrade_stays_and_h2c_is_none() {
        let mut map = headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert!(asks_upgrade(&map));
        strip(&mut map, true);
        assert_eq!(
            (&map["connection"], &map["upgrade"]),
            (&HeaderValue::from_static("upgrade"), &HeaderValue::from_static("websocket"))
        );
        let map = headers(&[("connection", "upgrade"), ("upgrade", "h2c")]);
        assert!(!asks_upgrade(&map));
    }
}
