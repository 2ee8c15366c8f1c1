//! `jwt_auth`: tokens pass by the keys that a provider publishes, whatever becomes of the provider.

use super::{super::conformance::Door, with_apps};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use paifang_pipeline::ports::{Clock, Nanos, SystemClock};
use paifang_tests::harness::{
    Ask, Nginx, Recorder, Running, Server, Setup, one_upstream, refused_address, soon,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Tokens of OpenSSL's making.
const VECTORS: &str = include_str!("../../../../plugins/src/jwt_auth/vectors.json");

/// A key of the provider.
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

    /// A token, with its scheme.
    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "ES256", "kid": self.id });
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token that passes.
    fn good(&self) -> String {
        self.token(&claims(json!({})))
    }
}

fn set(signers: &[&Signer]) -> String {
    let jwk = |signer: &&Signer| {
        let (x, y) = signer.pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "kid": signer.id, "use": "sig", "x": x, "y": y })
    };
    let keys: Vec<Value> = signers.iter().map(jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims as the tests' steps want them, some of them changed.
fn claims(more: Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "iss": "https://idp.test", "aud": "wallet", "sub": "alice", "scope": "orders:read",
        "iat": now, "exp": now + 100_000_000, "azp": "one",
    });
    let (Value::Object(all), Value::Object(more)) = (&mut claims, more) else { unreachable!() };
    all.extend(more);
    claims
}

/// The machine's clock, moved on by the test.
#[derive(Clone, Default)]
pub(crate) struct Shifted(SystemClock, Arc<AtomicU64>);

impl Shifted {
    pub(crate) fn advance(&self, seconds: u64) {
        self.1.fetch_add(seconds, SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Nanos {
        Nanos(self.0.now().0 + self.1.load(SeqCst) * 1_000_000_000)
    }

    fn unix(&self) -> Duration {
        self.0.unix() + Duration::from_secs(self.1.load(SeqCst))
    }
}

/// A gateway with the upstream `idp` beside `up`, and one API with these options of `jwt_auth`.
async fn gateway(up: SocketAddr, idp: SocketAddr, jwks: &str) -> (Running, Shifted) {
    let config = one_upstream(
        up,
        &format!(
            "  idp: {{ endpoints: [ {{ address: \"{idp}\" }} ], retry_budget: {{ minimum: 0 }} }}\n\
             apps: {{ one: {{ keys: [ {{ id: k, secret: {{ env: KEY }} }} ] }} }}\n\
             apis:\n  - id: all\n    match: {{ path_prefix: / }}\n    upstream: up\n    handlers:\n\
             \x20     - jwt_auth:\n          keys: [ {{ jwks: {{ upstream: idp, {jwks} }} }} ]\n\
             \x20         issuer: https://idp.test\n          audience: wallet\n\
             \x20         claims: {{ app: azp }}\n\
             \x20     - acl: {{ allow: [ {{ claims: {{ scope: [ \"orders:read\" ] }} }} ] }}\n\
             \x20     - headers: {{ request: {{ set: {{ x-who: \"{{{{ identity }}}} {{{{ app }}}}\" }} }} }}\n"
        ),
    );
    let clock = Shifted::default();
    let ours = Arc::new(clock.clone());
    let setup = Setup::new(config).variable("KEY", "one-0123456789abcdef0123456789abcdef");
    (setup.build(|builder| builder.clock(ours)).start().await, clock)
}

async fn ask(door: Door, running: &Running, token: &str) -> (u16, String) {
    let ask = Ask::new("GET", "/").field("authorization", token);
    let reply = soon(door.ask(running.address(), &ask)).await;
    (reply.status, reply.code())
}

/// Its status alone, over HTTP/1.1.
async fn status(running: &Running, token: &str) -> u16 {
    ask(Door::Http1, running, token).await.0
}

#[tokio::test]
async fn tokens_pass_by_the_keys_that_a_provider_publishes() {
    let (upstream, nginx) = (Recorder::start().await, Nginx::start("").await);
    let (one, other) = (Signer::new("one"), Signer::new("one"));
    fs::write(nginx.root.path().join("jwks.json"), set(&[&one])).unwrap();
    let (running, _) = gateway(upstream.address(), nginx.address, "path: /jwks.json").await;
    let with = |more: Value| one.token(&claims(more));
    for door in Door::ALL {
        let before = upstream.count();
        let good = one.good();
        // The second time it is remembered.
        for _ in 0..2 {
            assert_eq!(ask(door, &running, &good).await, (200, String::new()), "{door:?}");
            let seen = upstream.last();
            assert_eq!(seen.header("authorization"), None);
            assert_eq!(seen.header("x-who"), Some("alice one"));
        }
        assert_eq!(upstream.count() - before, 2);
        let (head, _) = good.rsplit_once('.').unwrap();
        for (token, code, status) in [
            (other.good(), "PF-2062", 401),
            (format!("{head}."), "PF-2062", 401),
            (format!("Bearer {}", "x".repeat(10_000)), "PF-2062", 401),
            (with(json!({ "iss": "https://other.test" })), "PF-2062", 401),
            (with(json!({ "aud": "shop" })), "PF-2062", 401),
            (with(json!({ "exp": 1 })), "PF-2063", 401),
            (with(json!({ "azp": "two" })), "PF-2065", 403),
            // Valid, and not allowed below.
            (with(json!({ "scope": "orders:write" })), "PF-2031", 403),
            ("Basic YTpi".to_owned(), "PF-2060", 401),
        ] {
            let told = ask(door, &running, &token).await;
            assert_eq!(told, (status, code.to_owned()), "{door:?} {token:.120}");
        }
        assert_eq!(upstream.count() - before, 2, "a refused call reached the upstream");
    }
    let mut client = running.connect().await;
    let refused = client.get("/").await;
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"api\""));
    running.stop().await;
}

