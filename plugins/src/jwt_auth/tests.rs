//! Tokens, right and wrong: made by OpenSSL (`vectors.json`), or here with keys of the moment.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod claims;
mod configs;
mod confusion;
mod remote;

use super::{
    JwtAuth,
    key::{Key, Raw},
    token::Token,
};
use crate::apps::apps;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use paifang_pipeline::{
    Apps, Built, ConfigError, Handler,
    testkit::{Reply, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The secret of the tests' own tokens.
const SECRET: &str =
    "a secret of the tests that has more than sixty-four bytes, since HS512 wants so many";
/// When the test clock begins.
const NOW: u64 = 1_767_225_600;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The first two parts of a token.
fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64(header.to_string()), base64(claims.to_string()))
}

/// A token signed with [`SECRET`] by HS256.
fn token(claims: &Value) -> String {
    hs256(&json!({ "alg": "HS256" }), claims, SECRET.as_bytes())
}

fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = unsigned(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", base64(tag))
}

/// Claims that pass where nothing more is asked for.
fn alice() -> Value {
    json!({ "sub": "alice", "exp": NOW + 60 })
}

/// A P-256 key of the moment.
struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { id, pair: EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap() }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "x": base64(x), "y": base64(y) })
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": self.id }), claims)
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64(signature))
    }
}

fn tenants() -> Arc<Apps> {
    apps(&[("wallet", &[("k1", "secret-one")])])
}

fn built(config: &Value) -> Result<Built, ConfigError> {
    built_at(config, &Arc::new(TestClock::new()))
}

fn built_at(config: &Value, clock: &Arc<TestClock>) -> Result<Built, ConfigError> {
    build(&JwtAuth::default(), config, &LocalStore::new(), &tenants(), clock)
}

fn step(config: &Value) -> Arc<dyn Handler> {
    match built(config) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    }
}

/// A step that takes what [`token`] signs, with more options.
fn with_secret(more: Value) -> Value {
    let key = json!({ "secret": { "env": SECRET }, "algorithm": "HS256" });
    let mut config = json!({ "keys": [key] });
    if let Value::Object(more) = more {
        config.as_object_mut().unwrap().extend(more);
    }
    config
}

/// A step with these keys, in a set.
fn with_set(keys: &[Value]) -> Value {
    json!({ "keys": [{ "jwks": { "env": json!({ "keys": keys }).to_string() } }] })
}

async fn run(step: &Arc<dyn Handler>, call: TestCall) -> (Reply, TestOrigin) {
    let origin = TestOrigin::answering(200, "");
    (call.shared_step("jwt_auth", step.clone()).run(&origin).await, origin)
}

async fn present(step: &Arc<dyn Handler>, token: &str) -> (Reply, TestOrigin) {
    let call = TestCall::get("/").header("authorization", &format!("Bearer {token}"));
    run(step, call).await
}

/// Holds that the token is refused with this code, and says nothing of itself.
async fn refused(step: &Arc<dyn Handler>, token: &str, code: &str) {
    // A refusal is not remembered as anything else.
    for _ in 0..2 {
        let (reply, origin) = present(step, token).await;
        assert_eq!(reply.error().as_deref(), Some(code), "{token:.200}: {reply:?}");
        assert_eq!(origin.requests(), 0, "{token:.200}");
        let tail = &token[token.len() - token.len().min(40)..];
        assert!(tail.len() < 10 || !format!("{reply:?}").contains(tail), "the token is told");
    }
}

