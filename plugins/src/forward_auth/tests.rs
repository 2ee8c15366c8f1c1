//! What is asked, what an answer means, and what is remembered.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::ForwardAuth;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use paifang_pipeline::{
    Built, ConfigError, DynPlugin, Handler, OnFailure, Secret, SecretRef, Secrets,
    ports::{BoxFuture, Clock, HttpOut, HttpOutError, HttpOutLimits},
    testkit::{Reply, TestCall, TestClock, TestOrigin},
};
use paifang_state::LocalStore;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The upstream `authz`, which says what it is told to say.
#[derive(Default)]
struct Authz {
    says: Mutex<Option<Result<Response<Bytes>, HttpOutError>>>,
    asked: Mutex<Vec<Request<Bytes>>>,
}

impl HttpOut for Authz {
    fn has(&self, upstream: &str) -> bool {
        upstream == "authz"
    }

    fn call(
        &self,
        _: &str,
        request: Request<Bytes>,
        _: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        self.asked.lock().push(request);
        let says = self.says.lock().clone();
        Box::pin(std::future::ready(says.unwrap_or_else(|| Ok(Response::default()))))
    }
}

impl Authz {
    fn answers(&self, status: u16, headers: &[(&str, &str)], body: &'static str) {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        *self.says.lock() = Some(Ok(answer.body(Bytes::from_static(body.as_bytes())).unwrap()));
    }

    fn fails(&self, error: HttpOutError) {
        *self.says.lock() = Some(Err(error));
    }

    fn count(&self) -> usize {
        self.asked.lock().len()
    }

    fn last(&self) -> Request<Bytes> {
        self.asked.lock().last().unwrap().clone()
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn resolve(&self, _: &SecretRef) -> Result<Secret, String> {
        Err("none here".to_owned())
    }
}

/// A gateway with one server to ask.
struct Gateway {
    authz: Arc<Authz>,
    clock: Arc<TestClock>,
    step: Arc<dyn Handler>,
}

fn built(config: &Value, authz: &Arc<Authz>, clock: &Arc<TestClock>) -> Result<Built, ConfigError> {
    let mut config = config.clone();
    config.as_object_mut().unwrap().entry("upstream").or_insert(json!("authz"));
    let (http, clock): (Arc<dyn HttpOut>, Arc<dyn Clock>) = (authz.clone(), clock.clone());
    let context = paifang_pipeline::BuildContext {
        api: "test",
        upstream: None,
        routes: &[],
        step: "forward_auth",
        apps: &Arc::default(),
        store: &LocalStore::new(),
        stores: &paifang_pipeline::ports::Stores::none(),
        clock: &clock,
        http: &http,
        secrets: &NoSecrets,
    };
    DynPlugin::build(&ForwardAuth, &config, &context)
}

impl Gateway {
    fn new(config: &Value) -> Self {
        let (authz, clock) = (Arc::default(), Arc::new(TestClock::new()));
        match built(config, &authz, &clock) {
            Ok(built) => Self { authz, clock, step: built.handler },
            Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
        }
    }

    async fn run(&self, call: TestCall) -> (Reply, TestOrigin) {
        let origin = TestOrigin::answering(200, "");
        let call = call.clock(&self.clock).shared_step("forward_auth", self.step.clone());
        (call.run(&origin).await, origin)
    }

