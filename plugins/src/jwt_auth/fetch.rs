//! One fetch of a set of keys.

use super::{
    jwks::{self, KeySet, Origin},
    remote::Source,
};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{ACCEPT, AGE, CACHE_CONTROL},
};
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

/// RFC 9111 section 4.2.1, as far as it concerns one answer without validators.
fn fresh(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = |text: &str| text.trim().trim_matches('"').parse::<u64>().ok();
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut fresh = None;
    for directive in directives.flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            "max-age" => fresh = seconds(value),
            _ => {}
        }
    }
    let age = headers.get(AGE).and_then(|age| seconds(age.to_str().ok()?)).unwrap_or(0);
    fresh.map(|fresh| Duration::from_secs(fresh.saturating_sub(age)))
}

#[cfg(test)]
mod tests {
    //! How long an answer says that it is good for.
    use super::fresh;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use std::time::Duration;

    #[test]
    fn an_answer_says_how_long_it_is_good_for() {
        type Fields = &'static [(&'static str, &'static str)];
        let table: [(Fields, Option<u64>); 8] = [
            (&[], None),
            (&[("cache-control", "public, max-age=300")], Some(300)),
            (&[("cache-control", "Max-Age=\"60\""), ("age", "20")], Some(40)),
            (&[("cache-control", "max-age=60"), ("age", "90")], Some(0)),
            (&[("cache-control", "max-age=60, no-cache")], Some(0)),
            (&[("cache-control", "max-age=60"), ("cache-control", "no-store")], Some(0)),
            (&[("cache-control", "max-age=-1")], None),
            (&[("cache-control", "s-maxage=60")], None),
        ];
        for (fields, seconds) in table {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(fresh(&headers), seconds.map(Duration::from_secs), "{fields:?}");
        }
    }
}