#[tokio::test]
async fn tokens_of_every_algorithm_pass() {
    let vectors = vectors();
    let secret = &vectors["secret"];
    let mut keys = vec![json!({ "jwks": { "env": vectors["jwks"].to_string() } })];
    for algorithm in ["HS256", "HS384", "HS512"] {
        keys.push(json!({ "secret": { "env": secret }, "algorithm": algorithm }));
    }
    let all: Vec<&String> = vectors["tokens"].as_object().unwrap().keys().collect();
    assert_eq!(all.len(), 12);
    let step = step(&json!({
        "keys": keys, "issuer": "https://idp.test", "audience": "wallet", "algorithms": all,
        "claims": { "app": "azp", "into": ["scope", "level", "email_verified", "/realm_access/roles"] },
    }));
    for (algorithm, token) in vectors["tokens"].as_object().unwrap() {
        // The second time it is remembered.
        for _ in 0..2 {
            let (reply, origin) = present(&step, token.as_str().unwrap()).await;
            assert_eq!((reply.status(), origin.requests()), (200, 1), "{algorithm}: {reply:?}");
            let identity = reply.identity.unwrap();
            assert_eq!((&*identity.subject, identity.method), ("alice", "jwt_auth"));
            assert_eq!(identity.app.as_deref(), Some("wallet"));
            let claims: Vec<_> =
                identity.claims.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            let expected = [
                ("email_verified", "true"),
                ("level", "3"),
                ("roles", "admin ops"),
                ("scope", "orders:read orders:write"),
            ];
            assert_eq!(claims, expected);
            assert!(!origin.request(0).head.headers.contains_key("authorization"));
        }
    }
}

#[tokio::test]
async fn keys_in_pem_are_the_same_keys() {
    let vectors = vectors();
    for (key, algorithm) in [
        ("rsa", "RS256"),
        ("certificate", "RS256"),
        ("p256", "ES256"),
        ("p384", "ES384"),
        ("ed", "EdDSA"),
    ] {
        let config = |algorithm: &Value| {
            let key = json!({ "pem": { "env": vectors["pem"][key] }, "algorithm": algorithm });
            json!({ "keys": [key], "any_audience": true })
        };
        let token = vectors["tokens"][algorithm].as_str().unwrap();
        for named in [json!(algorithm), Value::Null] {
            let (reply, _) = present(&step(&config(&named)), token).await;
            assert_eq!(reply.status(), 200, "{key} {named}: {reply:?}");
        }
    }
    // An RSA key that does not say is for RS256, unless the step says.
    let key = json!({ "pem": { "env": vectors["pem"]["rsa"] } });
    for (algorithms, passes) in [
        (Value::Null, &["RS256"][..]),
        (json!(["PS512", "ES256"]), &["PS512"]),
        (json!(["RS256", "RS512"]), &["RS256", "RS512"]),
    ] {
        let config = json!({ "keys": [key], "algorithms": algorithms, "any_audience": true });
        let step = step(&config);
        for (algorithm, token) in vectors["tokens"].as_object().unwrap() {
            let (reply, _) = present(&step, token.as_str().unwrap()).await;
            let status = if passes.contains(&algorithm.as_str()) { 200 } else { 401 };
            assert_eq!(reply.status(), status, "{algorithms} {algorithm}");
        }
    }
}

/// RFC 7515, appendix A.1, and RFC 8037, appendix A.4.
#[test]
fn the_examples_of_the_standards_are_verified() {
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let token = Token::parse(token.as_bytes()).unwrap();
    assert_eq!(token.claims["exp"], 1_300_819_380_u64);
    let secret = URL_SAFE_NO_PAD.decode(secret).unwrap();
    let key = Key::new(None, Some(token.algorithm), &Raw::Secret(&secret)).unwrap();
    assert!(key.verifies(token.algorithm, token.signed, &token.signature));

    let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = Key::new(None, None, &Raw::Ed25519(&x)).unwrap();
    assert!(key.verifies(super::Algorithm::EdDSA, signed, &signature));
    assert!(!key.verifies(super::Algorithm::EdDSA, &signed[1..], &signature));
}

#[tokio::test]
async fn the_name_ed25519_means_the_same() {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let jwk =
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": base64(pair.public_key()) });
    let step = step(&with_set(&[jwk]));
    for name in ["EdDSA", "Ed25519"] {
        let signed = unsigned(&json!({ "alg": name }), &alice());
        let token = format!("{signed}.{}", base64(pair.sign(signed.as_bytes())));
        assert_eq!(present(&step, &token).await.0.status(), 200, "{name}");
    }
}