#[tokio::test]
async fn rsa_and_shared_secrets_of_the_config_pass() {
    let upstream = Recorder::start().await;
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let steps = "[ jwt_auth: { audience: wallet, keys: [ { id: rsa, pem: { file: rsa.pem } }, \
        { id: secret, secret: { env: SECRET }, algorithm: HS256 } ] } ]";
    let config = paifang_tests::harness::one_api(upstream.address(), steps);
    let running = Setup::new(config)
        .file("rsa.pem", vectors["pem"]["rsa"].as_str().unwrap())
        .variable("SECRET", vectors["secret"].as_str().unwrap())
        .start()
        .await;
    for (algorithm, status) in
        [("RS256", 200), ("HS256", 200), ("RS512", 401), ("HS512", 401), ("ES256", 401)]
    {
        let token = format!("Bearer {}", vectors["tokens"][algorithm].as_str().unwrap());
        for door in Door::ALL {
            assert_eq!(ask(door, &running, &token).await.0, status, "{door:?} {algorithm}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn keys_rotate_while_calls_come() {
    let (upstream, nginx) = (Recorder::start().await, Nginx::start("").await);
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    // As an editor would: a whole file takes the place of the other.
    let publish = |signers: &[&Signer]| {
        let (next, file) = (nginx.root.path().join("next"), nginx.root.path().join("jwks.json"));
        fs::write(&next, set(signers)).unwrap();
        fs::rename(next, file).unwrap();
    };
    publish(&[&old]);
    let (running, clock) = gateway(upstream.address(), nginx.address, "path: /jwks.json").await;
    let (before, after) = (old.good(), new.good());
    assert_eq!((status(&running, &before).await, status(&running, &after).await), (200, 401));
    publish(&[&old, &new]);
    clock.advance(10);
    // Many at once, by keys that are known and by one that is not yet.
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..40 {
        let token = if number % 2 == 0 { before.clone() } else { after.clone() };
        let (address, door) = (running.address(), Door::ALL[number / 2 % 2]);
        let ask = Ask::new("GET", "/").field("authorization", token);
        calls.spawn(async move { soon(door.ask(address, &ask)).await.status });
    }
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    publish(&[&new]);
    clock.advance(10);
    // A key that nobody knows has the keys fetched, and the old one is gone.
    assert_eq!(status(&running, &Signer::new("none").good()).await, 401);
    assert_eq!((status(&running, &before).await, status(&running, &after).await), (401, 200));
    // What is no set of keys changes nothing.
    fs::write(nginx.root.path().join("jwks.json"), "<html>").unwrap();
    clock.advance(10);
    assert_eq!(status(&running, &Signer::new("none").good()).await, 401);
    assert_eq!(status(&running, &after).await, 200);
    running.stop().await;
}

#[tokio::test]
async fn without_the_provider_old_keys_go_on_and_then_calls_fail_closed() {
    let (upstream, nginx) = (Recorder::start().await, Nginx::start("").await);
    let one = Signer::new("one");
    fs::write(nginx.root.path().join("jwks.json"), set(&[&one])).unwrap();
    let jwks = "path: /jwks.json, refresh: 60s, stale_if_error: 10m";
    let (running, clock) = gateway(upstream.address(), nginx.address, jwks).await;
    let token = one.good();
    assert_eq!(status(&running, &token).await, 200);
    drop(nginx);
    clock.advance(60 + 590);
    assert_eq!(status(&running, &token).await, 200, "within `stale_if_error`");
    clock.advance(20);
    for door in Door::ALL {
        assert_eq!(ask(door, &running, &token).await, (503, "PF-5001".to_owned()), "{door:?}");
    }
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_gateway_starts_without_the_provider_and_passes_tokens_when_it_comes() {
    let upstream = Recorder::start().await;
    let (address, socket) = refused_address();
    let (running, _) = gateway(upstream.address(), address, "refresh: 1m").await;
    let (one, path) = (Signer::new("one"), "/.well-known/jwks.json");
    assert_eq!(status(&running, &one.good()).await, 503);
    let (body, listener) = (set(&[&one]), socket.listen(16).unwrap());
    let idp = Server::on(listener, move |_, mut client| {
        let body = body.clone();
        async move {
            while let Some(request) = client.request().await {
                let known = request.target() == path;
                let status = if known { "200 OK" } else { "404 Not Found" };
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                if client.try_send([head.as_bytes(), body.as_bytes()].concat()).await.is_err() {
                    return;
                }
            }
        }
    });
    // The next attempt comes by itself.
    soon(async {
        while status(&running, &one.good()).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(idp.connections() > 0);
    running.stop().await;
}

#[tokio::test]
async fn a_provider_that_is_slow_or_huge_holds_nobody_up() {
    let upstream = Recorder::start().await;
    let one = Signer::new("one");
    let keys = set(&[&one]);
    let padding = " ".repeat(300 * 1024);
    let answer = |body: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let chunked = {
        let size = padding.len() + keys.len();
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{keys}{padding}\r\n0\r\n\r\n"
        )
    };
    // Whole and too large, said and unsaid; never whole; no answer at all.
    let cut = {
        let mut cut = answer(&keys);
        cut.truncate(cut.len() - 5);
        cut
    };
    for says in [answer(&format!("{keys}{padding}")), chunked.into_bytes(), cut, Vec::new()] {
        let idp = Server::start(move |_, mut client| {
            let says = says.clone();
            async move {
                while client.request().await.is_some() {
                    if client.try_send(&says).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await;
        let (running, _) = gateway(upstream.address(), idp.address, "timeout: 200ms").await;
        assert_eq!(ask(Door::Http1, &running, &one.good()).await, (503, "PF-5001".to_owned()));
        assert!(idp.connections() > 0);
        running.stop().await;
    }
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_url_needs_no_upstream_in_the_config() {
    let (upstream, nginx) = (Recorder::start().await, Nginx::start("").await);
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    fs::write(nginx.root.path().join("one.json"), set(&[&one])).unwrap();
    fs::write(nginx.root.path().join("two.json"), set(&[&two])).unwrap();
    let config = |file: &str, more: &str| {
        let url = format!("http://{}/{file}", nginx.address);
        let step = format!(
            "[ jwt_auth: {{ keys: [ {{ jwks: {{ url: \"{url}\" }} }} ], issuer: https://idp.test, \
               audience: wallet{more} }} ]"
        );
        paifang_tests::harness::one_api(upstream.address(), &step)
    };
    let running = Setup::new(config("one.json", "")).start().await;
    let both = async || (status(&running, &one.good()).await, status(&running, &two.good()).await);
    assert_eq!(both().await, (200, 401));
    // Releases that keep the step, that change it, and that go elsewhere.
    let more = "  - { id: b, match: { path: /b }, upstream: up }\n";
    running.reload(config("one.json", "") + more).await.unwrap();
    assert_eq!(both().await, (200, 401));
    running.reload(config("one.json", ", leeway: 1s")).await.unwrap();
    assert_eq!(both().await, (200, 401));
    running.reload(config("two.json", "")).await.unwrap();
    assert_eq!(both().await, (401, 200));
    running.stop().await;
}

#[tokio::test]
async fn a_release_keeps_the_keys_and_says_what_is_wrong() {
    let upstream = Recorder::start().await;
    let running = with_apps(upstream.address(), "[ respond: { status: 204 } ]").await;
    let config = paifang_tests::harness::one_api(
        upstream.address(),
        "[ jwt_auth: { keys: [ { jwks: { upstream: idp } } ] } ]",
    );
    let refused = running.reload(config).await.unwrap_err().details().unwrap();
    assert!(refused.contains("there is no upstream `idp`"), "{refused}");
    running.stop().await;
}
