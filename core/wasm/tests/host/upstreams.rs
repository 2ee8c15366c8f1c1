//! Handlers that call upstreams: what they are given, what they are not, and how long they may wait.

use crate::world::{World, count, limited, rows, spec};
use bytes::Bytes;
use paifang_pipeline::{
    ports::{BoxFuture, HttpOut, HttpOutError, HttpOutLimits},
    testkit::TestCall,
};
use paifang_wasm::{BreakerSpec, Spec};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::sync::Semaphore;

/// An upstream that answers once it is let, with what it was asked.
struct Gate(Arc<Semaphore>);

impl Gate {
    fn world(open: usize) -> (World, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(open));
        (World::with(Arc::new(Self(gate.clone()))), gate)
    }
}

impl HttpOut for Gate {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn call(
        &self,
        upstream: &str,
        request: http::Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<http::Response<Bytes>, HttpOutError>> {
        let (gate, upstream) = (self.0.clone(), upstream.to_owned());
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            let body = format!("{upstream} {} {}", request.method(), request.uri());
            if body.len() > limits.response_bytes {
                return Err(HttpOutError::TooLarge);
            }
            Ok(http::Response::new(body.into()))
        })
    }
}

fn relay(upstream: &str) -> Value {
    json!([{ "relay": { "upstream": upstream, "path": "/x?y" } }])
}

#[tokio::test]
async fn granted_upstreams_answer_and_others_are_denied() {
    let (world, _) = Gate::world(100);
    let all = [
        ("granted", relay("idp")),
        ("other", json!([{ "send": { "upstream": "bank", "path": "/" } }, "tell"])),
        ("large", json!([{ "send": { "upstream": "idp", "path": "/".repeat(200) } }, "tell"])),
        ("body", json!([{ "send": { "upstream": "idp", "path": "/", "bytes": 101 } }, "tell"])),
        ("wrong", json!([{ "send": { "upstream": "idp", "path": "no-path" } }, "tell"])),
    ];
    let small = limited(|limits| limits.body_bytes = 100);
    let step = world.step("testbed", small, &rows("request", &all));
    let (reply, origin) = step.doing("granted").await;
    assert_eq!((reply.body(), origin.requests()), ("idp GET /x?y".to_owned(), 0));
    assert_eq!(step.told("other").await, json!([{ "error": "denied" }]));
    assert_eq!(step.told("large").await, json!([{ "error": "too_large" }]));
    assert!(step.told("body").await[0]["error"].as_str().unwrap().starts_with("invalid"));
    assert!(step.told("wrong").await[0]["error"].as_str().unwrap().starts_with("invalid"));
    let step = world.step("testbed", spec(), &rows("response", &[("granted", relay("idp"))]));
    assert_eq!(step.doing("granted").await.0.body(), "idp GET /x?y");
}

#[tokio::test]
async fn at_the_log_and_in_configure_nothing_is_waited_for() {
    let (world, gate) = Gate::world(1);
    let send = json!({ "send": { "upstream": "idp", "path": "/" } });
    let config = json!({ "configure": [send], "log": [send, { "tell_kv": "log" }] });
    let step = world.step("testbed", spec(), &config);
    step.serves_on().await;
    let all = [("log", json!([{ "kv_get": "log" }, "tell"]))];
    let told = world.step("testbed", spec(), &rows("request", &all)).told("log").await;
    assert!(told[0].as_str().unwrap().contains("invalid"), "{told}");
    assert_eq!(gate.available_permits(), 1, "nobody was asked");
}

#[tokio::test]
async fn as_many_instances_run_at_once_as_may() {
    let (world, gate) = Gate::world(0);
    let spec = limited(|limits| limits.instances = 2);
    let step = world.step("testbed", spec, &rows("request", &[("wait", relay("idp"))]));
    let (first, second, third) = tokio::join!(step.doing("wait"), step.doing("wait"), async {
        let third = step.doing("nothing").await;
        gate.add_permits(2);
        third
    });
    assert_eq!((first.0.body(), second.0.body().is_empty()), ("idp GET /x?y".to_owned(), false));
    assert_eq!(third.0.error().as_deref(), Some("PF-5001"));
    // Its `request` and its `log`.
    assert_eq!(count(&step.stats.crowded), 2);
    step.serves_on().await;
}

#[tokio::test]
async fn a_call_that_waits_too_long_is_cut() {
    let (world, _gate) = Gate::world(0);
    let spec = limited(|limits| limits.wall = Duration::from_millis(30));
    let step = world.step("testbed", spec, &rows("request", &[("wait", relay("idp"))]));
    let (reply, _) = step.doing("wait").await;
    assert_eq!(reply.error().as_deref(), Some("PF-5001"));
    assert_eq!(count(&step.stats.wall_timeouts), 1);
    step.serves_on().await;
}

#[tokio::test]
async fn a_call_given_up_leaves_no_instance_behind() {
    let (world, _gate) = Gate::world(0);
    let spec = limited(|limits| limits.instances = 1);
    let step = world.step("testbed", spec, &rows("request", &[("wait", relay("idp"))]));
    for _ in 0..3 {
        let call = step.run(TestCall::get("/").header("do", "wait"));
        tokio::select! {
            biased;
            _ = call => panic!("nobody has answered it"),
            () = async { for _ in 0..20 { tokio::task::yield_now().await } } => {}
        }
        step.serves_on().await;
    }
    assert_eq!(step.stats.instances.load(Relaxed), 0);
}

#[tokio::test]
async fn a_trial_given_up_lets_another_begin() {
    let (world, _gate) = Gate::world(0);
    let breaker = BreakerSpec { calls: 1, ..BreakerSpec::default() };
    let spec = Spec { breaker: Some(breaker), ..spec() };
    let all = [("wait", relay("idp")), ("panic", json!(["panic"]))];
    let step = world.step("testbed", spec, &rows("request", &all));
    step.doing("panic").await;
    assert_eq!(count(&step.stats.opened), 1);
    world.clock.advance(Duration::from_secs(1));
    {
        let trial = step.doing("wait");
        let meanwhile = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            step.doing("nothing").await.0
        };
        tokio::select! {
            biased;
            _ = trial => panic!("nobody has answered it"),
            reply = meanwhile => assert_eq!(reply.status(), 503, "one trial at a time"),
        }
    }
    step.serves_on().await;
}
