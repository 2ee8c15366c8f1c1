//! The walk: order, stages, answers, `when`.

use super::support::{Probe, all_but_accept, ok, trace};
use paifang_pipeline::{OnFailure, Stages, Termination, When, WhenConfig, testkit::TestCall};
use std::sync::Arc;

#[tokio::test]
async fn requests_pass_top_to_bottom_and_responses_bottom_to_top() {
    let reply = TestCall::post("/", "body")
        .step("a", Probe::at(all_but_accept()))
        .step("b", Probe::at(all_but_accept()))
        .run(&ok())
        .await;
    assert_eq!(
        trace(&reply),
        [
            "a:request:continue",
            "b:request:continue",
            "a:upstream:continue",
            "b:upstream:continue",
            "a:request_body:continue",
            "b:request_body:continue",
            "b:response:continue",
            "a:response:continue",
            "b:response_body:continue",
            "a:response_body:continue",
        ]
    );
    assert_eq!((reply.status(), reply.body().as_str(), reply.logged), (200, "origin", 1));
    assert_eq!(reply.served.termination, Termination::Completed);
}

#[tokio::test]
async fn an_absent_stage_is_not_called() {
    let reply = TestCall::get("/").step("a", Probe::at(Stages::RESPONSE)).run(&ok()).await;
    assert_eq!(trace(&reply), ["a:response:continue"]);
}

#[tokio::test]
async fn when_a_step_responds_only_the_steps_above_see_the_response() {
    let origin = ok();
    let reply = TestCall::get("/")
        .step("a", Probe::at(Stages::REQUEST.and(Stages::RESPONSE)))
        .step("b", Probe::responding(all_but_accept(), 418))
        .step("c", Probe::at(all_but_accept()))
        .run(&origin)
        .await;
    assert_eq!(trace(&reply), ["a:request:continue", "b:request:respond", "a:response:continue"]);
    assert_eq!((reply.status(), origin.requests(), reply.logged), (418, 0, 1));
    assert_eq!(reply.outcome.answered_by.as_deref(), Some("b"));
}

#[tokio::test]
async fn a_step_may_stand_in_a_chain_twice() {
    let shared: Arc<Probe> = Arc::new(Probe::at(Stages::REQUEST));
    let reply = TestCall::get("/")
        .shared_step("first", shared.clone())
        .shared_step("second", shared)
        .run(&ok())
        .await;
    assert_eq!(trace(&reply), ["first:request:continue", "second:request:continue"]);
}

#[tokio::test]
async fn when_decides_once_and_leaves_the_step_out_of_every_stage() {
    let when = WhenConfig { method: vec!["POST".to_owned()], ..WhenConfig::default() };
    let when = When::compile(&when).unwrap();
    let probe = Arc::new(Probe::at(all_but_accept()));
    let get = TestCall::get("/")
        .full_step("a", probe.clone(), Some(when.clone()), OnFailure::Closed)
        .run(&ok())
        .await;
    assert_eq!((trace(&get).len(), probe.logs()), (0, 0));
    let post = TestCall::post("/", "x")
        .full_step("a", probe.clone(), Some(when), OnFailure::Closed)
        .run(&ok())
        .await;
    assert_eq!((trace(&post).len(), probe.logs()), (5, 1));
}

#[tokio::test]
async fn log_runs_also_for_steps_that_the_walk_did_not_reach() {
    let below = Arc::new(Probe::at(Stages::LOG));
    let reply = TestCall::get("/")
        .step("a", Probe::responding(Stages::REQUEST, 403))
        .shared_step("b", below.clone())
        .run(&ok())
        .await;
    assert_eq!((reply.status(), below.logs()), (403, 1));
}
