//! When a breaker opens and closes, in the real engine with a clock that is moved by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{CircuitBreaker, Held, breaker::Ticket};
use crate::testing::{built_among, refuses};
use paifang_pipeline::{
    Handler, OriginError, OriginEvent, Plugin, Replay, RequestCall, Stages, Termination, Verdict,
    error,
    testkit::{Reply, Script, TestCall, TestClock, TestOrigin, route},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// A step and its clock.
struct Bench {
    plugin: CircuitBreaker,
    step: Arc<dyn Handler>,
    clock: Arc<TestClock>,
}

impl Bench {
    /// Opens after two of four calls, for a second, and closes after two fine probes.
    fn new(more: Value) -> Self {
        let mut config = json!({ "min_calls": 4, "open_for": "1s", "open_max": "3s", "probes": 2, "jitter": "0%" });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let plugin = CircuitBreaker::default();
        let step = built_among(&plugin, &config, &["main"]).unwrap().handler;
        Self { plugin, step, clock: Arc::new(TestClock::new()) }
    }

    fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }

    fn call(&self, call: TestCall) -> TestCall {
        call.clock(&self.clock).shared_step("breaker", self.step.clone())
    }

    async fn to(&self, origin: TestOrigin) -> Reply {
        self.call(TestCall::get("/")).run(&origin).await
    }

    async fn status(&self, status: u16) -> u16 {
        self.to(answering(status)).await.status()
    }

    /// Four calls fail.
    async fn open(&self) {
        for _ in 0..4 {
            assert_eq!(self.status(503).await, 503);
        }
        assert_eq!(self.state(), 2);
    }

    fn metric(&self, name: &str, to: &str) -> u64 {
        let all = Plugin::metrics(&self.plugin);
        let of = |labels: &[(&str, String)]| {
            labels.iter().any(|(name, value)| *name == "to" && value == to)
        };
        let found = all.iter().find(|one| one.name == name && (to.is_empty() || of(&one.labels)));
        found.unwrap().value
    }

    fn state(&self) -> u64 {
        self.metric("paifang_circuit_breaker_state", "")
    }
}

fn answering(status: u16) -> TestOrigin {
    let head = OriginEvent::Head(TestOrigin::head(status), true);
    TestOrigin::scripted([Script::AfterBody(vec![Ok(head)])])
}

fn refusing(error: &OriginError) -> TestOrigin {
    TestOrigin::scripted([Script::Refuse(error.clone())])
}

#[tokio::test]
async fn it_opens_at_its_share_and_says_when_to_come_again() {
    let bench = Bench::new(json!({}));
    for status in [200, 200, 503] {
        assert_eq!(bench.status(status).await, status);
    }
    // Two of four.
    assert_eq!((bench.state(), bench.status(503).await, bench.state()), (0, 503, 2));
    let origin = answering(200);
    let reply = bench.to(origin.clone()).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-4050")));
    assert_eq!((reply.header("retry-after"), origin.requests()), ("1", 0));
    assert_eq!(bench.metric("paifang_circuit_breaker_refused_total", ""), 1);
    bench.advance(999);
    assert_eq!(bench.status(200).await, 503);
    bench.advance(1);
    assert_eq!((bench.status(200).await, bench.state()), (200, 1));
    assert_eq!((bench.status(200).await, bench.state()), (200, 0));
    for (to, times) in [("open", 1), ("half_open", 1), ("closed", 1)] {
        assert_eq!(bench.metric("paifang_circuit_breaker_changes_total", to), times, "{to}");
    }
    // What was before it opened counts no more.
    for _ in 0..3 {
        assert_eq!(bench.status(503).await, 503);
    }
    assert_eq!(bench.state(), 0);
}

#[tokio::test]
async fn the_time_grows_while_the_upstream_stays_sick_and_begins_anew_when_it_was_well() {
    let bench = Bench::new(json!({}));
    bench.open().await;
    for open in [1000, 2000, 3000, 3000] {
        bench.advance(open - 1);
        assert_eq!(bench.to(answering(200)).await.error().as_deref(), Some("PF-4050"), "{open}");
        bench.advance(1);
        assert_eq!(bench.to(answering(503)).await.error(), None, "{open}");
        assert_eq!(bench.state(), 2);
    }
    bench.advance(3000);
    assert_eq!((bench.status(200).await, bench.status(200).await, bench.state()), (200, 200, 0));
    bench.open().await;
    bench.advance(1000);
    assert_eq!(bench.status(200).await, 200);
}

#[tokio::test]
async fn one_bad_probe_of_several_opens_it_again() {
    let bench = Bench::new(json!({}));
    bench.open().await;
    bench.advance(1000);
    assert_eq!((bench.status(200).await, bench.status(500).await, bench.state()), (200, 500, 2));
}

