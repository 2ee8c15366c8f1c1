//! How calls end: origins that die or stay silent, clients that go, counts.

use super::support::{Probe, ok, trace};
use paifang_pipeline::{
    Frame, Inbound, OriginError, OriginEvent, Replay, ResponseVerdict, Stages, Termination, error,
    testkit::{Script, Sent, TestCall, TestOrigin},
};
use std::{sync::Arc, time::Duration};

/// The origin is gone in the middle.
fn died() -> OriginError {
    OriginError::new(error::UPSTREAM_CLOSED, Replay::Never, "died")
}

#[tokio::test]
async fn a_dropped_call_is_logged_once() {
    let probe = Arc::new(Probe::at(Stages::LOG));
    let origin = TestOrigin::scripted([Script::Hang]);
    let call = TestCall::get("/").shared_step("a", probe.clone());
    {
        let mut run = Box::pin(call.run(&origin));
        assert!(futures::poll!(&mut run).is_pending());
    }
    assert_eq!(probe.logs(), 1);
}

#[tokio::test]
async fn a_gateways_error_passes_the_steps_that_the_request_had_passed() {
    let origin = TestOrigin::scripted([Script::Refuse(OriginError::new(
        error::NO_ENDPOINT,
        Replay::Never,
        "none",
    ))]);
    let reply = TestCall::get("/").step("a", Probe::at(Stages::RESPONSE)).run(&origin).await;
    assert_eq!((reply.status(), trace(&reply)), (503, vec!["a:response:continue".to_owned()]));
    assert_eq!(reply.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn an_origin_that_dies_inside_its_body_breaks_the_response_off() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data("half".into()))),
        Err(died()),
    ])]);
    let reply = TestCall::get("/").run(&origin).await;
    assert_eq!(reply.served.termination, Termination::OriginBrokeOff);
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
}

#[tokio::test]
async fn an_origin_that_dies_inside_a_needed_body_becomes_an_error() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Err(died()),
    ])]);
    let asks = Probe::at(Stages::RESPONSE).on_response(|_| ResponseVerdict::NeedBody);
    let reply = TestCall::get("/").step("a", asks).run(&origin).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (502, Some("PF-4009")));
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_stays_silent_is_a_gateway_timeout() {
    let origin = TestOrigin::scripted([Script::Events(vec![])]);
    let mut call = TestCall::get("/");
    call.limits.timeout = Duration::from_secs(3);
    let reply = call.run(&origin).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (504, Some("PF-4006")));
    let origin = TestOrigin::scripted([Script::Hang]);
    assert_eq!(TestCall::get("/").run(&origin).await.error().as_deref(), Some("PF-4002"));
}

#[tokio::test]
async fn a_client_gone_at_each_stage_ends_the_call_and_is_logged_once() {
    // While connecting.
    let origin = TestOrigin::scripted([Script::Hang]);
    let reply = TestCall::get("/").front(|front| front.gone = true).run(&origin).await;
    assert_eq!((reply.served.termination, reply.logged), (Termination::ClientGone, 1));
    // While the origin thinks.
    let origin = TestOrigin::scripted([Script::Events(vec![])]);
    let gone = |front: &mut paifang_pipeline::testkit::TestFront| {
        front.inbound.push_back(Ok(Inbound::Gone));
    };
    let reply = TestCall::get("/").front(gone).run(&origin).await;
    assert_eq!((reply.served.termination, reply.logged), (Termination::ClientGone, 1));
    assert_eq!(origin.request(0).complete, None);
    // While the response goes out.
    for sends in [0, 1] {
        let reply =
            TestCall::get("/").front(|front| front.gone_after_sends = Some(sends)).run(&ok()).await;
        assert_eq!((reply.served.termination, reply.logged), (Termination::ClientGone, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_recalled_call_ends_where_its_answer_has_to_be_waited_for() {
    const SECOND: Duration = Duration::from_secs(1);
    let stats = Arc::default();
    let half = || {
        TestOrigin::scripted([Script::Events(vec![
            Ok(OriginEvent::Head(TestOrigin::head(200), false)),
            Ok(OriginEvent::Frame(Frame::data("half".into()))),
        ])])
    };
    let reply = TestCall::get("/").recalled(SECOND).stats(&stats).run(&half()).await;
    assert_eq!((reply.served.termination, reply.logged), (Termination::Superseded, 1));
    assert_eq!(reply.outcome.response_bytes, 4);
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
    assert_eq!(stats.aborted().last(), Some(&("superseded", 1)));
    // Also one whose body is collected, which no time limit ends.
    let asks = Probe::at(Stages::RESPONSE).on_response(|_| ResponseVerdict::NeedBody);
    let reply = TestCall::get("/").recalled(SECOND).step("a", asks).run(&half()).await;
    assert_eq!(reply.served.termination, Termination::Superseded);
    // And a tunnel.
    let origin = TestOrigin::scripted([Script::Events(vec![Ok(OriginEvent::Head(
        TestOrigin::head(101),
        false,
    ))])]);
    let reply = TestCall::get("/").recalled(SECOND).run(&origin).await;
    assert_eq!(reply.served.termination, Termination::Superseded);
    assert!(reply.outcome.upgraded);
    // What is there goes out.
    let reply = TestCall::get("/").recalled(SECOND).run(&ok()).await;
    assert_eq!((reply.status(), reply.served.termination), (200, Termination::Completed));
}

#[tokio::test]
async fn verdicts_and_times_are_counted_by_the_engine() {
    let stats = Arc::default();
    let call = || TestCall::get("/").stats(&stats);
    call().run(&ok()).await;
    call().step("a", Probe::responding(Stages::REQUEST, 404)).run(&ok()).await;
    assert_eq!(stats.status_classes(), [0, 0, 1, 0, 1, 0]);
    assert_eq!((stats.in_flight(), stats.total_time.read().buckets.iter().sum::<u64>()), (0, 2));
}
