//! The step in the real engine, on a clock that is moved by hand.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Throttle;
use crate::apps::apps;
use paifang_pipeline::{
    App, Apps, Connection, Handler, Identity, RequestCall, Stages, Verdict,
    ports::{Clock, Store},
    testkit::{Reply, Script, TestCall, TestClock, TestOrigin, build},
};
use paifang_state::LocalStore;
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc, time::Duration};

mod later;

/// A gateway's life: one store, one clock, steps built from config.
struct Bench {
    store: LocalStore,
    clock: Arc<TestClock>,
}

impl Bench {
    fn new() -> Self {
        Self { store: LocalStore::new(), clock: Arc::new(TestClock::new()) }
    }

    fn step(&self, config: Value) -> Arc<dyn Handler> {
        step(&self.store, &self.clock, config)
    }

    async fn run(&self, step: &Arc<dyn Handler>, call: TestCall) -> Reply {
        let call = call.clock(&self.clock).shared_step("throttle", step.clone());
        call.run(&TestOrigin::answering(200, "")).await
    }

    /// The statuses of these calls, one after another.
    async fn statuses(
        &self,
        step: &Arc<dyn Handler>,
        calls: impl IntoIterator<Item = TestCall>,
    ) -> Vec<u16> {
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(self.run(step, call).await.status());
        }
        statuses
    }
}

fn step(store: &dyn Store, clock: &Arc<TestClock>, config: Value) -> Arc<dyn Handler> {
    match build(&Throttle, &config, store, &Arc::default(), clock) {
        Ok(built) => built.handler,
        Err(error) => panic!("{config}: {error} at `{}`", error.pointer),
    }
}

fn get() -> TestCall {
    TestCall::get("/")
}

fn from(client: &str) -> TestCall {
    let client: IpAddr = client.parse().unwrap();
    get().facts(|facts| facts.client_ip = client)
}

/// A step that says who calls, as an authenticating step would.
struct Caller {
    app: Option<Arc<App>>,
    identity: Option<Arc<Identity>>,
}

impl Handler for Caller {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if let Some(app) = &self.app {
            call.slots_mut().set_app(app.clone());
        }
        if let Some(identity) = &self.identity {
            call.slots_mut().set_identity(identity.clone());
        }
        Verdict::Continue
    }
}

fn of_app(apps: &Apps, app: &str) -> TestCall {
    get().step("caller", Caller { app: apps.get(app).cloned(), identity: None })
}

fn of_identity(subject: &str, app: Option<&str>) -> TestCall {
    let identity = Identity::new(subject.into(), app.map(Into::into), "test");
    get().step("caller", Caller { app: None, identity: Some(Arc::new(identity)) })
}

