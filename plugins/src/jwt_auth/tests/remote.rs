//! Sets that a server publishes: fetched, rotated, away, slow, huge, broken.

use super::*;
use bytes::Bytes;
use http::{Request, Response};
use paifang_pipeline::{
    BuildContext, Plugin, Secret, SecretRef, Secrets,
    ports::{BoxFuture, Clock, HttpOut, HttpOutError, HttpOutLimits, Nanos, Spawn, TokioSpawn},
};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::{Instant, advance};

/// The clock of the tests' runtime, which stands still unless all wait.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap() + 1)
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(NOW) + self.0.elapsed()
    }
}

/// An upstream `idp` that says what it is told to say.
#[derive(Default)]
struct Idp {
    says: Mutex<Says>,
    asked: Mutex<Vec<(String, HttpOutLimits)>>,
}

#[derive(Clone)]
enum Says {
    Answer(Response<Bytes>),
    Fails(HttpOutError),
    /// After so long.
    Slowly(Duration, Response<Bytes>),
}

impl Default for Says {
    fn default() -> Self {
        Self::Fails(HttpOutError::Unavailable("connect".to_owned()))
    }
}

impl HttpOut for Idp {
    fn has(&self, upstream: &str) -> bool {
        upstream == "idp"
    }

    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        assert_eq!(upstream, "idp");
        self.asked.lock().push((request.uri().to_string(), limits));
        let says = self.says.lock().clone();
        Box::pin(async move {
            match says {
                Says::Answer(answer) => Ok(answer),
                Says::Fails(error) => Err(error),
                Says::Slowly(after, answer) => {
                    tokio::time::sleep(after).await;
                    Ok(answer)
                }
            }
        })
    }
}

impl Idp {
    fn says(&self, says: Says) {
        *self.says.lock() = says;
    }

    fn publishes(&self, signers: &[&Signer]) {
        self.says(Says::Answer(set(signers)));
    }

    fn asked(&self) -> usize {
        self.asked.lock().len()
    }
}

/// The way out of a release that is not live: its upstreams are known, and cannot be called.
struct TriedOut;

impl HttpOut for TriedOut {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn call(
        &self,
        _: &str,
        _: Request<Bytes>,
        _: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        Box::pin(std::future::ready(Err(HttpOutError::Unknown)))
    }
}

fn set(signers: &[&Signer]) -> Response<Bytes> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    Response::new(json!({ "keys": keys }).to_string().into())
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretRef) -> Result<Secret, String> {
        Err("none here".to_owned())
    }
}

/// A gateway with one provider.
struct Gateway {
    plugin: JwtAuth,
    idp: Arc<Idp>,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    fn new() -> Self {
        let clock = Arc::new(Paused(Instant::now()));
        Self { plugin: JwtAuth::default(), idp: Arc::default(), clock }
    }

    fn built(&self, jwks: Value, http: Arc<dyn HttpOut>) -> Arc<dyn Handler> {
        let mut jwks = jwks;
        jwks["upstream"] = json!("idp");
        let config = json!({ "keys": [{ "jwks": jwks }], "leeway": "0s" });
        let context = BuildContext {
            api: "test",
            upstream: None,
            routes: &[],
            step: "jwt_auth",
            apps: &Arc::default(),
            store: &LocalStore::new(),
            stores: &paifang_pipeline::ports::Stores::none(),
            clock: &self.clock,
            http: &http,
            secrets: &NoSecrets,
        };
        let config = serde_json::from_value(config).unwrap();
        self.plugin.build(config, &context).unwrap().handler
    }

    /// A step in a release that is live.
    fn step(&self, jwks: Value) -> Arc<dyn Handler> {
        let step = self.built(jwks, self.idp.clone());
        start(&step);
        step
    }
}

fn start(step: &Arc<dyn Handler>) {
    let spawn: Arc<dyn Spawn> = Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
    step.start(&spawn).unwrap();
}

/// Claims that outlast the tests.
fn lasting() -> Value {
    json!({ "sub": "alice", "exp": NOW + 10_000_000 })
}

