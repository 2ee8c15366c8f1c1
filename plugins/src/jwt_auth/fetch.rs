//! One fetch of a set of keys.

use super::{
    jwks::{self, KeySet, Origin},
    remote::Source,
};
use crate::fresh::fresh;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header::ACCEPT};
use paifang_pipeline::ports::{HttpOut, HttpOutLimits};
use ring::digest::{SHA256, digest};
use std::time::Duration;

/// An answer with 200.
pub(super) struct Fetched {
    body: Bytes,
    pub(super) digest: Vec<u8>,
    /// How long it may be used without asking again, where the server says so.
    pub(super) fresh: Option<Duration>,
}

impl Fetched {
    pub(super) fn read(&self) -> Result<KeySet, String> {
        jwks::read(&self.body, Origin::Server)
    }
}

/// Asks the upstream once. No redirect is followed: who may publish keys is the config's to say.
///
/// # Errors
/// What went wrong, for the log.
pub(super) async fn get(http: &dyn HttpOut, source: &Source) -> Result<Fetched, String> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = source.path.parse().map_err(|_| "the path is none".to_owned())?;
    let accepted = HeaderValue::from_static("application/jwk-set+json, application/json");
    request.headers_mut().insert(ACCEPT, accepted);
    let limits = HttpOutLimits { timeout: source.timeout, response_bytes: jwks::MAX_BYTES };
    let answer = http.call(&source.upstream, request, limits).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()));
    }
    let fresh = fresh(answer.headers());
    let body = answer.into_body();
    let digest = digest(&SHA256, &body).as_ref().to_vec();
    Ok(Fetched { body, digest, fresh })
}
