//! What copies have, when they are sent, and that no call is the worse for them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    Mirror,
    counts::{Fate, metrics},
};
use bytes::Bytes;
use http::{Method, Request};
use paifang_pipeline::{
    BodySize, ConfigError, Frame, Handler, OriginError, OriginEvent, Plugin, Replay, RequestCall,
    Stages, Verdict, error,
    ports::{HttpOut, HttpOutError, Spawn, TokioSpawn},
    testkit::{Reply, Script, TestCall, TestClock, TestHttpOut, TestOrigin, build_among},
};
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// A step, and what its copies come to.
struct Bench {
    plugin: Mirror,
    step: Arc<dyn Handler>,
    http: Arc<TestHttpOut>,
}

fn build(
    plugin: &Mirror,
    config: &Value,
    http: &Arc<TestHttpOut>,
) -> Result<Arc<dyn Handler>, ConfigError> {
    let http: Arc<dyn HttpOut> = http.clone();
    let clock = Arc::new(TestClock::new());
    let built = build_among(plugin, config, &LocalStore::new(), &Arc::default(), &clock, &http)?;
    let spawn: Arc<dyn Spawn> = Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
    built.handler.start(&spawn).unwrap();
    Ok(built.handler)
}

impl Bench {
    fn new(config: Value) -> Self {
        Self::with(config, TestHttpOut::new(["shadow"]))
    }

    fn with(mut config: Value, http: TestHttpOut) -> Self {
        config["upstream"] = "shadow".into();
        let (plugin, http) = (Mirror::default(), Arc::new(http));
        let step = build(&plugin, &config, &http).unwrap();
        Self { plugin, step, http }
    }

    async fn run(&self, call: TestCall, origin: &TestOrigin) -> Reply {
        call.shared_step("mirror", self.step.clone()).run(origin).await
    }

    async fn pass(&self, call: TestCall) {
        assert_eq!(self.run(call, &TestOrigin::answering(200, "ok")).await.status(), 200);
    }

    fn count(&self, fate: Fate) -> u64 {
        let word = format!("{fate:?}").to_lowercase().replace("toolarge", "too_large");
        let all = metrics(&self.plugin.0);
        all.iter().find(|one| one.labels.iter().any(|(_, value)| *value == word)).unwrap().value
    }

    fn pending(&self) -> u64 {
        let all = Plugin::metrics(&self.plugin);
        all.iter().find(|one| one.name == "paifang_mirror_pending").unwrap().value
    }

    /// Waits until no copy is under way, and gives them all.
    async fn copies(&self) -> Vec<Request<Bytes>> {
        while self.pending() > 0 {
            tokio::task::yield_now().await;
        }
        self.http.calls().into_iter().map(|(_, request)| request).collect()
    }
}

#[tokio::test]
async fn a_copy_is_what_the_step_saw_less_what_it_must_not_have() {
    let bench = Bench::new(
        json!({ "headers": { "x-env": "shadow" }, "remove": ["authorization", "x-secret"] }),
    );
    let call = TestCall::post("/orders?a=1", "body")
        .header("authorization", "Bearer x")
        .header("x-secret", "s")
        .header("x-env", "live")
        .header("cookie", "c=1")
        .step("above", Renames)
        .shared_step("mirror", bench.step.clone())
        .step("below", Renames);
    let origin = TestOrigin::answering(200, "ok");
    assert_eq!(call.run(&origin).await.status(), 200);
    let copies = bench.copies().await;
    let copy = &copies[0];
    assert_eq!(
        (copies.len(), copy.method(), copy.uri().to_string()),
        (1, &Method::POST, "/orders?a=1".to_owned())
    );
    assert_eq!(copy.body(), "body");
    let values = |name: &str| {
        copy.headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (values("x-env"), values("x-mirrored"), values("cookie")),
        (vec!["shadow".to_owned()], vec!["1".to_owned()], vec!["c=1".to_owned()])
    );
    assert!(
        !copy.headers().contains_key("authorization") && !copy.headers().contains_key("x-secret")
    );
    assert_eq!(values("x-renamed"), ["1"], "steps below change no copy");
    // The call itself has all it had.
    let own = origin.request(0);
    assert_eq!(
        (own.head.headers["authorization"].to_str().unwrap(), own.size),
        ("Bearer x", BodySize::Exact(4))
    );
    assert!(!own.head.headers.contains_key("x-mirrored"));
    assert_eq!(own.head.headers.get_all("x-renamed").iter().count(), 2);
    assert_eq!(bench.count(Fate::Answered), 1);
}

