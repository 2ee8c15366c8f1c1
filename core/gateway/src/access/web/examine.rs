//! Whether a request at MMTP's path is the beginning of MMTP.

use crate::front::{CarriesMmtp, Incoming};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        ALLOW, CONTENT_ENCODING, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use paifang_mmtp::web;
use paifang_pipeline::{ErrorCode, ResponseHead, error};

/// A proxy's word that what it forwards came as early data (RFC 8470 section 5.1).
const EARLY_DATA: HeaderName = HeaderName::from_static("early-data");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// What a request begins.
#[derive(Debug)]
pub(super) enum Begins {
    /// The short form.
    Post,
    /// WebSocket, with this answer.
    WebSocket(Box<ResponseHead>),
}

/// Why it begins nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: &'static ErrorCode,
    pub(super) detail: &'static str,
    /// What the answer says beside.
    pub(super) field: Option<(HeaderName, &'static str)>,
}

fn refused(code: &'static ErrorCode, detail: &'static str) -> Refused {
    Refused { code, detail, field: None }
}

/// Looks at a request.
pub(super) fn examine(incoming: &Incoming) -> Result<Begins, Refused> {
    let head = &incoming.head;
    if head.headers.contains_key(EARLY_DATA) && incoming.connection.from_trusted_proxy() {
        // Of its calls nobody could say when the handshake with the proxy has ended.
        return Err(refused(error::TOO_EARLY, "a proxy says that this came as early data"));
    }
    let upgrade = head.headers.get(UPGRADE).filter(|_| head.version == Version::HTTP_11);
    match (&head.method, upgrade) {
        (&Method::POST, _) => post(&head.headers).map(|()| Begins::Post),
        (&Method::GET, Some(upgrade)) => {
            let accept = websocket(&head.headers, upgrade)?;
            Ok(Begins::WebSocket(Box::new(switching(accept))))
        }
        _ => Err(Refused {
            field: Some((ALLOW, "POST")),
            ..refused(
                error::METHOD_NOT_ALLOWED,
                "MMTP is spoken by POST, or GET that asks for WebSocket",
            )
        }),
    }
}

fn post(headers: &HeaderMap) -> Result<(), Refused> {
    let other = |detail| Refused {
        field: Some((ACCEPT_POST, web::MEDIA_TYPE)),
        ..refused(error::MMTP_MEDIA_TYPE, detail)
    };
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(other("the body is coded"));
    }
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = kinds.next().map(|kind| kind.as_bytes());
    let essence = kind.and_then(|kind| kind.split(|&byte| byte == b';').next());
    match (essence, kinds.next()) {
        (Some(essence), None)
            if essence.trim_ascii().eq_ignore_ascii_case(web::MEDIA_TYPE.as_bytes()) =>
        {
            Ok(())
        }
        _ => Err(other("the body's type is not application/mmtp")),
    }
}

/// What answers the handshake's key.
fn websocket(headers: &HeaderMap, upgrade: &HeaderValue) -> Result<HeaderValue, Refused> {
    let bad = |detail| refused(error::MMTP_WEBSOCKET, detail);
    let has = |value: &HeaderValue, wanted: &str| {
        let mut members = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        members.any(|member| member.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !has(upgrade, "websocket") {
        return Err(bad("it asks for another protocol than WebSocket"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let field = Some((SEC_WEBSOCKET_VERSION, "13"));
        return Err(Refused { field, ..bad("another version of WebSocket than 13") });
    }
    let mut protocols = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    if !protocols.any(|value| has(value, web::SUBPROTOCOL)) {
        return Err(bad("it does not offer the subprotocol mmtp.1"));
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let accept = match (keys.next(), keys.next()) {
        (Some(key), None) if web::is_key(key.as_bytes()) => web::accept(key.as_bytes()),
        _ => return Err(bad("its Sec-WebSocket-Key is none")),
    };
    HeaderValue::try_from(accept).map_err(|_| bad("its Sec-WebSocket-Key is none"))
}

fn switching(accept: HeaderValue) -> ResponseHead {
    let mut head = http::Response::new(()).into_parts().0;
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    head.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    let protocol = HeaderValue::from_static(web::SUBPROTOCOL);
    head.headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    head.extensions.insert(CarriesMmtp);
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::ConnInfo;
    use paifang_pipeline::{FrontKind, HostName};
    use std::sync::Arc;

    fn examined(method: &str, fields: &[(&str, &str)]) -> Result<Begins, Refused> {
        let mut request = http::Request::builder().method(method).uri("/.well-known/mmtp");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let connection = Arc::new(ConnInfo::new(1, "a".into(), address, address));
        let head = request.body(()).unwrap().into_parts().0;
        let (host, front) = (HostName::new("a"), FrontKind::Http1);
        examine(&Incoming::new(head, host, connection, front))
    }

    fn label(method: &str, fields: &[(&str, &str)]) -> &'static str {
        match examined(method, fields) {
            Ok(Begins::Post) => "post",
            Ok(Begins::WebSocket(_)) => "websocket",
            Err(refused) => refused.code.label,
        }
    }

    #[test]
    fn posts_have_the_media_type_and_no_coding() {
        for (kind, expected) in [
            ("application/mmtp", "post"),
            ("Application/MMTP; v=1", "post"),
            ("application/mmtp2", "mmtp_media_type"),
            ("application/json", "mmtp_media_type"),
        ] {
            assert_eq!(label("POST", &[("content-type", kind)]), expected, "{kind}");
        }
        assert_eq!(label("POST", &[]), "mmtp_media_type");
        let (kind, coding) = (("content-type", "application/mmtp"), ("content-encoding", "gzip"));
        assert_eq!(label("POST", &[kind, kind]), "mmtp_media_type");
        assert_eq!(label("POST", &[kind, coding]), "mmtp_media_type");
        for method in ["GET", "PUT", "HEAD", "OPTIONS"] {
            assert_eq!(label(method, &[kind]), "method_not_allowed");
        }
        // Who is no trusted proxy says nothing by it.
        assert_eq!(label("POST", &[kind, ("early-data", "1")]), "post");
    }

    #[test]
    fn websocket_is_asked_for_in_whole() {
        let whole = [
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "other, mmtp.1"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let Ok(Begins::WebSocket(head)) = examined("GET", &whole) else { panic!() };
        assert_eq!(head.headers[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(head.headers[SEC_WEBSOCKET_PROTOCOL], "mmtp.1");
        for place in 0..whole.len() {
            let mut fields = whole.to_vec();
            fields[place].1 = "other";
            assert_eq!(label("GET", &fields), "mmtp_websocket", "{fields:?}");
        }
        assert_eq!(label("POST", &whole), "mmtp_media_type");
        let mut doubled = whole.to_vec();
        doubled.push(whole[3]);
        assert_eq!(label("GET", &doubled), "mmtp_websocket");
    }
}
