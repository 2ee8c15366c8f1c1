//! Waiting and failing: panics, verdicts that are not allowed, `on_failure`.

use super::support::{Probe, ok, trace};
use http::{HeaderValue, Method, StatusCode};
use paifang_pipeline::{
    ErrorCode, Failure, FrontError, OnFailure, Rejection, ResponseVerdict, Stages, Termination,
    Verdict,
    testkit::{Sent, TestCall},
};
use std::sync::Arc;

#[tokio::test]
async fn a_waiting_step_resumes_with_its_futures_result() {
    let waits = Probe::at(Stages::REQUEST).on_request(|_| {
        Verdict::wait(async {
            tokio::task::yield_now().await;
            let found = "found";
            move |call: &mut paifang_pipeline::RequestCall<'_>| {
                call.head_mut().headers.insert("x-found", HeaderValue::from_static(found));
                Verdict::Continue
            }
        })
    });
    let origin = ok();
    let reply = TestCall::get("/").step("a", waits).run(&origin).await;
    assert_eq!(trace(&reply), ["a:request:wait", "a:request:continue"]);
    assert_eq!(origin.request(0).head.headers["x-found"], "found");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_never_resumes_is_unavailable_when_the_calls_time_is_up() {
    let never =
        Probe::at(Stages::REQUEST).on_request(|_| Verdict::Wait(Box::pin(std::future::pending())));
    let reply = TestCall::get("/").step("a", never).run(&ok()).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-5001")));
}

#[tokio::test]
async fn a_client_that_goes_during_a_wait_ends_the_call_and_log_runs() {
    let never =
        Probe::at(Stages::REQUEST).on_request(|_| Verdict::Wait(Box::pin(std::future::pending())));
    let reply =
        TestCall::get("/").front(|front| front.gone = true).step("a", never).run(&ok()).await;
    assert_eq!((reply.served.termination, reply.logged), (Termination::ClientGone, 1));
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
}

#[tokio::test]
async fn a_panic_is_handler_failed_at_every_stage() {
    for stage in [Stages::REQUEST, Stages::UPSTREAM, Stages::RESPONSE] {
        let reply = TestCall::get("/").step("a", Probe::panicking(stage)).run(&ok()).await;
        assert_eq!(reply.error().as_deref(), Some("PF-5000"), "{stage:?}");
        assert_eq!(reply.logged, 1);
    }
    let reply =
        TestCall::post("/", "x").step("a", Probe::panicking(Stages::REQUEST_BODY)).run(&ok()).await;
    assert_eq!(reply.error().as_deref(), Some("PF-5000"));
    let reply = TestCall::get("/").step("a", Probe::panicking(Stages::LOG)).run(&ok()).await;
    assert_eq!((reply.status(), reply.logged), (200, 1));
}

#[tokio::test]
async fn a_panic_in_a_response_body_breaks_the_response_off() {
    let reply =
        TestCall::get("/").step("a", Probe::panicking(Stages::RESPONSE_BODY)).run(&ok()).await;
    assert_eq!(reply.served.termination, Termination::HandlerBrokeOff);
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
}

#[tokio::test]
async fn on_failure_open_goes_on_as_if_the_step_were_not_there() {
    for stage in [
        Stages::REQUEST,
        Stages::REQUEST_BODY,
        Stages::UPSTREAM,
        Stages::RESPONSE,
        Stages::RESPONSE_BODY,
    ] {
        let origin = ok();
        let reply = TestCall::post("/", "x")
            .full_step("a", Arc::new(Probe::panicking(stage)), None, OnFailure::Open)
            .run(&origin)
            .await;
        assert_eq!((reply.status(), reply.body().as_str()), (200, "origin"), "{stage:?}");
        assert_eq!(origin.request(0).body(), b"x");
        assert!(trace(&reply)[0].ends_with(":failed_open"));
    }
}

#[tokio::test]
async fn unavailable_and_failed_are_told_apart() {
    for (failure, code) in
        [(Failure::failed("x"), "PF-5000"), (Failure::unavailable("x"), "PF-5001")]
    {
        let fails = Probe::at(Stages::REQUEST).on_request(move |_| Verdict::Fail(failure.clone()));
        let reply = TestCall::get("/").step("a", fails).run(&ok()).await;
        assert_eq!(reply.error().as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_broken_request_body_is_told_where_the_client_is_still_there() {
    let broken = |error: FrontError| {
        TestCall::new(Method::POST, "/").front(move |front| {
            *front = paifang_pipeline::testkit::TestFront::default();
            front.inbound.push_back(Err(error));
        })
    };
    let malformed = broken(FrontError::Malformed("bad chunk".to_owned()));
    assert_eq!(malformed.run(&ok()).await.error().as_deref(), Some("PF-1011"));
    assert_eq!(broken(FrontError::Stalled).run(&ok()).await.error().as_deref(), Some("PF-1006"));
    let gone = broken(FrontError::Gone("reset".to_owned())).step("a", Probe::needing_body());
    assert_eq!(gone.run(&ok()).await.served.termination, Termination::ClientGone);
}

#[tokio::test]
async fn a_rejection_carries_its_row_detail_and_headers() {
    static ROW: &ErrorCode =
        &ErrorCode::new(3999, StatusCode::TOO_MANY_REQUESTS, "test_row", "Too many.");
    let rejects = Probe::at(Stages::REQUEST).on_request(|_| {
        let retry = (http::header::RETRY_AFTER, HeaderValue::from_static("7"));
        Verdict::Reject(Rejection::new(ROW).detail("slow \"down\"").header(retry.0, retry.1))
    });
    let reply = TestCall::get("/").step("a", rejects).run(&ok()).await;
    assert_eq!((reply.status(), reply.header("retry-after")), (429, "7"));
    let problem: serde_json::Value = serde_json::from_str(&reply.body()).unwrap();
    assert_eq!(
        problem,
        serde_json::json!({
            "type": "urn:paifang:error:test_row", "title": "Too many.", "status": 429,
            "detail": "slow \"down\"", "code": "PF-3999"
        })
    );
}

#[tokio::test]
async fn an_interim_status_is_no_answer() {
    let interim = |status: u16| {
        let mut response = http::Response::new("".into());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    for status in [100, 101, 103] {
        let responds =
            Probe::at(Stages::REQUEST).on_request(move |_| Verdict::Respond(interim(status)));
        let reply = TestCall::get("/").step("a", responds).run(&ok()).await;
        assert_eq!(reply.error().as_deref(), Some("PF-5000"));
        let replaces = Probe::at(Stages::RESPONSE)
            .on_response(move |_| ResponseVerdict::Replace(interim(status)));
        let reply = TestCall::get("/").step("a", replaces).run(&ok()).await;
        assert_eq!(reply.error().as_deref(), Some("PF-5000"));
    }
}
