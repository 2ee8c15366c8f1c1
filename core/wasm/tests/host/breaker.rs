//! A handler that keeps failing is left alone, and tried again by itself.

use crate::world::{World, count, rows, spec};
use paifang_pipeline::OnFailure;
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::{BreakerSpec, Spec};
use serde_json::json;
use std::time::Duration;

fn broken() -> Spec {
    Spec { breaker: Some(BreakerSpec { calls: 4, ..BreakerSpec::default() }), ..spec() }
}

#[tokio::test]
async fn it_opens_and_closes_as_the_clock_says() {
    let world = World::new();
    // It has no `log`, which would be called for each failed call too.
    let config = rows("request", &[("panic", json!(["panic"]))]);
    let step = world.step("testbed-head-only", broken(), &config);
    let (traps, opened) = (|| count(&step.stats.traps), || count(&step.stats.opened));
    for _ in 0..3 {
        step.doing("panic").await;
    }
    assert_eq!((traps(), opened()), (3, 0));
    step.doing("panic").await;
    assert_eq!((traps(), opened()), (4, 1));

    // The handler is not touched any more.
    let made = count(&step.stats.instances_made);
    let (reply, origin) = step.doing("nothing").await;
    assert_eq!((reply.error().as_deref(), origin.requests()), (Some("PF-5001"), 0));
    assert_eq!((count(&step.stats.broken), count(&step.stats.instances_made)), (1, made));
    let call = TestCall::get("/").header("do", "nothing");
    assert_eq!(step.run_as(call, OnFailure::Open).await.0.status(), 200);
    assert_eq!(count(&step.stats.instances_made), made);

    // The trial fails: twice the backoff.
    world.clock.advance(Duration::from_secs(1));
    step.doing("panic").await;
    assert_eq!((traps(), opened()), (5, 2));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(step.doing("nothing").await.0.status(), 503);
    // It succeeds: all is well.
    world.clock.advance(Duration::from_secs(1));
    step.serves_on().await;
    step.doing("panic").await;
    step.serves_on().await;
    assert_eq!(opened(), 2);
}

#[tokio::test]
async fn it_opens_and_closes_for_handlers_that_may_wait() {
    let world = World::new();
    let config = rows("request", &[("panic", json!(["panic"]))]);
    let step = world.step("testbed", broken(), &config);
    for _ in 0..4 {
        step.doing("panic").await;
    }
    assert_eq!(count(&step.stats.opened), 1);
    assert_eq!(step.doing("nothing").await.0.error().as_deref(), Some("PF-5001"));
    world.clock.advance(Duration::from_secs(1));
    step.serves_on().await;
    step.serves_on().await;
}

#[tokio::test]
async fn what_a_handler_says_is_no_fault_of_its_own() {
    let world = World::new();
    let all = [
        ("fail", json!([{ "fail": "no idea" }])),
        ("reject", json!([{ "reject": { "refusal": "forbidden" } }])),
    ];
    let step = world.step("testbed-sync", broken(), &rows("request", &all));
    for _ in 0..10 {
        step.doing("fail").await;
        step.doing("reject").await;
    }
    assert_eq!(count(&step.stats.opened), 0);
    step.serves_on().await;
}

#[tokio::test]
async fn illegal_verdicts_open_it_too() {
    let world = World::new();
    let all = [("illegal", json!([{ "set": ["te", "x"] }]))];
    let step = world.step("testbed-head-only", broken(), &rows("request", &all));
    for _ in 0..4 {
        step.doing("illegal").await;
    }
    assert_eq!(count(&step.stats.opened), 1);
}
