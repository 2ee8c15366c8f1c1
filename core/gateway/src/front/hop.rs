//! Header fields that concern one connection only and must not travel further (RFC 9110 section
//! 7.6.1): `Connection`, what it lists, and the fields that are of this kind by their definition.
//!
//! Requests are stripped before handlers see them. Were it done on the way to the upstream, a
//! client could list in `Connection` a field that a handler sets, and have it taken out again.
//! Answers are stripped before they are framed anew for the client.

use super::fields::{Field, Fields};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, TE, UPGRADE},
};

/// Never taken out because `Connection` lists them: what frames and addresses a message, and what
/// proxies say about who the caller is. Listing one of these is a try to have it forgotten.
const PROTECTED: [&str; 9] = [
    "content-length",
    "early-data",
    "forwarded",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What `Connection` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close`: the connection ends with this message.
    pub close: bool,
    /// `keep-alive`: an HTTP/1.0 peer asks for the connection to live on.
    pub keep_alive: bool,
    /// `upgrade`: the message asks for, or makes, the switch to what `Upgrade` names.
    pub upgrade: bool,
}

impl ConnectionOptions {
    /// Reads all `Connection` fields; their options have no case. `fields` are those that `headers`
    /// has.
    #[must_use]
    pub fn of(fields: Fields, headers: &HeaderMap) -> Self {
        let mut options = Self::default();
        for value in fields.values(Field::Connection, headers) {
            for option in tokens(value) {
                if option.eq_ignore_ascii_case(b"close") {
                    options.close = true;
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    options.keep_alive = true;
                } else if option.eq_ignore_ascii_case(b"upgrade") {
                    options.upgrade = true;
                }
            }
        }
        options
    }
}

/// Takes out of a request what concerns its connection only. `fields` are those that it has.
///
/// `TE` is left as `trailers` where it says so, since gRPC servers ask for it; whoever sends it over
/// HTTP/1 lists it in `Connection`. With `upgrade`, `Upgrade` stays, and `Connection: upgrade` with
/// it.
pub fn strip_request(fields: Fields, headers: &mut HeaderMap, upgrade: bool) {
    let trailers = fields.values(Field::Te, headers).flat_map(tokens).any(is_trailers);
    strip(fields, headers, upgrade);
    fields.take(Field::Http2Settings, headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Takes out of an answer, or of trailers, what concerns their connection only. `fields` are those
/// that they have. With `upgrade`, as for a 101, `Upgrade` stays, and `Connection: upgrade` with it.
pub fn strip_response(fields: Fields, headers: &mut HeaderMap, upgrade: bool) {
    strip(fields, headers, upgrade);
}

fn strip(fields: Fields, headers: &mut HeaderMap, upgrade: bool) {
    if fields.has(Field::Connection) {
        take_listed(headers, upgrade);
    }
    for field in [Field::KeepAlive, Field::ProxyConnection, Field::Te, Field::TransferEncoding] {
        fields.take(field, headers);
    }
    if upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        fields.take(Field::Upgrade, headers);
    }
}

/// Takes out `Connection` and the fields that it lists.
fn take_listed(headers: &mut HeaderMap, upgrade: bool) {
    // Most messages have one option and list no field.
    let mut values = headers.get_all(CONNECTION).iter();
    if values.all(|value| is_plain_option(value.as_bytes())) {
        headers.remove(CONNECTION);
        return;
    }
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter(|token| !is_plain_option(token))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !PROTECTED.contains(&name.as_str()))
        .filter(|name| !upgrade || name != UPGRADE)
        .collect();
    headers.remove(CONNECTION);
    for name in listed {
        headers.remove(name);
    }
}

fn is_plain_option(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"close") || token.eq_ignore_ascii_case(b"keep-alive")
}

/// The member of a `TE` list that says that trailers are welcome; it has no parameters.
fn is_trailers(member: &[u8]) -> bool {
    member.eq_ignore_ascii_case(b"trailers")
}

/// The members of a comma-separated list, without the blanks around them and without empty ones.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let members = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{ConnectionOptions, Fields, strip_request, strip_response};
    use http::{HeaderMap, HeaderName};

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
            })
            .collect()
    }

    fn left(headers: &HeaderMap) -> Vec<String> {
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        left
    }

    #[track_caller]
    fn request(before: &[(&str, &str)], after: &[&str]) {
        let mut headers = headers(before);
        strip_request(Fields::of(&headers), &mut headers, false);
        assert_eq!(left(&headers), after);
    }

    #[test]
    fn what_is_listed_goes_and_so_do_the_fields_of_this_kind() {
        request(
            &[
                ("Connection", "close, X-A ,x-b,,"),
                ("connection", "x-c"),
                ("x-a", "1"),
                ("x-b", "1"),
                ("x-c", "1"),
                ("x-d", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABk"),
                ("transfer-encoding", "chunked"),
            ],
            &["x-d: 1"],
        );
        request(&[("accept", "*/*")], &["accept: */*"]);
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
            strip_request(Fields::of(&map), &mut map, false);
            assert_eq!(map.len(), 1, "{name}");
        }
        let mut map = headers(&[("keep-alive", "timeout=5"), ("etag", "x")]);
        strip_response(Fields::of(&map), &mut map, false);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn nobody_has_protected_fields_forgotten() {
        let forged = "x-forwarded-for, host, Content-Length, forwarded";
        let after =
            ["content-length: 1", "forwarded: for=a", "host: h", "x-forwarded-for: 192.0.2.1"];
        request(
            &[
                ("connection", forged),
                ("x-forwarded-for", "192.0.2.1"),
                ("host", "h"),
                ("content-length", "1"),
                ("forwarded", "for=a"),
            ],
            &after,
        );
    }

    #[test]
    fn te_is_left_only_for_trailers() {
        request(&[("te", "gzip;q=0.5, Trailers"), ("connection", "te")], &["te: trailers"]);
        request(&[("te", "gzip"), ("te", "deflate")], &[]);
        request(&[("te", "trailers-not")], &[]);
    }

    #[test]
    fn an_upgrade_keeps_its_two_fields() {
        let list =
            [("connection", "keep-alive, Upgrade, x-a"), ("upgrade", "websocket"), ("x-a", "1")];
        let (mut ask, mut answer) = (headers(&list), headers(&list));
        strip_request(Fields::of(&ask), &mut ask, true);
        strip_response(Fields::of(&answer), &mut answer, true);
        for kept in [ask, answer] {
            assert_eq!(left(&kept), ["connection: upgrade", "upgrade: websocket"]);
        }
        let mut refused = headers(&list);
        strip_response(Fields::of(&refused), &mut refused, false);
        assert!(left(&refused).is_empty());
    }

    #[test]
    fn connection_options_have_no_case_and_may_stand_in_several_fields() {
        let headers = headers(&[("connection", "Keep-Alive"), ("connection", "foo, UPGRADE")]);
        let options = ConnectionOptions::of(Fields::of(&headers), &headers);
        assert_eq!(options, ConnectionOptions { close: false, keep_alive: true, upgrade: true });
    }
}
