//! Who may use the admin API.

use super::{
    origin::{is_ours, names_this_machine},
    reply::error,
};
use arc_swap::ArcSwap;
use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::Response,
};
use paifang_config::{model::WebOrigin, snapshot::Snapshot};
use paifang_pipeline::Secret;
use ring::hmac;
use std::sync::Arc;

/// Who may use it, as the live release has it.
#[derive(Clone, Default)]
pub(crate) struct Access {
    token: Token,
    /// Under which pages of the console come from a proxy.
    origin: Option<WebOrigin>,
    /// Whether there is a console.
    pub(super) console: bool,
}

impl Access {
    /// What the config says.
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let admin = snapshot.config().admin.as_ref().map(|admin| &admin.value);
        Self {
            token: Token::new(snapshot.admin_token()),
            origin: admin.and_then(|admin| admin.origin.as_ref()).map(|origin| (**origin).clone()),
            console: admin.is_some_and(|admin| admin.console),
        }
    }
}

/// What a caller must show: `Authorization: Bearer <token>`. Nothing where there is no token.
#[derive(Clone, Default)]
struct Token(Option<Arc<hmac::Key>>);

/// What both sides of the comparison are signed over: equal tags mean equal tokens, and comparing
/// tags takes the same time whatever the tokens are.
const PROBE: &[u8] = b"paifang-admin-token";

impl Token {
    /// The token from the config.
    fn new(secret: Option<&Secret>) -> Self {
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
    pub(super) access: Arc<ArcSwap<Access>>,
    /// It listens for this machine alone.
    pub(super) loopback: bool,
}

/// Refuses callers without the token, and browsers that were led here by another site.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let access = guard.access.load();
    // A page of another origin can make a browser POST here without asking.
    if !is_ours(request.method(), headers, access.origin.as_ref().map(WebOrigin::as_str)) {
        let help = "requests from other web pages are refused; behind a proxy, `admin.origin` names the console's own";
        return error(StatusCode::FORBIDDEN, help, None);
    }
    let token = &access.token;
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

#[cfg(test)]
mod tests {
    use super::Token;
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
}