    /// The status of a call with this `Authorization`.
    async fn status(&self, target: &str, authorization: &str) -> u16 {
        let call = TestCall::get(target).header("authorization", authorization);
        self.run(call).await.0.status()
    }
}

fn told<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn the_question_tells_of_the_call_and_only_what_it_may() {
    let config = json!({
        "path": "/check/{{ param.shop | default 'none' }}?q={{ query.a }}",
        "send": ["authorization", "x-a"],
        "set": { "x-host": "{{ host }}" },
    });
    let gateway = Gateway::new(&config);
    let call = TestCall::get("/orders/7?a=1%2F2&b")
        .header("authorization", "Bearer x")
        .header("cookie", "secret=1")
        .header("x-a", "1")
        .header("x-a", "2")
        .header("x-host", "forged")
        .header("x-forwarded-method", "DELETE")
        .header("x-forwarded-uri", "/public");
    let (reply, origin) = gateway.run(call).await;
    assert_eq!((reply.status(), origin.requests()), (200, 1), "{reply:?}");
    let asked = gateway.authz.last();
    assert_eq!((asked.method().as_str(), asked.body().len()), ("GET", 0));
    assert_eq!(asked.uri().to_string(), "/check/none?q=1%2F2");
    let headers = asked.headers();
    for (name, values) in [
        ("authorization", &["Bearer x"][..]),
        ("x-a", &["1", "2"]),
        ("cookie", &[]),
        ("x-forwarded-method", &["GET"]),
        ("x-forwarded-uri", &["/orders/7?a=1%2F2&b"]),
        ("x-forwarded-proto", &["http"]),
        ("x-forwarded-for", &["127.0.0.1"]),
    ] {
        assert_eq!(told(headers, name), values, "{name}");
    }
    assert_eq!(told(headers, "x-host"), told(headers, "x-forwarded-host"));
    // The call itself goes on as it came.
    let sent = origin.request(0).head.headers;
    assert_eq!(
        (told(&sent, "authorization"), told(&sent, "cookie")),
        (vec!["Bearer x"], vec!["secret=1"])
    );
}

#[tokio::test]
async fn what_the_server_says_takes_the_place_of_what_the_client_says() {
    let config = json!({
        "take": ["x-user", "x-groups", "x-level"],
        "identity": { "subject": "x-user", "claims": { "groups": "x-groups", "level": "x-level" } },
    });
    let gateway = Gateway::new(&config);
    gateway.authz.answers(204, &[("x-user", "alice"), ("x-groups", "a b"), ("x-other", "1")], "");
    let call = TestCall::get("/")
        .header("x-user", "root")
        .header("x-user", "admin")
        .header("x-level", "9")
        .header("x-other", "mine");
    let (reply, origin) = gateway.run(call).await;
    assert_eq!(reply.status(), 200);
    let sent = origin.request(0).head.headers;
    for (name, values) in [
        ("x-user", &["alice"][..]),
        ("x-groups", &["a b"]),
        ("x-level", &[]),
        ("x-other", &["mine"]),
    ] {
        assert_eq!(told(&sent, name), values, "{name}");
    }
    let identity = reply.identity.unwrap();
    assert_eq!((&*identity.subject, identity.method), ("alice", "forward_auth"));
    assert_eq!(identity.claims.len(), 1);
    assert_eq!(identity.claims["groups"], "a b");
    let (fits, large) = ("x".repeat(16_000), "x".repeat(16_384));
    for (groups, status) in [(fits, 200), (large, 503)] {
        gateway.authz.answers(200, &[("x-user", "a"), ("x-groups", &groups)], "");
        assert_eq!(gateway.run(TestCall::get("/")).await.0.status(), status);
    }
    for headers in
        [&[][..], &[("x-user", "")], &[("x-user", "a"), ("x-user", "b")], &[("x-user", "\u{e9}")]]
    {
        gateway.authz.answers(200, headers, "");
        let (reply, origin) = gateway.run(TestCall::get("/").header("x-user", "root")).await;
        assert_eq!((reply.status(), origin.requests()), (503, 0), "{headers:?}");
    }
}

#[tokio::test]
async fn a_denial_is_the_clients_with_the_headers_that_are_told() {
    let gateway = Gateway::new(&json!({}));
    for status in [401, 403, 301, 302, 303, 307, 308] {
        let headers = [
            ("location", "https://login.test/?a=1"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("www-authenticate", "Bearer"),
            ("content-type", "text/plain"),
            ("x-internal", "secret"),
            ("server", "authz/1"),
        ];
        gateway.authz.answers(status, &headers, "denied here");
        let (reply, origin) = gateway.run(TestCall::get("/")).await;
        assert_eq!((reply.status(), origin.requests()), (status, 0));
        let told = |name: &str| told(&reply.head().headers, name);
        assert_eq!(told("location"), ["https://login.test/?a=1"]);
        assert_eq!(told("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(told("www-authenticate"), ["Bearer"]);
        assert_eq!((told("x-internal").len(), told("server").len()), (0, 0));
        assert_eq!(told("cache-control"), ["no-store"]);
        assert_eq!((reply.body().as_str(), reply.error()), ("denied here", None));
    }
    let config = json!({ "deny": { "headers": ["cache-control"] } });
    let gateway = Gateway::new(&config);
    let headers = [("content-encoding", "gzip"), ("cache-control", "max-age=5")];
    gateway.authz.answers(401, &headers, "not readable");
    let (reply, _) = gateway.run(TestCall::get("/")).await;
    assert_eq!((reply.body().as_str(), reply.header("cache-control")), ("", "max-age=5"));
    assert_eq!(reply.header("content-encoding"), "");
}

#[tokio::test]
async fn whatever_else_fails_closed_and_open_only_where_it_says_so() {
    let config = json!({ "take": ["x-user"], "cache": { "ttl": "10s" } });
    for open in [false, true] {
        let gateway = Gateway::new(&config);
        let check = async |what: &str| {
            let origin = TestOrigin::answering(200, "");
            let on_failure = if open { OnFailure::Open } else { OnFailure::Closed };
            let call = TestCall::get("/").header("x-user", "root");
            let call = call.full_step("forward_auth", gateway.step.clone(), None, on_failure);
            let reply = call.run(&origin).await;
            if open {
                assert_eq!((reply.status(), origin.requests()), (200, 1), "{what}");
                let sent = origin.request(0).head.headers;
                assert!(!sent.contains_key("x-user"), "{what}: what the client says passes");
                assert!(reply.identity.is_none());
            } else {
                assert_eq!((reply.status(), origin.requests()), (503, 0), "{what}");
                assert_eq!(reply.error().as_deref(), Some("PF-5001"), "{what}");
            }
        };
        for status in [300, 304, 400, 404, 405, 407, 418, 429, 500, 502, 503, 504] {
            gateway.authz.answers(status, &[("x-user", "alice")], "");
            check(&status.to_string()).await;
        }
        for error in [
            HttpOutError::Timeout,
            HttpOutError::TooLarge,
            HttpOutError::Unknown,
            HttpOutError::Unavailable("connect".to_owned()),
        ] {
            let what = error.to_string();
            gateway.authz.fails(error);
            check(&what).await;
        }
    }
}

#[tokio::test]
async fn a_body_is_sent_up_to_its_limit() {
    let gateway = Gateway::new(&json!({ "body": "10B", "send": [] }));
    let post = |body: &'static str| {
        TestCall::post("/", body).header("content-type", "text/plain").header("authorization", "x")
    };
    let (reply, origin) = gateway.run(post("0123456789")).await;
    assert_eq!((reply.status(), origin.requests()), (200, 1));
    let asked = gateway.authz.last();
    assert_eq!((asked.method().as_str(), &asked.body()[..]), ("POST", &b"0123456789"[..]));
    assert_eq!(told(asked.headers(), "content-type"), ["text/plain"]);
    assert_eq!(told(asked.headers(), "authorization").len(), 0);
    let (reply, origin) = gateway.run(post("0123456789a")).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (413, Some("PF-1005")));
    assert_eq!((origin.requests(), gateway.authz.count()), (0, 1));
}

#[tokio::test]
async fn who_may_pass_is_remembered_by_all_that_was_asked() {
    let config = json!({
        "send": ["authorization", "x-tenant"], "take": ["x-user"],
        "identity": { "subject": "x-user" }, "cache": { "ttl": "10s" },
    });
    let gateway = Gateway::new(&config);
    gateway.authz.answers(200, &[("x-user", "alice")], "");
    let call = || TestCall::get("/a").header("authorization", "alice").header("x-user", "root");
    for _ in 0..3 {
        let (reply, origin) = gateway.run(call()).await;
        assert_eq!(&*reply.identity.unwrap().subject, "alice");
        assert_eq!(told(&origin.request(0).head.headers, "x-user"), ["alice"]);
    }
    assert_eq!(gateway.authz.count(), 1);
    gateway.authz.answers(403, &[], "");
    // Whoever or whatever differs is asked for, and who may not is asked for again.
    for _ in 0..2 {
        for call in [
            TestCall::get("/a"),
            TestCall::get("/a").header("authorization", "bob"),
            TestCall::get("/b").header("authorization", "alice"),
            TestCall::get("/a?x").header("authorization", "alice"),
            TestCall::post("/a", "").header("authorization", "alice"),
            call().header("authorization", "bob"),
            call().header("x-tenant", "t"),
            call().header("x-tenant", ""),
            call().facts(|facts| facts.client_ip = [10, 0, 0, 1].into()),
        ] {
            assert_eq!(gateway.run(call).await.0.status(), 403);
        }
    }
    assert_eq!(gateway.authz.count(), 19);
    assert_eq!(gateway.run(call()).await.0.status(), 200);
    gateway.clock.advance(Duration::from_secs(10));
    assert_eq!(gateway.run(call()).await.0.status(), 403, "its time is over");
}

#[tokio::test]
async fn an_answer_says_whether_it_may_be_remembered() {
    for (says, seconds) in [
        ("", 10),
        ("max-age=3", 3),
        ("max-age=60", 10),
        ("no-store", 0),
        ("no-cache, max-age=9", 0),
    ] {
        let config = json!({ "cache": { "ttl": "10s", "by": ["authorization"], "target": false } });
        let gateway = Gateway::new(&config);
        gateway.authz.answers(200, &[("cache-control", says)], "");
        assert_eq!(gateway.status("/a", "alice").await, 200);
        gateway.authz.answers(401, &[], "");
        for second in 0..12 {
            // Without `target`, whatever is called.
            let expected = if second < seconds { 200 } else { 401 };
            assert_eq!(gateway.status("/b", "alice").await, expected, "{says} {second}");
            assert_eq!(gateway.status("/a", "bob").await, 401);
            gateway.clock.advance(Duration::from_secs(1));
        }
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused() {
    let gateway = Gateway::new(&json!({ "path": "/check{{ header.x-p | raw }}" }));
    for (value, status) in [("/a", 200), ("/../b", 400), ("/a b", 400), ("//x", 400), ("/%2e", 400)]
    {
        let (reply, origin) = gateway.run(TestCall::get("/").header("x-p", value)).await;
        assert_eq!(
            (reply.status(), origin.requests()),
            (status, usize::from(status == 200)),
            "{value}"
        );
    }
    assert_eq!(gateway.authz.count(), 1);
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let long: Vec<String> = (0..33).map(|number| format!("x-{number}")).collect();
    for (config, pointer, message) in [
        (json!({ "upstream": "other" }), "/upstream", "there is no upstream `other`"),
        (json!({ "timeout": "31s" }), "/timeout", "expected 10ms to 30s, found `31s`"),
        (json!({ "path": "check" }), "/path", "a path begins with `/`"),
        (json!({ "path": "/{{ body }}" }), "/path", "body"),
        (json!({ "method": "CONNECT" }), "/method", "`CONNECT` is no method that is sent"),
        (json!({ "send": ["a b"] }), "/send/0", "`a b` is no header's name"),
        (json!({ "send": ["x-forwarded-uri"] }), "/send/0", "is set by this step itself"),
        (json!({ "send": ["Cookie", "cookie"] }), "/send/1", "`cookie` stands here twice"),
        (json!({ "send": ["connection"] }), "/send/0", "belongs to a connection"),
        (json!({ "send": long }), "/send", "expected at most 32 headers, found 33"),
        (json!({ "set": { "host": "x" } }), "/set/host", "is set by this step itself"),
        (json!({ "take": ["host"] }), "/take/0", "`host` is not the server's to say"),
        (json!({ "take": ["transfer-encoding"] }), "/take/0", "belongs to a connection"),
        (json!({ "body": "2MiB" }), "/body", "expected at most 1MiB, found `2MiB`"),
        (json!({ "deny": { "body": "2MiB" } }), "/deny/body", "expected at most 1MiB"),
        (json!({ "identity": { "subject": "" } }), "/identity/subject", "is no header's name"),
        (json!({ "cache": { "ttl": "6m" } }), "/cache/ttl", "expected 1s to 5m, found `6m`"),
        (json!({ "cache": { "ttl": "1s", "by": [] } }), "/cache/by", "all would be taken for one"),
        (json!({ "cache": { "ttl": "1s", "target": false } }), "/cache/target", "must be said"),
        (json!({ "cache": { "ttl": "1s", "by": ["x-a"] } }), "/cache/by/0", "`x-a` is not sent"),
        (json!({ "cache": { "ttl": "1s" }, "body": "1B" }), "/cache", "depends on a body"),
        (json!({ "cache": { "ttl": "1s", "size": 0 } }), "/cache/size", "expected 1 to 1000000"),
    ] {
        let Err(error) = built(&config, &Arc::default(), &Arc::new(TestClock::new())) else {
            panic!("{config} was taken")
        };
        assert_eq!(error.pointer, pointer, "{config}: {error}");
        assert!(error.message.contains(message), "{config}: {error}");
    }
}

#[test]
fn what_it_writes_is_declared() {
    let built =
        |config: Value| built(&config, &Arc::default(), &Arc::new(TestClock::new())).unwrap();
    assert!(built(json!({})).writes.is_empty());
    let who = json!({ "identity": { "subject": "x-user" }, "override": true });
    let who = built(who);
    assert_eq!((who.writes.as_slice(), who.overrides), (&["identity".into()][..], true));
}
