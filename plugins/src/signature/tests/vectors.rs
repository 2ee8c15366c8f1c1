//! The test vectors of the page: made without this code, held against it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Canonical, Credentials, Signed};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use ring::{digest, hmac};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One vector; see `vectors.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) timestamp: u64,
    pub(super) nonce: String,
    pub(super) canonical: String,
    pub(super) authorization: String,
}

pub(super) const JSON: &str = include_str!("../vectors.json");

pub(super) fn vectors() -> Vec<Vector> {
    serde_json::from_str(JSON).unwrap()
}

#[test]
fn the_canonical_form_and_the_signature_are_those_of_the_vectors() {
    for vector in vectors() {
        let name = &vector.name;
        let credentials = Credentials::parse(vector.authorization.as_bytes()).unwrap();
        assert_eq!(
            (credentials.key_id, credentials.nonce, credentials.unix_seconds()),
            (vector.key_id.as_str(), vector.nonce.as_str(), vector.timestamp),
            "{name}"
        );
        let headers: HeaderMap = vector
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        let uri: Uri = vector.url.parse().unwrap();
        let signed = Signed {
            method: &vector.method,
            host: &uri.host().unwrap().to_lowercase(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &headers,
        };
        let body = digest::digest(&digest::SHA256, vector.body.as_bytes());
        let mut text = Vec::new();
        let canonical = Canonical::new(signed, &credentials).unwrap();
        canonical.write(body.as_ref().try_into().unwrap(), &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), vector.canonical, "{name}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, vector.secret.as_bytes());
        hmac::verify(&key, vector.canonical.as_bytes(), &credentials.signature).expect(name);
    }
}
