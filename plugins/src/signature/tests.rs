//! Signed requests in the real engine; what is changed after signing is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clients;
mod vectors;

use super::{
    Signature,
    canonical::{Canonical, Signed},
    credentials::{Credentials, SCHEME},
};
use crate::apps::apps;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paifang_pipeline::{
    Apps, Frame, Handler,
    ports::Clock,
    testkit::{Reply, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use ring::{digest, hmac};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const SECRET: &str = "a secret of thirty-two bytes....";

fn tenants() -> Arc<Apps> {
    apps(&[("wallet", &[("k1", SECRET), ("k2", "another secret")]), ("partner", &[("p1", "p")])])
}

/// A request as a client signs it, then sends it.
#[derive(Clone)]
struct Request {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    signed_headers: Vec<&'static str>,
    body: Bytes,
    key_id: String,
    secret: String,
    timestamp: u64,
    nonce: String,
}

impl Request {
    fn get(target: &str) -> Self {
        Self {
            method: Method::GET,
            target: target.to_owned(),
            headers: Vec::new(),
            signed_headers: Vec::new(),
            body: Bytes::new(),
            key_id: "k1".to_owned(),
            secret: SECRET.to_owned(),
            timestamp: TestClock::new().unix().as_secs(),
            nonce: "nonce-0123456789".to_owned(),
        }
    }

    fn post(target: &str, body: &'static str) -> Self {
        Self { method: Method::POST, body: Bytes::from(body), ..Self::get(target) }
    }

    fn header(mut self, name: &'static str, value: &str, signed: bool) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self.signed_headers.extend(signed.then_some(name));
        self
    }

    fn authorization(&self) -> String {
        let Self { key_id, timestamp, nonce, .. } = self;
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let mut names = self.signed_headers.clone();
        names.sort_unstable();
        let credentials = Credentials {
            key_id,
            timestamp: &timestamp.to_string(),
            nonce,
            signed_headers: names.iter().copied().collect(),
            signature: [0; 32],
        };
        let method = self.method.as_str();
        let signed = Signed { method, host: "api.test", path, query, headers: &headers };
        let body = digest::digest(&digest::SHA256, &self.body);
        let mut text = Vec::new();
        Canonical::new(signed, &credentials)
            .unwrap()
            .write(body.as_ref().try_into().unwrap(), &mut text);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature: String =
            hmac::sign(&key, &text).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let list = if names.is_empty() {
            String::new()
        } else {
            format!("SignedHeaders={}, ", names.join(";"))
        };
        format!(
            "{SCHEME} KeyId={key_id}, Timestamp={timestamp}, Nonce={nonce}, {list}Signature={signature}"
        )
    }

    /// The call with an authorization, whoever made it.
    fn call(&self, authorization: &str) -> TestCall {
        let call = match self.body.is_empty() {
            true => TestCall::new(self.method.clone(), &self.target),
            false => TestCall::new(self.method.clone(), &self.target)
                .frames([Frame::last(self.body.clone())]),
        };
        let call = self.headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.header("authorization", authorization)
    }

    /// The call, rightly signed.
    fn signed(&self) -> TestCall {
        self.call(&self.authorization())
    }
}

/// One gateway: a store, a clock, a step.
struct Bench {
    clock: Arc<TestClock>,
    step: Arc<dyn Handler>,
}

impl Bench {
    fn new(config: Value) -> Self {
        let clock = Arc::new(TestClock::new());
        let store = LocalStore::new();
        match build(&Signature::default(), &config, &store, &tenants(), &clock) {
            Ok(built) => Self { clock, step: built.handler },
            Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
        }
    }

    async fn run(&self, call: TestCall) -> (Reply, TestOrigin) {
        let origin = TestOrigin::answering(200, "");
        let call = call.clock(&self.clock).shared_step("signature", self.step.clone());
        (call.run(&origin).await, origin)
    }

    /// The code of the refusal; empty where the origin was reached.
    async fn code(&self, call: TestCall) -> String {
        let (reply, origin) = self.run(call).await;
        assert_eq!(reply.error().is_none(), origin.requests() == 1, "{:?}", reply.error());
        assert_eq!(reply.error().is_none(), reply.identity.is_some());
        if reply.status() == 401 {
            assert_eq!(reply.header("www-authenticate"), "PF1-HMAC-SHA256");
        }
        reply.error().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_signed_request_passes_with_its_body_and_without_its_signature() {
    let bench = Bench::new(json!({}));
    let request = Request::post("/v1/orders?b=2&a=1", r#"{"amount":12}"#).header(
        "content-type",
        "application/json",
        true,
    );
    let (reply, origin) = bench.run(request.signed()).await;
    assert_eq!(reply.status(), 200);
    let identity = reply.identity.unwrap();
    assert_eq!((&*identity.subject, identity.app.as_deref()), ("k1", Some("wallet")));
    assert_eq!(identity.method, "signature");
    let sent = origin.request(0);
    assert_eq!(sent.body(), request.body);
    assert_eq!(sent.head.uri, "/v1/orders?b=2&a=1");
    assert!(!sent.head.headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_signature_may_go_on_and_may_have_a_header_of_its_own() {
    let bench = Bench::new(json!({ "hide": false, "header": "X-Signature" }));
    let request = Request::get("/");
    let call = TestCall::get("/")
        .header("authorization", "Bearer of the user")
        .header("x-signature", &request.authorization());
    let (reply, origin) = bench.run(call).await;
    assert_eq!(reply.status(), 200);
    let sent = origin.request(0).head.headers;
    assert_eq!(sent["x-signature"], request.authorization());
    assert_eq!(sent["authorization"], "Bearer of the user");
    assert_eq!(bench.code(request.signed()).await, "PF-2010", "not where it is looked for");
}

#[tokio::test]
async fn what_is_changed_after_signing_is_refused() {
    let signed = Request::post("/v1/orders?a=1&b=2", "body")
        .header("content-type", "text/plain", true)
        .header("x-user", "42", true)
        .header("x-free", "1", false);
    let authorization = signed.authorization();
    let change = |change: &dyn Fn(&mut Request)| {
        let mut request = signed.clone();
        change(&mut request);
        request.call(&authorization)
    };
    let table: Vec<(&str, TestCall, &str)> = vec![
        ("nothing", change(&|_| {}), ""),
        ("query reordered", change(&|r| r.target = "/v1/orders?b=2&a=1".into()), ""),
        ("header not signed", change(&|r| r.headers[2].1 = "2".into()), ""),
        ("method", change(&|r| r.method = Method::PUT), "PF-2013"),
        ("path", change(&|r| r.target = "/v1/order?a=1&b=2".into()), "PF-2013"),
        ("path's escape", change(&|r| r.target = "/v1%2Forders?a=1&b=2".into()), "PF-2013"),
        ("query value", change(&|r| r.target = "/v1/orders?a=1&b=3".into()), "PF-2013"),
        ("query added", change(&|r| r.target = "/v1/orders?a=1&b=2&c".into()), "PF-2013"),
        ("query cut", change(&|r| r.target = "/v1/orders?a=1".into()), "PF-2013"),
        ("query's escape", change(&|r| r.target = "/v1/orders?a=1&b=%32".into()), "PF-2013"),
        ("query's doubling", change(&|r| r.target = "/v1/orders?a=1&b=2&a=1".into()), "PF-2011"),
        ("body", change(&|r| r.body = "bodY".into()), "PF-2013"),
        ("body cut off", change(&|r| r.body = Bytes::new()), "PF-2013"),
        ("signed header", change(&|r| r.headers[1].1 = "43".into()), "PF-2013"),
        ("signed header taken out", change(&|r| drop(r.headers.remove(1))), "PF-2011"),
        (
            "signed header doubled",
            change(&|r| r.headers.push(("x-user".into(), "43".into()))),
            "PF-2011",
        ),
        (
            "host",
            change(&|_| {}).facts(|facts| *facts = facts.clone().with_host("b.test")),
            "PF-2013",
        ),
        ("key", signed.call(&authorization.replace("=k1", "=k2")), "PF-2013"),
        ("no such key", signed.call(&authorization.replace("=k1", "=k9")), "PF-2013"),
        (
            "timestamp",
            signed.call(&authorization.replace("Timestamp=17", "Timestamp=16")),
            "PF-2012",
        ),
        (
            "timestamp near",
            signed.call(&authorization.replace("00, Nonce", "01, Nonce")),
            "PF-2013",
        ),
        ("nonce", signed.call(&authorization.replace("nonce-0", "nonce-1")), "PF-2013"),
        ("signed headers", signed.call(&authorization.replace("content-type;", "")), "PF-2011"),
        ("no signature", TestCall::get("/"), "PF-2010"),
        ("another scheme", signed.call("Bearer x"), "PF-2010"),
        (
            "two signatures",
            signed.call(&authorization).header("authorization", &authorization),
            "PF-2011",
        ),
        ("half a signature", signed.call(&authorization[..authorization.len() - 1]), "PF-2011"),
    ];
    for (what, call, code) in table {
        let bench = Bench::new(json!({}));
        assert_eq!(bench.code(call).await, code, "{what}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_has_is_told_from_a_wrong_signature_by_nothing() {
    let bench = Bench::new(json!({}));
    let body = "x";
    let wrong = Request { secret: "wrong".into(), ..Request::post("/", body) };
    let unknown = Request { key_id: "k9".into(), ..Request::post("/", body) };
    let (wrong, _) = bench.run(wrong.signed()).await;
    let (unknown, _) = bench.run(unknown.signed()).await;
    assert_eq!((wrong.status(), wrong.body()), (unknown.status(), unknown.body()));
    assert_eq!(wrong.head().headers, unknown.head().headers);
    let steps = |reply: &Reply| -> Vec<_> {
        reply.trace.events.iter().map(|event| (event.stage, event.verdict)).collect()
    };
    assert_eq!(steps(&wrong), steps(&unknown), "the body is read for both");
}

#[tokio::test]
async fn a_request_passes_once() {
    let bench = Bench::new(json!({}));
    let request = Request::get("/");
    assert_eq!(bench.code(request.signed()).await, "");
    assert_eq!(bench.code(request.signed()).await, "PF-2014");
    let other_key =
        Request { key_id: "k2".into(), secret: "another secret".into(), ..request.clone() };
    assert_eq!(bench.code(other_key.signed()).await, "", "nonces are each key's own");
    let other_nonce = Request { nonce: "nonce-9876543210".into(), ..request };
    assert_eq!(bench.code(other_nonce.signed()).await, "");
}

#[tokio::test]
async fn a_wrong_signature_uses_up_no_nonce() {
    let bench = Bench::new(json!({ "capacity": 1 }));
    let request = Request::get("/");
    let forged = Request { secret: "wrong".into(), ..request.clone() };
    for _ in 0..3 {
        assert_eq!(bench.code(forged.signed()).await, "PF-2013");
    }
    assert_eq!(bench.code(request.signed()).await, "");
}

#[tokio::test]
async fn a_request_can_be_replayed_at_no_time_at_which_it_is_acceptable() {
    // Signed with a clock that is ahead as far as it may be: acceptable for twice the skew.
    let bench = Bench::new(json!({ "max_skew": "10s" }));
    let request = Request { timestamp: bench.clock.unix().as_secs() + 10, ..Request::get("/") };
    assert_eq!(bench.code(request.signed()).await, "");
    for second in 1..=20 {
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.code(request.signed()).await, "PF-2014", "after {second}s");
    }
    bench.clock.advance(Duration::from_nanos(1));
    assert_eq!(bench.code(request.signed()).await, "PF-2012");
}

#[tokio::test]
async fn the_timestamp_must_be_near_the_present() {
    for (offset, code) in [(0, ""), (-300, ""), (300, ""), (-301, "PF-2012"), (301, "PF-2012")] {
        let bench = Bench::new(json!({}));
        let timestamp = bench.clock.unix().as_secs().checked_add_signed(offset).unwrap();
        let request = Request { timestamp, ..Request::get("/") };
        assert_eq!(bench.code(request.signed()).await, code, "{offset}s");
    }
    let bench = Bench::new(json!({}));
    let (reply, _) = bench.run(Request { timestamp: 1, ..Request::get("/") }.signed()).await;
    let told = format!("the gateway's time is {}", bench.clock.unix().as_secs());
    assert!(reply.body().contains(&told), "a client can mend its clock: {}", reply.body());
}

#[tokio::test]
async fn a_body_that_comes_too_late_is_refused() {
    use paifang_pipeline::{BodyVerdict, RequestBodyCall, Stages};
    /// Lets time pass while the body comes.
    struct Slow(Arc<TestClock>);
    impl Handler for Slow {
        fn stages(&self) -> Stages {
            Stages::REQUEST_BODY
        }
        fn request_body(&self, _: &mut RequestBodyCall<'_>, _: &mut Frame) -> BodyVerdict {
            self.0.advance(Duration::from_secs(301));
            BodyVerdict::Continue
        }
    }
    let bench = Bench::new(json!({}));
    let call = Request::post("/", "x").signed().step("slow", Slow(bench.clock.clone()));
    assert_eq!(bench.code(call).await, "PF-2012");
}

#[tokio::test]
async fn a_full_memory_of_nonces_refuses_new_requests() {
    let bench = Bench::new(json!({ "capacity": 1 }));
    assert_eq!(bench.code(Request::get("/").signed()).await, "");
    let next = Request { nonce: "nonce-9876543210".into(), ..Request::get("/") };
    let (reply, _) = bench.run(next.signed()).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-2015")));
    assert_eq!(reply.header("retry-after"), "1");
}

#[tokio::test]
async fn chosen_headers_must_be_signed_by_requests_that_carry_them() {
    let bench = Bench::new(json!({ "signed_headers": ["X-User"] }));
    assert_eq!(
        bench.code(Request::get("/").header("x-user", "1", false).signed()).await,
        "PF-2011"
    );
    assert_eq!(bench.code(Request::get("/").header("x-user", "1", true).signed()).await, "");
    let without = Request { nonce: "nonce-9876543210".into(), ..Request::get("/") };
    let authorization = without.authorization();
    assert_eq!(bench.code(without.signed()).await, "");
    let added = without.header("x-user", "1", false);
    assert_eq!(bench.code(added.call(&authorization)).await, "PF-2011", "nobody can add one");
}

#[tokio::test]
async fn only_the_named_apps_are_let_in_and_others_must_sign_too() {
    let bench = Bench::new(json!({ "apps": ["partner"] }));
    let partner = Request { key_id: "p1".into(), secret: "p".into(), ..Request::get("/") };
    assert_eq!(bench.code(partner.signed()).await, "");
    assert_eq!(bench.code(Request::get("/").signed()).await, "PF-2016");
    let forged = Request { secret: "wrong".into(), ..Request::get("/") };
    assert_eq!(bench.code(forged.signed()).await, "PF-2013");
}

#[tokio::test]
async fn a_share_remembers_together_and_a_reload_forgets_nothing() {
    let (clock, store) = (Arc::new(TestClock::new()), LocalStore::new());
    let make = |config: Value| {
        let built = build(&Signature::default(), &config, &store, &tenants(), &clock).unwrap();
        Bench { clock: clock.clone(), step: built.handler }
    };
    let old = make(json!({}));
    assert_eq!(old.code(Request::get("/").signed()).await, "");
    let new = make(json!({}));
    drop(old);
    assert_eq!(new.code(Request::get("/").signed()).await, "PF-2014");
    let (one, two) = (make(json!({ "share": "x" })), make(json!({ "share": "x" })));
    assert_eq!(one.code(Request::get("/").signed()).await, "");
    assert_eq!(two.code(Request::get("/").signed()).await, "PF-2014");
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let refused = |config: Value, apps: &Arc<Apps>| {
        let (store, clock) = (LocalStore::new(), Arc::new(TestClock::new()));
        match build(&Signature::default(), &config, &store, apps, &clock) {
            Ok(_) => panic!("{config} was taken"),
            Err(error) => (error.pointer.clone(), format!("{error:?}")),
        }
    };
    for (config, pointer, message) in [
        (json!({ "max_skew": 300 }), "/max_skew", "expected a duration"),
        (json!({ "max_skew": "999ms" }), "/max_skew", "1s to 1h"),
        (json!({ "max_skew": "61m" }), "/max_skew", "1s to 1h"),
        (json!({ "capacity": 0 }), "/capacity", "found `0`"),
        (json!({ "header": "a b" }), "/header", "no header's name"),
        (json!({ "signed_headers": ["a", "b c"] }), "/signed_headers/1", "no header's name"),
        (json!({ "signed_headers": ["Authorization"] }), "/signed_headers/0", "its own header"),
        (json!({ "signed_headers": vec!["a"; 33] }), "/signed_headers", "at most 32"),
        (json!({ "apps": ["walet"] }), "/apps/0", "there is no app `walet`"),
        (json!({ "skew": "5m" }), "/skew", "unknown field"),
    ] {
        let (at, error) = refused(config.clone(), &tenants());
        assert_eq!(at, pointer, "{config}: {error}");
        assert!(error.contains(message), "{config}: {error}");
    }
    for (list, message) in [
        (apps(&[]), "nobody could sign"),
        (apps(&[("a", &[("k", "")])]), "empty secret"),
        (apps(&[("a", &[("k/1", "x")])]), "cannot be named in a signature"),
        (apps(&[("a", &[("k", "x")]), ("b", &[("k", "y")])]), "the id of another key"),
    ] {
        assert!(refused(json!({}), &list).1.contains(message));
    }
}
