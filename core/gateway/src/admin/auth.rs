//! Who may use the admin API.

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use paifang_pipeline::Secret;
use ring::hmac;
use std::sync::Arc;

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
        let Some(token) = shown.and_then(|value| value.strip_prefix(b"Bearer ")) else {
            return false;
        };
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token), PROBE);
        hmac::verify(wanted, PROBE, tag.as_ref()).is_ok()
    }
}

/// Refuses callers without the token, and browsers that were led here by another site.
pub(super) async fn check(State(token): State<Token>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A page of another origin can make a browser POST here without asking. It cannot remove
    // `Origin`, and command-line tools don't send it.
    if headers.contains_key(header::ORIGIN) || cross_site(headers) {
        return refusal(StatusCode::FORBIDDEN, "requests from web pages are refused");
    }
    let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    if token.admits(shown) {
        next.run(request).await
    } else {
        let help = "send `Authorization: Bearer <token>` with the token that the config names";
        refusal(StatusCode::UNAUTHORIZED, help)
    }
}

fn cross_site(headers: &axum::http::HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

fn refusal(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": message }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::Token;
    use paifang_pipeline::Secret;

    #[test]
    fn a_token_must_be_shown_whole_and_in_its_place() {
        let token = Token::new(Some(&Secret::new(b"s3cret")));
        assert!(token.admits(Some(b"Bearer s3cret")));
        for wrong in
            [None, Some(&b""[..]), Some(b"s3cret"), Some(b"Bearer s3cre"), Some(b"Bearer s3cret ")]
        {
            assert!(!token.admits(wrong), "{wrong:?}");
        }
        assert!(Token::default().admits(None));
    }
}