#[tokio::test]
async fn a_burst_passes_then_the_rate() {
    let bench = Bench::new();
    let step = bench.step(json!({ "rate": "2/s", "burst": 3 }));
    assert_eq!(bench.statuses(&step, [get(), get(), get(), get()]).await, [200, 200, 200, 429]);
    bench.clock.advance(Duration::from_millis(499));
    assert_eq!(bench.statuses(&step, [get()]).await, [429]);
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.statuses(&step, [get(), get()]).await, [200, 429]);
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_what_the_limit_is() {
    let bench = Bench::new();
    let step = bench.step(json!({ "rate": "10/m", "burst": 2 }));
    bench.statuses(&step, [get(), get()]).await;
    let origin = TestOrigin::answering(200, "");
    let call = get().clock(&bench.clock).shared_step("throttle", step);
    let reply = call.run(&origin).await;
    assert_eq!(reply.error().as_deref(), Some("PF-3000"));
    assert_eq!(reply.header("retry-after"), "6");
    assert_eq!(reply.header("ratelimit"), r#""throttle";r=0;t=12"#);
    assert_eq!(reply.header("ratelimit-policy"), r#""throttle";q=2;w=12"#);
    assert_eq!(origin.requests(), 0, "nothing reached the origin");
}

#[tokio::test]
async fn retry_after_is_rounded_up_and_never_zero() {
    let bench = Bench::new();
    let step = bench.step(json!({ "rate": "1000/s", "burst": 1 }));
    bench.run(&step, get()).await;
    assert_eq!(bench.run(&step, get()).await.header("retry-after"), "1");
}

#[tokio::test]
async fn the_fields_stand_where_they_are_wanted() {
    for (headers, on_passed, on_refused) in [
        ("refused", ["", ""], [r#""throttle";r=0;t=1"#, r#""throttle";q=1;w=1"#]),
        (
            "always",
            [r#""throttle";r=0;t=1"#, r#""throttle";q=1;w=1"#],
            [r#""throttle";r=0;t=1"#, r#""throttle";q=1;w=1"#],
        ),
        ("never", ["", ""], ["", ""]),
    ] {
        let bench = Bench::new();
        let step = bench.step(json!({ "rate": "1/s", "headers": headers }));
        for expected in [on_passed, on_refused] {
            let reply = bench.run(&step, get()).await;
            let seen = [reply.header("ratelimit"), reply.header("ratelimit-policy")];
            assert_eq!(seen, expected, "{headers}, {}", reply.status());
        }
    }
}

#[tokio::test]
async fn two_steps_tell_of_two_policies() {
    let bench = Bench::new();
    let one = bench.step(json!({ "rate": "5/s", "headers": "always", "share": "one" }));
    let two = bench.step(json!({ "rate": "50/m", "headers": "always", "share": "two" }));
    let call = get().clock(&bench.clock).shared_step("one", one).shared_step("two", two);
    let reply = call.run(&TestOrigin::answering(200, "")).await;
    let fields: Vec<_> = reply.head().headers.get_all("ratelimit").iter().collect();
    assert_eq!(fields.len(), 2);
}

#[tokio::test]
async fn subjects_are_counted_apart() {
    let apps = apps(&[("a", &[]), ("b", &[])]);
    let header = |value: &str| get().header("x-device", value);
    let table: Vec<(Value, Vec<TestCall>, &[u16])> = vec![
        (
            json!("client_ip"),
            vec![
                from("10.0.0.1"),
                from("10.0.0.2"),
                from("10.0.0.1"),
                from("::ffff:10.0.0.2"),
                from("2001:db8:0:1::1"),
                from("2001:db8:0:1:ffff::"),
                from("2001:db8:0:2::1"),
            ],
            &[200, 200, 429, 429, 200, 429, 200],
        ),
        (json!("api"), vec![from("10.0.0.1"), from("10.0.0.2")], &[200, 429]),
        (
            json!("app"),
            vec![of_app(&apps, "a"), of_app(&apps, "b"), of_app(&apps, "a"), get(), get()],
            &[200, 200, 429, 200, 429],
        ),
        (
            json!("identity"),
            vec![
                of_identity("u", Some("a")),
                of_identity("u", Some("b")),
                of_identity("u", None),
                of_identity("u", Some("a")),
                get(),
                get(),
            ],
            &[200, 200, 200, 429, 200, 429],
        ),
        (
            json!({ "header": "X-Device" }),
            vec![header("1"), header("2"), header("1"), get(), get()],
            &[200, 200, 429, 200, 429],
        ),
        (
            json!(["app", { "header": "x-device" }]),
            vec![
                of_app(&apps, "a").header("x-device", "1"),
                of_app(&apps, "a").header("x-device", "2"),
                of_app(&apps, "b").header("x-device", "1"),
                of_app(&apps, "a").header("x-device", "1"),
                of_app(&apps, "a"),
                of_app(&apps, "a").header("x-device", ""),
                header("1"),
                header("1"),
            ],
            &[200, 200, 200, 429, 200, 200, 200, 429],
        ),
        (
            json!([{ "header": "x-a" }, { "header": "x-b" }]),
            vec![
                get().header("x-a", "1").header("x-b", "23"),
                get().header("x-a", "12").header("x-b", "3"),
                get().header("x-a", &"l".repeat(4_000)),
                get().header("x-a", &"l".repeat(4_001)),
                get().header("x-a", &"l".repeat(4_000)),
            ],
            &[200, 200, 200, 200, 429],
        ),
    ];
    for (by, calls, expected) in table {
        let bench = Bench::new();
        let step = bench.step(json!({ "rate": "1/h", "by": by }));
        assert_eq!(bench.statuses(&step, calls).await, expected, "by {by}");
    }
}

#[tokio::test]
async fn the_ipv6_network_can_be_chosen() {
    let bench = Bench::new();
    for (prefix, second) in [(128, 200), (49, 200), (48, 429), (1, 429)] {
        let share = format!("p{prefix}");
        let step = bench.step(json!({ "rate": "1/h", "ipv6_prefix": prefix, "share": share }));
        let calls = [from("2001:db8:0:1::1"), from("2001:db8:0:ffff::1")];
        assert_eq!(bench.statuses(&step, calls).await, [200, second], "/{prefix}");
    }
}

#[tokio::test]
async fn calls_in_flight_are_limited_and_end_with_their_call() {
    let bench = Bench::new();
    let step = bench.step(json!({ "concurrency": 1, "rate": "2/h" }));
    let call = get().clock(&bench.clock).shared_step("throttle", step.clone());
    let hanging =
        tokio::spawn(async move { call.run(&TestOrigin::scripted([Script::Hang])).await });
    tokio::task::yield_now().await;

    let refused = bench.run(&step, get()).await;
    assert_eq!(refused.error().as_deref(), Some("PF-3001"));
    assert_eq!((refused.status(), refused.header("retry-after")), (429, "1"));
    assert_eq!(bench.run(&step, from("10.0.0.9")).await.status(), 200, "others are not harmed");

    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    let statuses = bench.statuses(&step, [get(), get()]).await;
    assert_eq!(statuses, [200, 429], "the refused call has used up nothing of the rate");
    // A call that the rate refused gives its place back too.
    bench.clock.advance(Duration::from_secs(1_800));
    assert_eq!(bench.statuses(&step, [get()]).await, [200]);
}

#[tokio::test]
async fn counters_survive_a_reload_that_keeps_the_step() {
    let bench = Bench::new();
    let config = json!({ "rate": "1/h", "by": "api" });
    let old = bench.step(config.clone());
    assert_eq!(bench.statuses(&old, [get()]).await, [200]);
    let new = bench.step(config);
    drop(old);
    assert_eq!(bench.statuses(&new, [get()]).await, [429]);
    let changed = bench.step(json!({ "rate": "2/h", "by": "api" }));
    assert_eq!(bench.statuses(&changed, [get()]).await, [200]);
    let other_subject = bench.step(json!({ "rate": "1/h", "by": { "header": "x" } }));
    assert_eq!(bench.statuses(&other_subject, [get()]).await, [200]);
}

#[test]
fn what_a_reload_resets_shows_in_the_fingerprint() {
    let bench = Bench::new();
    let states = |config: Value| {
        build(&Throttle, &config, &bench.store, &Arc::default(), &bench.clock).unwrap().states
    };
    let base = states(json!({ "rate": "1/s", "concurrency": 5 }));
    let keys: Vec<_> = base.iter().map(|state| state.key.as_str()).collect();
    assert_eq!(keys, ["step/test/throttle#rate", "step/test/throttle#concurrency"]);
    assert_eq!(base, states(json!({ "concurrency": 5, "rate": "1/s", "burst": 1 })));
    for changed in [
        json!({ "rate": "2/s", "concurrency": 6 }),
        json!({ "rate": "1/s", "concurrency": 5, "by": "api" }),
        json!({ "rate": "1/s", "concurrency": 5, "subjects": 7 }),
        json!({ "rate": "1/s", "concurrency": 5, "ipv6_prefix": 56 }),
        json!({ "rate": "1/s", "concurrency": 5, "share": "x" }),
    ] {
        let changed = states(changed);
        assert!(base.iter().zip(&changed).all(|(old, new)| old != new), "{changed:?}");
    }
}

#[tokio::test]
async fn a_share_counts_together() {
    let bench = Bench::new();
    let one = bench.step(json!({ "rate": "2/h", "share": "wallet" }));
    let two = bench.step(json!({ "rate": "2/h", "share": "wallet" }));
    assert_eq!(bench.statuses(&one, [get()]).await, [200]);
    assert_eq!(bench.statuses(&two, [get(), get()]).await, [200, 429]);
}

#[tokio::test]
async fn without_room_for_a_newcomer_it_is_refused() {
    let bench = Bench::new();
    let step = bench.step(json!({ "rate": "1/h", "subjects": 2 }));
    let calls = [from("10.0.0.1"), from("10.0.0.2"), from("10.0.0.3")];
    assert_eq!(bench.statuses(&step, calls).await, [200, 200, 429]);
}

#[test]
fn connections_are_counted_where_they_tell_the_subject() {
    let bench = Bench::new();
    let connection = |client: &str| Connection {
        listener: "public".into(),
        peer: "192.0.2.1:1".parse().unwrap(),
        client: client.parse().unwrap(),
        now: bench.clock.now(),
    };
    let step = bench.step(json!({ "rate": "1/s" }));
    let seen = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1"]
        .map(|client| step.accept(&connection(client)));
    assert_eq!(seen, [true, false, true, true, false]);

    for (config, accepts) in [
        (json!({ "rate": "1/s", "by": "api" }), true),
        (json!({ "rate": "1/s", "by": ["client_ip", "api"] }), true),
        (json!({ "rate": "1/s", "by": "app" }), false),
        (json!({ "rate": "1/s", "by": ["client_ip", "app"] }), false),
        (json!({ "concurrency": 1 }), false),
    ] {
        assert_eq!(bench.step(config.clone()).stages().has(Stages::ACCEPT), accepts, "{config}");
    }
}

#[test]
fn wrong_configs_are_refused_at_their_place() {
    let bench = Bench::new();
    for (config, pointer, message) in [
        (json!({}), "", "neither `rate` nor `concurrency` is given"),
        (json!({ "burst": 2 }), "/burst", "a burst needs a `rate` at which it grows"),
        (json!({ "rate": 5 }), "/rate", "invalid type: integer `5`, expected a rate"),
        (json!({ "rate": "0/s" }), "/rate", "would let nothing pass"),
        (json!({ "rate": "1/s", "burst": 0 }), "/burst", "expected 1 to 1000000000, found `0`"),
        (json!({ "rate": "1/s", "burst": 1_000_000_001 }), "/burst", "found `1000000001`"),
        (
            json!({ "concurrency": 1_000_000_001 }),
            "/concurrency",
            "expected 1 to 1000000000, found `1000000001`",
        ),
        (json!({ "concurrency": 0 }), "/concurrency", "expected 1 to 1000000000, found `0`"),
        (
            json!({ "rate": "1/s", "subjects": 0 }),
            "/subjects",
            "expected 1 to 4294967295, found `0`",
        ),
        (json!({ "rate": "1/s", "ipv6_prefix": 0 }), "/ipv6_prefix", "1 to 128 bits, not 0"),
        (json!({ "rate": "1/s", "ipv6_prefix": 129 }), "/ipv6_prefix", "1 to 128 bits, not 129"),
        (json!({ "rate": "1/s", "by": "ip" }), "/by", "unknown variant `ip`"),
        (json!({ "rate": "1/s", "by": [] }), "/by", "1 to 4 parts, not 0"),
        (json!({ "rate": "1/s", "by": ["app", "app"] }), "/by/1", "stands here twice"),
        (
            json!({ "rate": "1/s", "by": { "header": "a b" } }),
            "/by/header",
            "`a b` is no header's name",
        ),
        (json!({ "rate": "1/s", "by": [{ "header": "a b" }] }), "/by/0/header", "`a b`"),
        (json!({ "rate": "1/s", "by": 1 }), "/by", "`client_ip`, `app`, `identity`, `api`"),
        (json!({ "rate": "1/s", "headers": true }), "/headers", ""),
        (json!({ "rate": "1/s", "rates": 1 }), "/rates", "unknown field `rates`"),
    ] {
        let Err(error) = build(&Throttle, &config, &bench.store, &Arc::default(), &bench.clock)
        else {
            panic!("{config} was taken")
        };
        assert_eq!(error.pointer, pointer, "{config}: {error}");
        assert!(error.message.contains(message), "{config}: {error}");
    }
}