#[tokio::test]
async fn failures_are_the_upstreams_own() {
    let error = |code| OriginError::new(code, Replay::Never, "test");
    for code in
        [error::CONNECT_FAILED, error::CONNECT_TIMEOUT, error::UPSTREAM_TLS, error::NO_ENDPOINT]
    {
        let bench = Bench::new(json!({}));
        for _ in 0..4 {
            bench.to(refusing(&error(code))).await;
        }
        assert_eq!(bench.state(), 2, "{}", code.label);
    }
    // Statuses that are not listed are answers.
    let bench = Bench::new(json!({ "statuses": [503] }));
    for status in [500, 502, 404, 429, 200, 503] {
        assert_eq!(bench.status(status).await, status);
    }
    assert_eq!(bench.state(), 0);
    // So is what steps below say.
    let bench = Bench::new(json!({}));
    for _ in 0..8 {
        let reply =
            bench.call(TestCall::get("/")).step("below", Refuses).run(&answering(200)).await;
        assert_eq!(reply.status(), 500);
    }
    assert_eq!(bench.state(), 0);
}

/// A step that fails.
struct Refuses;

impl Handler for Refuses {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, _: &mut RequestCall<'_>) -> Verdict {
        Verdict::reject(error::HANDLER_FAILED)
    }
}

/// Sends calls to the first route below whatever stands above.
struct Elsewhere;

impl Handler for Elsewhere {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        call.route_to(route(0));
        Verdict::Continue
    }
}

