//! Who may use the admin API.

use super::reply::error;
use arc_swap::ArcSwap;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::Response,
};
use paifang_pipeline::Secret;
use ring::hmac;
use std::{net::IpAddr, sync::Arc};

/// What a caller must show: `Authorization: Bearer <token>`. Nothing where there is no token.
#[derive(Clone, Default)]
pub(crate) struct Token(Option<Arc<hmac::Key>>);

/// What both sides of the comparison are signed over: equal tags mean equal tokens, and comparing
/// tags takes the same time whatever the tokens are.
const PROBE: &[u8] = b"paifang-admin-token";

impl Token {
    /// The token from the config.
    pub(crate) fn new(secret: Option<&Secret>) -> Self {
        Self(secret.map(|secret| Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()))))
    }

    fn admits(&self, shown: Option<&[u8]>) -> bool {
        let Some(wanted) = &self.0 else { return true };
        let Some(token) = shown.and_then(bearer) else { return false };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token), PROBE);
        hmac::verify(wanted, PROBE, tag.as_ref()).is_ok()
    }
}

/// The token of an `Authorization` field; the scheme's case is free (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// What every request but probes must pass.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) token: Arc<ArcSwap<Token>>,
    /// It listens for this machine alone.
    pub(super) loopback: bool,
}

/// Refuses callers without the token, and browsers that were led here by another site.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A page of another origin can make a browser POST here without asking. It cannot remove
    // `Origin`, and command-line tools don't send it.
    if headers.contains_key(header::ORIGIN) || cross_site(headers) {
        return error(StatusCode::FORBIDDEN, "requests from web pages are refused", None);
    }
    let token = guard.token.load();
    // A page whose own name was made to point at this machine is not cross-site to its browser.
    if guard.loopback && token.0.is_none() && !names_this_machine(headers) {
        let help = "call the admin API by its address or as `localhost`, or give it a token";
        return error(StatusCode::FORBIDDEN, help, None);
    }
    let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if token.admits(shown) {
        return next.run(request).await;
    }
    let help = "send `Authorization: Bearer <token>` with the token that the config names";
    let mut refusal = error(StatusCode::UNAUTHORIZED, help, None);
    let scheme = header::HeaderValue::from_static("Bearer");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    refusal
}

fn cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// Whether `Host` is an address or `localhost`: what no name server was asked for.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Token, names_this_machine};
    use axum::http::{HeaderMap, HeaderValue, header};
    use paifang_pipeline::Secret;

    #[test]
    fn a_token_must_be_shown_whole_and_in_its_place() {
        let token = Token::new(Some(&Secret::new(b"s3cret")));
        assert!(token.admits(Some(b"Bearer s3cret")));
        assert!(token.admits(Some(b"bearer s3cret")));
        for wrong in [
            None,
            Some(&b""[..]),
            Some(b"s3cret"),
            Some(b"Bearer "),
            Some(b"Bearer s3cre"),
            Some(b"Bearer s3cret "),
            Some(b"Bearer S3cret"),
        ] {
            assert!(!token.admits(wrong), "{wrong:?}");
        }
        assert!(Token::default().admits(None));
    }

    #[test]
    fn names_that_a_name_server_answers_are_not_this_machine() {
        let named = |host: &'static str| {
            let host = (header::HOST, HeaderValue::from_static(host));
            names_this_machine(&HeaderMap::from_iter([host]))
        };
        for own in ["127.0.0.1:9900", "localhost", "LocalHost:1", "[::1]:9900", "10.0.0.1"] {
            assert!(named(own), "{own}");
        }
        for other in ["evil.example:9900", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            assert!(!named(other), "{other}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