/// Adds a header.
struct Renames;

impl Handler for Renames {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        call.head_mut().headers.append("x-renamed", "1".parse().unwrap());
        Verdict::Continue
    }
}

#[tokio::test]
async fn only_calls_that_are_wanted_are_copied() {
    let bench = Bench::new(json!({ "methods": ["GET", "HEAD"] }));
    bench.pass(TestCall::get("/wanted")).await;
    bench.pass(TestCall::new(Method::HEAD, "/wanted")).await;
    bench.pass(TestCall::post("/other-method", "x")).await;
    bench.pass(TestCall::get("/a-copy").header("x-mirrored", "1")).await;
    bench.pass(TestCall::get("/websocket").header("upgrade", "websocket")).await;
    let copies = bench.copies().await;
    assert_eq!(
        copies.iter().map(|copy| copy.uri().path()).collect::<Vec<_>>(),
        ["/wanted", "/wanted"]
    );

    let bench = Bench::new(json!({ "share": "25%" }));
    for call in 0..400_u64 {
        let entropy = call.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bench.pass(TestCall::get("/").facts(|facts| facts.entropy = entropy)).await;
    }
    let copies = bench.copies().await.len();
    assert!((70..130).contains(&copies), "{copies} of 400");
}

#[tokio::test]
async fn a_body_beyond_the_limit_costs_the_copy_and_not_the_call() {
    for (more, wanted) in [
        (json!({ "body_limit": "10B" }), None),
        (json!({ "body_limit": "10B", "too_large": "head" }), Some("")),
        (json!({ "body_limit": "11B" }), Some("01234567890")),
        (json!({ "body": false, "body_limit": "1B" }), Some("")),
    ] {
        let bench = Bench::new(more.clone());
        let origin = TestOrigin::answering(200, "ok");
        let frames =
            [Frame::data("01234".into()), Frame::data("56789".into()), Frame::last("0".into())];
        let call = TestCall::new(Method::POST, "/").frames(frames);
        assert_eq!(bench.run(call, &origin).await.status(), 200);
        assert_eq!(origin.request(0).body(), b"01234567890");
        let copies = bench.copies().await;
        let body = copies.first().map(|copy| std::str::from_utf8(copy.body()).unwrap());
        assert_eq!(body, wanted, "{more}");
        assert_eq!(bench.count(Fate::TooLarge), u64::from(wanted.is_none()));
    }
}

#[tokio::test]
async fn a_call_with_a_body_can_still_be_made_again_and_is_copied_once() {
    let bench = Bench::new(json!({}));
    let died = OriginError::new(error::UPSTREAM_CLOSED, Replay::Safe, "died");
    let origin = TestOrigin::scripted([
        Script::AfterBody(vec![Err(died)]),
        Script::AfterBody(vec![Ok(OriginEvent::Head(TestOrigin::head(200), true))]),
    ]);
    let reply = bench.run(TestCall::post("/", "same"), &origin).await;
    assert_eq!((reply.status(), reply.outcome.attempts), (200, 2));
    let copies = bench.copies().await;
    assert_eq!((copies.len(), copies[0].body().as_ref()), (1, &b"same"[..]));
}

/// A step that refuses.
struct Refuses(bool);

impl Handler for Refuses {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if self.0 && call.body().is_none() {
            return Verdict::NeedBody;
        }
        Verdict::reject(error::HANDLER_UNAVAILABLE)
    }
}

