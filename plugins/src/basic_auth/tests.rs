//! Names and passwords, right and wrong, in every way they are kept and presented.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounds;
mod configs;

use super::BasicAuth;
use crate::apps::apps;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use paifang_pipeline::{
    Apps, Built, ConfigError, Handler,
    testkit::{Reply, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// Made by libxcrypt.
const BCRYPT_2Y: &str = "$2y$05$abcdefghijklmnopqrstuuHYAqSTZaD2G3ZsfHYCUGgOo5vA33Sre";
const BCRYPT_2B: &str = "$2b$04$ABCDEFGHIJKLMNOPQRSTUuXlOVb3PDy87bJj.2/rDgxA8mYD/FbSS";
const BCRYPT_72: &str = "$2a$04$ABCDEFGHIJKLMNOPQRSTUuuPMGVdMuE6yqNwaDAANxW.7cK/ZbrX6";
/// Of the reference implementation's own tests; the password is `password`.
const ARGON2ID: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn built(plugin: &BasicAuth, config: &Value) -> Result<Built, ConfigError> {
    built_at(plugin, config, &Arc::new(TestClock::new()), &tenants())
}

fn built_at(
    plugin: &BasicAuth,
    config: &Value,
    clock: &Arc<TestClock>,
    apps: &Arc<Apps>,
) -> Result<Built, ConfigError> {
    build(plugin, config, &LocalStore::new(), apps, clock)
}

fn tenants() -> Arc<Apps> {
    apps(&[("wallet", &[("k1", "secret-one")])])
}

fn step(config: &Value) -> Arc<dyn Handler> {
    match built(&BasicAuth::default(), config) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    }
}

fn basic(credentials: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

async fn run(step: &Arc<dyn Handler>, call: TestCall) -> (Reply, TestOrigin) {
    let origin = TestOrigin::answering(200, "");
    (call.shared_step("basic_auth", step.clone()).run(&origin).await, origin)
}

fn with(credentials: impl AsRef<[u8]>) -> TestCall {
    TestCall::get("/").header("authorization", &basic(credentials))
}

fn users() -> Value {
    json!({ "users": [
        { "name": "y", "hash": BCRYPT_2Y },
        { "name": "b", "hash": BCRYPT_2B, "app": "wallet", "claims": { "role": "admin" } },
        { "name": "argon", "hash": ARGON2ID },
        { "name": "plain", "password": { "env": "correct horse: battery" } },
    ] })
}

#[tokio::test]
async fn the_right_password_passes_and_no_other() {
    let step = step(&users());
    for (credentials, passes) in [
        ("y:pa:ss wörd", true),
        ("y:pa:ss word", false),
        ("y:pa", false),
        ("y:", false),
        ("b:open sesame", true),
        ("B:open sesame", false),
        ("b:Open sesame", false),
        ("b:open sesame ", false),
        ("b :open sesame", false),
        ("argon:password", true),
        ("argon:passwore", false),
        ("plain:correct horse: battery", true),
        ("plain:correct horse: batter", false),
        ("plain:open sesame", false),
        ("b:password", false),
        ("nobody:open sesame", false),
        ("nobody:password", false),
        (":open sesame", false),
        (":", false),
    ] {
        // The second time it may be remembered.
        for _ in 0..2 {
            let (reply, origin) = run(&step, with(credentials)).await;
            if passes {
                assert_eq!((reply.status(), origin.requests()), (200, 1), "{credentials}");
                let name = credentials.split(':').next().unwrap();
                assert_eq!(&*reply.identity.unwrap().subject, name);
            } else {
                assert_eq!(reply.error().as_deref(), Some("PF-2041"), "{credentials}");
                assert_eq!((reply.status(), origin.requests()), (401, 0), "{credentials}");
                let challenge = "Basic realm=\"api\", charset=\"UTF-8\"";
                assert_eq!(reply.header("www-authenticate"), challenge);
            }
        }
    }
}

#[tokio::test]
async fn nobody_passes_by_the_password_of_whom_they_are_checked_against() {
    let step = step(&json!({ "users": [{ "name": "b", "hash": BCRYPT_2B }] }));
    for name in ["a", "", "bb", "c"] {
        for _ in 0..2 {
            let (reply, _) = run(&step, with(format!("{name}:open sesame"))).await;
            assert_eq!(reply.error().as_deref(), Some("PF-2041"), "{name}");
        }
    }
}

#[tokio::test]
async fn users_say_who_they_are_and_their_password_goes_no_further() {
    for forward in [false, true] {
        let mut config = users();
        config["forward"] = json!(forward);
        let call = with("b:open sesame").header("x-other", "1");
        let (reply, origin) = run(&step(&config), call).await;
        let identity = reply.identity.unwrap();
        assert_eq!((&*identity.subject, identity.app.as_deref()), ("b", Some("wallet")));
        assert_eq!((identity.method, identity.claims["role"].as_str()), ("basic_auth", "admin"));
        let sent = origin.request(0).head.headers;
        assert_eq!(sent.contains_key("authorization"), forward);
        assert_eq!(sent["x-other"], "1");
    }
}

#[tokio::test]
async fn credentials_are_read_as_they_should_be() {
    let step = step(&users());
    let right = STANDARD.encode("b:open sesame");
    let token = |bytes: &[u8]| STANDARD.encode(bytes);
    for (field, code) in [
        (format!("Basic {right}"), None),
        (format!("bASIC   {right}"), None),
        (format!("Bearer {right}"), Some("PF-2040")),
        (format!("Basic{right}"), Some("PF-2040")),
        (format!("Basic\t{right}"), Some("PF-2040")),
        ("Bas".to_owned(), Some("PF-2040")),
        (String::new(), Some("PF-2040")),
        ("Basic".to_owned(), Some("PF-2042")),
        ("Basic ".to_owned(), Some("PF-2042")),
        ("Basic !!!!".to_owned(), Some("PF-2042")),
        (format!("Basic {right}="), Some("PF-2042")),
        (format!("Basic {}", right.trim_end_matches('=')), Some("PF-2042")),
        (format!("Basic {right} {right}"), Some("PF-2042")),
        (format!("Basic {}", token(b"no colon")), Some("PF-2042")),
        (format!("Basic {}", token(b"b:open sesame\n")), Some("PF-2042")),
        (format!("Basic {}", token(b"b:open sesame\0")), Some("PF-2042")),
        (format!("Basic {}", token(b"b\x7f:open sesame")), Some("PF-2042")),
        (format!("Basic {}", token(b"b:\xff\xfe")), Some("PF-2041")),
        (format!("Basic {}", token(&[b':'; 1_280])), Some("PF-2041")),
        (format!("Basic {}", token(&[b':'; 1_300])), Some("PF-2042")),
        (format!("Basic {}", "A".repeat(100_000)), Some("PF-2042")),
    ] {
        let call = TestCall::get("/").header("authorization", &field);
        let (reply, origin) = run(&step, call).await;
        assert_eq!(reply.error().as_deref(), code, "{field:.80}");
        assert_eq!(origin.requests(), usize::from(code.is_none()), "{field:.80}");
    }
    let twice = with("b:open sesame").header("authorization", &basic("b:open sesame"));
    assert_eq!(run(&step, twice).await.0.error().as_deref(), Some("PF-2042"));
    let (none, _) = run(&step, TestCall::get("/")).await;
    assert_eq!((none.status(), none.error().as_deref()), (401, Some("PF-2040")));
    assert!(none.header("www-authenticate").starts_with("Basic realm="));
}

#[tokio::test]
async fn a_refusal_is_the_same_for_users_who_are_and_who_are_not() {
    let step = step(&users());
    let mut seen = Vec::new();
    for credentials in ["b:guess-1234", "plain:guess-1234", "nobody:guess-1234"] {
        let (reply, _) = run(&step, with(credentials)).await;
        let told = format!("{reply:?}");
        assert!(!told.contains("guess-1234"), "{told}");
        assert!(!told.contains(&basic(credentials)[6..]), "{told}");
        let headers: Vec<(String, HeaderValue)> = reply
            .head()
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        seen.push((reply.status(), headers, reply.body()));
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
}

#[tokio::test]
async fn a_file_of_users_is_read() {
    let file = format!("# ours\n\nb:{BCRYPT_2B}\r\nargon:{ARGON2ID}\n");
    let step = step(&json!({ "htpasswd": { "env": file }, "realm": "The orders" }));
    for (credentials, status) in
        [("b:open sesame", 200), ("argon:password", 200), ("b:password", 401), ("# ours:", 401)]
    {
        assert_eq!(run(&step, with(credentials)).await.0.status(), status, "{credentials}");
    }
    let (reply, _) = run(&step, TestCall::get("/")).await;
    let challenge = "Basic realm=\"The orders\", charset=\"UTF-8\"";
    assert_eq!(reply.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn bcrypt_sees_the_72nd_byte_and_longer_passwords_are_refused() {
    let step = step(&json!({ "users": [{ "name": "a", "hash": BCRYPT_72 }] }));
    for (length, status) in [(71, 401), (72, 200), (73, 401), (1_000, 401)] {
        let credentials = format!("a:{}", "x".repeat(length));
        assert_eq!(run(&step, with(credentials)).await.0.status(), status, "{length}");
    }
}