#[tokio::test]
async fn a_token_is_found_where_the_config_says() {
    let from = json!([{ "scheme": "Bearer" }, { "header": "x-token" }, { "cookie": "session" },
        { "query": "access_token" }]);
    let good = token(&alice());
    let call = |target: &str| TestCall::get(&target.replace("TOKEN", &good));
    let with = |name: &str, value: &str| call("/").header(name, &value.replace("TOKEN", &good));
    for forward in [false, true] {
        let step = step(&with_secret(json!({ "from": from, "forward": forward })));
        for (call, name, left) in [
            (with("authorization", "bEARER  TOKEN"), "authorization", None),
            (with("x-token", "TOKEN"), "x-token", None),
            (with("cookie", "session=TOKEN"), "cookie", None),
            (with("cookie", "a=b; session=\"TOKEN\" ;c = d"), "cookie", Some("a=b; c = d")),
            (
                with("cookie", "a=session=x").header("cookie", &format!("session={good}")),
                "cookie",
                Some("a=session=x"),
            ),
        ] {
            let (reply, origin) = run(&step, call).await;
            assert_eq!(reply.status(), 200, "{name}: {reply:?}");
            let sent = origin.request(0).head.headers;
            let sent = sent.get(name).map(|value| value.to_str().unwrap().to_owned());
            if forward {
                assert!(sent.is_some(), "{name}");
            } else {
                assert_eq!(sent.as_deref(), left, "{name}");
            }
        }
        let (reply, origin) = run(&step, call("/p?a=1&access_token=TOKEN&b")).await;
        let sent = origin.request(0).head.uri.to_string();
        assert_eq!(
            (reply.status(), sent == "/p?a=1&b", sent.contains(&good)),
            (200, !forward, forward)
        );
    }
    let step = step(&with_secret(json!({ "from": from })));
    for (call, code) in [
        (call("/"), "PF-2060"),
        (with("authorization", "Basic TOKEN"), "PF-2060"),
        (with("authorization", "TOKEN"), "PF-2060"),
        (with("cookie", "sessions=TOKEN; xsession=TOKEN"), "PF-2060"),
        (with("authorization", "Bearer"), "PF-2062"),
        (with("authorization", "Bearer TOKEN TOKEN"), "PF-2062"),
        (with("x-token", "Bearer TOKEN"), "PF-2062"),
        (with("x-token", "TOKEN").header("x-token", &good), "PF-2061"),
        (with("x-token", "TOKEN").header("cookie", &format!("session={good}")), "PF-2061"),
        (with("cookie", "session=x; session=TOKEN"), "PF-2061"),
        (call("/?access_token=TOKEN&access_token=TOKEN"), "PF-2061"),
        (
            with("authorization", "Bearer x").header("authorization", &format!("Bearer {good}")),
            "PF-2061",
        ),
    ] {
        let (reply, origin) = run(&step, call).await;
        assert_eq!(reply.error().as_deref(), Some(code));
        assert_eq!(origin.requests(), 0);
    }
}

#[tokio::test]
async fn a_refusal_carries_the_challenge_of_rfc_6750() {
    let config =
        with_secret(json!({ "realm": "The orders", "require": { "claims": { "vip": [] } } }));
    let step = step(&config);
    let challenge = |error: &str| format!("Bearer realm=\"The orders\"{error}");
    let mut vip = alice();
    vip["vip"] = json!(true);
    let mut old = vip.clone();
    old["exp"] = json!(NOW - 60);
    for (call, status, code, error) in [
        (None, 401, "PF-2060", ""),
        (Some("x.y.z".to_owned()), 401, "PF-2062", ", error=\"invalid_token\""),
        (Some(token(&old)), 401, "PF-2063", ", error=\"invalid_token\""),
        (Some(token(&alice())), 403, "PF-2064", ", error=\"insufficient_scope\""),
    ] {
        let reply = match &call {
            None => run(&step, TestCall::get("/")).await.0,
            Some(token) => present(&step, token).await.0,
        };
        assert_eq!((reply.status(), reply.error().as_deref()), (status, Some(code)));
        assert_eq!(reply.header("www-authenticate"), challenge(error));
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    assert_eq!(present(&step, &token(&vip)).await.0.status(), 200);
}