async fn status(step: &Arc<dyn Handler>, token: &str) -> (u16, Option<String>) {
    let (reply, origin) = present(step, token).await;
    assert_eq!(origin.requests() == 1, reply.status() == 200);
    (reply.status(), reply.error())
}

/// Lets time pass and whatever then happens happen.
async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

const PASSES: (u16, Option<String>) = (200, None);

fn away() -> (u16, Option<String>) {
    (503, Some("PF-5001".to_owned()))
}

fn invalid() -> (u16, Option<String>) {
    (401, Some("PF-2062".to_owned()))
}

#[tokio::test(start_paused = true)]
async fn the_first_call_waits_for_the_keys() {
    let (gateway, one) = (Gateway::new(), Signer::new("one"));
    gateway.idp.says(Says::Slowly(Duration::from_secs(2), set(&[&one])));
    let step = gateway.step(json!({ "path": "/keys?a=1" }));
    assert_eq!(status(&step, &one.token(&lasting())).await, PASSES);
    let asked = gateway.idp.asked.lock();
    let limits = HttpOutLimits { timeout: Duration::from_secs(5), response_bytes: 256 * 1024 };
    assert_eq!(asked.as_slice(), [("/keys?a=1".to_owned(), limits)]);
}

#[tokio::test(start_paused = true)]
async fn without_keys_calls_fail_closed_until_they_come() {
    let (gateway, one) = (Gateway::new(), Signer::new("one"));
    let step = gateway.step(json!({}));
    let token = one.token(&lasting());
    assert_eq!(status(&step, &token).await, away());
    for broken in [
        Says::Fails(HttpOutError::TooLarge),
        Says::Fails(HttpOutError::Timeout),
        Says::Answer(Response::new("<html>".into())),
        Says::Answer(Response::new(json!({ "keys": [] }).to_string().into())),
        Says::Answer(Response::builder().status(404).body(set(&[&one]).into_body()).unwrap()),
        Says::Answer(Response::builder().status(302).body(set(&[&one]).into_body()).unwrap()),
    ] {
        gateway.idp.says(broken);
        let before = gateway.idp.asked();
        pass(30).await;
        assert!(gateway.idp.asked() > before, "it is tried again");
        assert_eq!(status(&step, &token).await, away());
        // What is no token is none, keys or not.
        assert_eq!(status(&step, "x.y.z").await, invalid());
        assert_eq!(
            status(&step, &super::token(&lasting())).await,
            invalid(),
            "no HMAC from a server"
        );
    }
    gateway.idp.publishes(&[&one]);
    pass(30).await;
    assert_eq!(status(&step, &token).await, PASSES);
    let counts: Vec<_> = gateway.plugin.counters().iter().map(|counter| counter.value).collect();
    assert!(counts[0] == 1 && counts[1] >= 7, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_at_once_and_not_again_and_again() {
    let gateway = Gateway::new();
    let (one, two, three) = (Signer::new("one"), Signer::new("two"), Signer::new("three"));
    gateway.idp.publishes(&[&one]);
    let step = gateway.step(json!({ "refresh": "1h" }));
    let (old, new) = (one.token(&lasting()), two.token(&lasting()));
    assert_eq!(status(&step, &old).await, PASSES);
    // Right after a fetch nobody can make the gateway ask.
    assert_eq!((status(&step, &new).await, gateway.idp.asked()), (invalid(), 1));
    // The provider rotates: both, then the new one alone.
    gateway.idp.publishes(&[&one, &two]);
    pass(10).await;
    assert_eq!((status(&step, &new).await, gateway.idp.asked()), (PASSES, 2));
    assert_eq!(status(&step, &old).await, PASSES);
    gateway.idp.publishes(&[&two]);
    pass(10).await;
    for _ in 0..10 {
        assert_eq!(status(&step, &three.token(&lasting())).await, invalid());
    }
    assert_eq!(gateway.idp.asked(), 3, "one fetch for all of them");
    assert_eq!(status(&step, &old).await, invalid(), "remembered, but its key is gone");
    assert_eq!(status(&step, &new).await, PASSES);
    // What the server cannot have is not asked for.
    pass(10).await;
    let named = hs256(&json!({ "alg": "HS256", "kid": "x" }), &lasting(), SECRET.as_bytes());
    let forged = three.sign(&json!({ "alg": "ES256", "kid": "two" }), &lasting());
    for token in [named.as_str(), forged.as_str(), "x.y.z"] {
        assert_eq!((status(&step, token).await, gateway.idp.asked()), (invalid(), 3), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_wait_for_one_fetch() {
    let (gateway, one, two) = (Gateway::new(), Signer::new("one"), Signer::new("two"));
    gateway.idp.publishes(&[&one]);
    let step = gateway.step(json!({}));
    assert_eq!(status(&step, &one.token(&lasting())).await, PASSES);
    gateway.idp.says(Says::Slowly(Duration::from_secs(3), set(&[&two])));
    pass(10).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (step, token) = (step.clone(), two.token(&lasting()));
        calls.spawn(async move { status(&step, &token).await });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.unwrap(), PASSES);
    }
    assert_eq!(gateway.idp.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn old_keys_go_on_while_the_server_is_away_and_not_for_ever() {
    let (gateway, one) = (Gateway::new(), Signer::new("one"));
    gateway.idp.publishes(&[&one]);
    let step = gateway.step(json!({ "refresh": "60s", "stale_if_error": "100s" }));
    let token = one.token(&lasting());
    assert_eq!(status(&step, &token).await, PASSES);
    gateway.idp.says(Says::Answer(Response::new("{\"keys\":[{}]}".into())));
    for _ in 0..15 {
        pass(10).await;
        assert_eq!(status(&step, &token).await, PASSES);
    }
    assert!(gateway.idp.asked() > 3);
    pass(10).await;
    assert_eq!(status(&step, &token).await, away(), "not even what is remembered");
    gateway.idp.publishes(&[&one]);
    pass(30).await;
    assert_eq!(status(&step, &token).await, PASSES);
}

#[tokio::test(start_paused = true)]
async fn the_server_may_say_for_how_long_within_bounds() {
    for (says, seconds) in [
        ("max-age=20", 20),
        ("max-age=0", 10),
        ("no-store", 10),
        ("max-age=100000", 60),
        ("public", 60),
    ] {
        let (gateway, one) = (Gateway::new(), Signer::new("one"));
        let mut answer = set(&[&one]);
        answer.headers_mut().insert("cache-control", says.parse().unwrap());
        gateway.idp.says(Says::Answer(answer));
        let _step = gateway.step(json!({ "refresh": "60s" }));
        pass(0).await;
        assert_eq!(gateway.idp.asked(), 1);
        pass(seconds - 1).await;
        assert_eq!(gateway.idp.asked(), 1, "{says}");
        pass(1).await;
        assert_eq!(gateway.idp.asked(), 2, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn steps_share_a_set_and_a_release_that_keeps_it_keeps_the_keys() {
    let (gateway, one) = (Gateway::new(), Signer::new("one"));
    gateway.idp.publishes(&[&one]);
    let token = one.token(&lasting());
    let first = gateway.step(json!({}));
    let second = gateway.step(json!({}));
    assert_eq!((status(&first, &token).await, status(&second, &token).await), (PASSES, PASSES));
    assert_eq!(gateway.idp.asked(), 1);
    // A release that is only tried out can call nobody, and takes nothing from the live one.
    let tried = gateway.built(json!({}), Arc::new(TriedOut));
    drop((first, second));
    gateway.idp.says(Says::Fails(HttpOutError::Timeout));
    let next = gateway.step(json!({}));
    drop(tried);
    assert_eq!(status(&next, &token).await, PASSES, "the server is away, the keys are there");
    gateway.idp.publishes(&[&one]);
    pass(300).await;
    let asked = gateway.idp.asked();
    assert!(asked > 1, "it goes on asking by the way of the live release");
    drop(next);
    pass(3_600).await;
    assert_eq!(gateway.idp.asked(), asked, "nobody wants the keys any more");
}