#[tokio::test]
async fn what_goes_to_another_upstream_below_is_not_counted() {
    let bench = Bench::new(json!({}));
    for _ in 0..8 {
        bench.call(TestCall::get("/")).step("below", Elsewhere).run(&answering(503)).await;
    }
    assert_eq!(bench.state(), 0);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure() {
    let bench = Bench::new(json!({}));
    for _ in 0..4 {
        let broken = OriginError::new(error::UPSTREAM_CLOSED, Replay::Never, "test");
        let events = vec![Ok(OriginEvent::Head(TestOrigin::head(200), false)), Err(broken)];
        let reply = bench.to(TestOrigin::scripted([Script::AfterBody(events)])).await;
        assert_eq!(reply.outcome.termination, Termination::OriginBrokeOff);
    }
    assert_eq!(bench.state(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_is_no_failure_and_frees_its_probe() {
    let bench = Bench::new(json!({ "probes": 1 }));
    let gone = async || {
        let call = bench.call(TestCall::get("/"));
        let origin = TestOrigin::scripted([Script::Hang]);
        tokio::time::timeout(Duration::from_millis(5), call.run(&origin)).await.unwrap_err();
    };
    for _ in 0..8 {
        gone().await;
    }
    assert_eq!(bench.state(), 0);
    bench.open().await;
    bench.advance(1000);
    gone().await;
    assert_eq!((bench.state(), bench.status(200).await, bench.state()), (1, 200, 0));
}

#[tokio::test]
async fn a_probe_that_stalls_keeps_others_away_for_no_longer_than_an_open_breaker() {
    let bench = Bench::new(json!({ "probes": 1 }));
    bench.open().await;
    bench.advance(1000);
    let origin = TestOrigin::scripted([Script::Events(Vec::new())]);
    let mut stalled = Box::pin(bench.call(TestCall::get("/")).run(&origin));
    tokio::select! {
        biased;
        _ = &mut stalled => panic!("it ended"),
        () = async { while origin.requests() == 0 { tokio::task::yield_now().await } } => {}
    }
    bench.advance(999);
    let reply = bench.to(answering(200)).await;
    assert_eq!((reply.status(), reply.header("retry-after"), bench.state()), (503, "1", 1));
    bench.advance(1);
    assert_eq!((bench.status(200).await, bench.state()), (200, 0));
    drop(stalled);
    assert_eq!(bench.state(), 0, "what it ends with is about another time");
}

/// Lets time pass between a request and its answer.
struct Takes(Arc<TestClock>, u64);

impl Handler for Takes {
    fn stages(&self) -> Stages {
        Stages::UPSTREAM
    }

    fn upstream(
        &self,
        _: &mut paifang_pipeline::UpstreamCall<'_>,
        _: &mut paifang_pipeline::RequestHead,
    ) -> Result<(), paifang_pipeline::Failure> {
        self.0.advance(Duration::from_millis(self.1));
        Ok(())
    }
}

#[tokio::test]
async fn slow_calls_open_it_by_a_share_of_their_own() {
    let bench = Bench::new(json!({ "slower_than": "500ms", "slow": "75%", "window": "10m" }));
    let call = async |millis: u64| {
        let takes = Takes(bench.clock.clone(), millis);
        bench.call(TestCall::get("/")).step("takes", takes).run(&answering(200)).await.status()
    };
    for millis in [500, 501, 501] {
        assert_eq!((call(millis).await, bench.state()), (200, 0), "{millis}");
    }
    assert_eq!((call(501).await, bench.state()), (200, 2));
    bench.advance(1000);
    assert_eq!((call(501).await, bench.state()), (200, 2), "a slow probe is no good one");
}

#[tokio::test(start_paused = true)]
async fn clients_that_give_up_on_a_slow_upstream_show_that_it_is_slow() {
    let bench = Bench::new(json!({ "slower_than": "500ms" }));
    for _ in 0..4 {
        let takes = Takes(bench.clock.clone(), 501);
        let call = bench.call(TestCall::get("/")).step("takes", takes);
        let origin = TestOrigin::scripted([Script::Events(Vec::new())]);
        tokio::time::timeout(Duration::from_millis(5), call.run(&origin)).await.unwrap_err();
    }
    assert_eq!(bench.state(), 2);
}

#[tokio::test(start_paused = true)]
async fn clients_that_stall_in_their_own_body_open_nothing() {
    use paifang_pipeline::Frame;
    let bench = Bench::new(json!({ "slower_than": "1ms" }));
    for _ in 0..8 {
        let call = TestCall::new(http::Method::POST, "/").frames([Frame::data("half".into())]);
        let origin = TestOrigin::scripted([Script::AfterBody(Vec::new())]);
        let reply = bench.call(call).run(&origin).await;
        assert_eq!(reply.error().as_deref(), Some("PF-4006"));
        bench.advance(10);
    }
    assert_eq!(bench.state(), 0);
}

#[tokio::test]
async fn an_upstream_that_flaps_is_tried_ever_more_seldom() {
    let bench = Bench::new(json!({ "open_max": "1h" }));
    bench.open().await;
    let (mut tried, mut refused) = (0, 0);
    // Well and sick by turns, a call every 100 ms for ten minutes.
    for call in 0..6000_u32 {
        bench.advance(100);
        let status = if call % 2 == 0 { 200 } else { 503 };
        match bench.to(answering(status)).await.error() {
            None => tried += 1,
            Some(_) => refused += 1,
        }
    }
    assert_eq!(tried + refused, 6000);
    // 1 s, 2 s, 4 s … fit nine times into ten minutes, with at most two calls each.
    assert!((9..=20).contains(&tried), "{tried}");
}

#[tokio::test]
async fn what_it_has_learnt_survives_a_build_of_the_same_and_no_other() {
    let bench = Bench::new(json!({}));
    bench.open().await;
    let same =
        json!({ "min_calls": 4, "open_for": "1s", "open_max": "3s", "probes": 2, "jitter": "0%" });
    let build = |config: &Value| built_among(&bench.plugin, config, &["main"]).unwrap();
    let again = build(&same);
    assert_eq!(again.states[0].key.as_str(), "step/test/circuit_breaker#main");
    let other = build(&json!({ "min_calls": 5 }));
    assert_ne!(again.states[0].fingerprint, other.states[0].fingerprint);
    let ask = async |step: Arc<dyn Handler>| {
        TestCall::get("/")
            .clock(&bench.clock)
            .shared_step("b", step)
            .run(&answering(200))
            .await
            .status()
    };
    assert_eq!((ask(again.handler).await, ask(other.handler).await), (503, 200));
}

#[test]
fn what_a_step_keeps_of_a_call_is_a_word() {
    for (generation, probe, place, answered) in
        [(0, false, 0, false), (u32::MAX, true, 256, true), (7, false, 3, true)]
    {
        let held = Held { ticket: Ticket { generation, probe }, place, answered };
        assert_eq!(Held::of_word(held.to_word()), Some(held));
    }
    assert_eq!(Held::of_word(0), None);
}

#[test]
fn wrong_configs_are_refused_where_they_are_wrong() {
    refuses(
        &CircuitBreaker::default(),
        &[
            (json!({ "errors": "0%" }), "/errors", "expected more than 0%", "without a reason"),
            (
                json!({ "slow": "5%" }),
                "/slow",
                "it is not said which calls are slow",
                "slower_than",
            ),
            (json!({ "slower_than": "0ms" }), "/slower_than", "expected 1ms to 1h, found `0s`", ""),
            (json!({ "statuses": [200] }), "/statuses/0", "expected 400 to 599, found `200`", ""),
            (
                json!({ "statuses": vec![500; 33] }),
                "/statuses",
                "expected up to 32 statuses, found 33",
                "",
            ),
            (json!({ "window": "11m" }), "/window", "expected 1s to 10m, found `11m`", ""),
            (json!({ "min_calls": 0 }), "/min_calls", "expected 1 to 10000, found `0`", ""),
            (
                json!({ "open_for": "9s", "open_max": "8s" }),
                "/open_max",
                "expected 9s to 1d, found `8s`",
                "",
            ),
            (json!({ "probes": 101 }), "/probes", "expected 1 to 100, found `101`", ""),
        ],
    );
}