#[tokio::test]
async fn what_never_goes_to_the_upstream_goes_to_no_shadow() {
    let bench = Bench::new(json!({}));
    for needs_body in [false, true] {
        let call = TestCall::post("/", "x").shared_step("mirror", bench.step.clone());
        let reply =
            call.step("below", Refuses(needs_body)).run(&TestOrigin::answering(200, "")).await;
        assert_eq!(reply.status(), 503);
    }
    assert_eq!((bench.copies().await.len(), bench.count(Fate::Unsent)), (0, 2));
    // One that went there and failed does.
    let died = OriginError::new(error::CONNECT_FAILED, Replay::Never, "died");
    let origin = TestOrigin::scripted([Script::Refuse(died)]);
    assert_eq!(bench.run(TestCall::get("/"), &origin).await.status(), 502);
    assert_eq!(bench.copies().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_in_its_upload_leaves_no_copy_and_one_that_goes_later_does() {
    let bench = Bench::new(json!({}));
    for (frame, copies) in [(Frame::data("half".into()), 0), (Frame::last("whole".into()), 1)] {
        let call = TestCall::new(Method::POST, "/").frames([frame]);
        let origin = TestOrigin::scripted([Script::AfterBody(Vec::new())]);
        let gone = tokio::time::timeout(Duration::from_millis(5), bench.run(call, &origin)).await;
        assert!(gone.is_err());
        assert_eq!(bench.copies().await.len(), copies);
    }
    assert_eq!((bench.count(Fate::Incomplete), bench.count(Fate::Answered)), (1, 1));
}

#[tokio::test]
async fn beyond_max_pending_calls_pass_uncopied() {
    let gate = Arc::new(Semaphore::new(0));
    let opens = gate.clone();
    let http = TestHttpOut::answering(["shadow"], move |_, _| {
        let gate = gate.clone();
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(http::Response::default())
        })
    });
    let bench = Bench::with(json!({ "max_pending": 3 }), http);
    for _ in 0..10 {
        bench.pass(TestCall::get("/")).await;
    }
    assert_eq!((bench.pending(), bench.count(Fate::Full)), (3, 7));
    opens.add_permits(3);
    assert_eq!(bench.copies().await.len(), 3);
    bench.pass(TestCall::get("/")).await;
    assert_eq!(bench.pending(), 1);
    opens.add_permits(1);
    assert_eq!((bench.copies().await.len(), bench.count(Fate::Answered)), (4, 4));
}

#[tokio::test]
async fn a_shadow_that_fails_is_counted_and_that_is_all() {
    let http = TestHttpOut::answering(["shadow"], |_, request| {
        let answer = match request.uri().path() {
            "/large" => Err(HttpOutError::TooLarge),
            "/slow" => Err(HttpOutError::Timeout),
            _ => Err(HttpOutError::Unavailable("connect_failed".to_owned())),
        };
        Box::pin(std::future::ready(answer))
    });
    let bench = Bench::with(json!({}), http);
    for path in ["/large", "/slow", "/away"] {
        bench.pass(TestCall::get(path)).await;
    }
    assert_eq!(bench.copies().await.len(), 3);
    assert_eq!((bench.count(Fate::Answered), bench.count(Fate::Failed)), (1, 2));
}

#[tokio::test]
async fn wrong_configs_are_refused_where_they_are_wrong() {
    let http = Arc::new(TestHttpOut::new(["shadow"]));
    for (key, value, pointer, message) in [
        ("upstream", json!("shade"), "/upstream", "there is no upstream `shade`"),
        ("body_limit", json!("17MiB"), "/body_limit", "expected 1B to 16MiB"),
        ("max_pending", json!(0), "/max_pending", "expected 1 to 10000, found `0`"),
        ("timeout", json!("6m"), "/timeout", "expected 10ms to 5m"),
        ("methods", json!([]), "/methods", "expected 1 to 16 methods, found 0"),
        ("methods", json!(["G T"]), "/methods/0", "`G T` is no method"),
        ("mark", json!("te"), "/mark", "`te` belongs to a connection, not to a message"),
        ("remove", json!(["a b"]), "/remove/0", "`a b` is no header's name"),
        ("headers", json!({ "host": "x" }), "/headers/host", "the host is more than a header"),
    ] {
        let mut config = json!({ "upstream": "shadow" });
        config[key] = value;
        let Err(error) = build(&Mirror::default(), &config, &http) else {
            panic!("{config} was taken")
        };
        assert_eq!(
            (error.pointer.as_str(), error.message.as_str()),
            (pointer, message),
            "{config}"
        );
    }
}
