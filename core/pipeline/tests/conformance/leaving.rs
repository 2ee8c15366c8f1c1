//! Steps that leave a body alone though they could change it, lengths, and frames after a wait.

use super::support::{Probe, ok, trace};
use bytes::Bytes;
use http::{Method, header::CONTENT_LENGTH};
use paifang_pipeline::{
    BodySize, BodyVerdict, Frame, Handler, OriginEvent, Replay, ResponseBodyCall, ResponseVerdict,
    Stages, Verdict, error,
    testkit::{Script, TestCall, TestOrigin},
};
use std::sync::{Arc, Mutex};

fn leaving_request() -> Probe {
    Probe::at(Stages::REQUEST.and(Stages::REQUEST_BODY)).on_request(|call| {
        call.leave_request_body();
        Verdict::Continue
    })
}

#[tokio::test]
async fn a_request_body_that_is_left_alone_keeps_its_length_and_can_be_sent_again() {
    let refused = || {
        Script::Events(vec![Err(paifang_pipeline::OriginError::new(
            error::UPSTREAM_CLOSED,
            Replay::Safe,
            "test",
        ))])
    };
    let answer = || {
        Script::AfterBody(vec![
            Ok(OriginEvent::Head(TestOrigin::head(200), false)),
            Ok(OriginEvent::Frame(Frame::last("origin".into()))),
        ])
    };
    let origin = TestOrigin::scripted([refused(), answer()]);
    let reply = TestCall::post("/", "body").step("a", leaving_request()).run(&origin).await;
    assert_eq!(trace(&reply), ["a:request:continue"]);
    assert_eq!((reply.status(), origin.requests()), (200, 2));
    for index in 0..2 {
        assert_eq!(origin.request(index).size, BodySize::Exact(4));
    }
    assert_eq!(origin.request(1).body(), b"body");
}

#[tokio::test]
async fn a_step_leaves_only_what_is_its_own() {
    let upper = Probe::at(Stages::REQUEST_BODY).on_request_body(|frame| {
        frame.data = frame.data.to_ascii_uppercase().into();
        BodyVerdict::Continue
    });
    let origin = ok();
    let call = TestCall::post("/", "body").step("a", leaving_request()).step("b", upper);
    call.run(&origin).await;
    assert_eq!(origin.request(0).body(), b"BODY");
    assert_eq!(origin.request(0).size, BodySize::Unknown);
}

/// An origin that tells how long its answer is.
fn telling() -> TestOrigin {
    let mut head = TestOrigin::head(200);
    head.headers.insert(CONTENT_LENGTH, 6.into());
    TestOrigin::scripted([Script::AfterBody(vec![
        Ok(OriginEvent::Head(head, false)),
        Ok(OriginEvent::Frame(Frame::last("origin".into()))),
    ])])
}

#[tokio::test]
async fn a_response_body_that_is_left_alone_keeps_its_length() {
    let stages = Stages::RESPONSE.and(Stages::RESPONSE_BODY);
    let at_response = Probe::at(stages).on_response(|call| {
        call.leave_body();
        ResponseVerdict::Continue
    });
    let at_request = Probe::at(stages.and(Stages::REQUEST)).on_request(|call| {
        call.leave_response_body();
        Verdict::Continue
    });
    for probe in [at_response, at_request] {
        let reply = TestCall::get("/").step("a", probe).run(&telling()).await;
        assert_eq!((reply.body().as_str(), reply.size()), ("origin", Some(BodySize::Exact(6))));
        assert!(trace(&reply).iter().all(|event| !event.contains("response_body")));
    }
    let reply = TestCall::get("/").step("a", Probe::at(stages)).run(&telling()).await;
    assert_eq!(reply.size(), Some(BodySize::Unknown));
}

#[tokio::test]
async fn a_response_step_sees_how_long_the_body_is() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let probe = || {
        let seen = seen.clone();
        Probe::at(Stages::RESPONSE).on_response(move |call| {
            seen.lock().unwrap().push(call.length());
            ResponseVerdict::Continue
        })
    };
    let mut head = TestOrigin::head(200);
    head.headers.insert(CONTENT_LENGTH, 9.into());
    let to_head = TestOrigin::scripted([Script::Events(vec![Ok(OriginEvent::Head(head, true))])]);
    let answers = || Probe::responding(Stages::REQUEST, 200);
    TestCall::get("/").step("a", probe()).run(&telling()).await;
    TestCall::get("/").step("a", probe()).run(&ok()).await;
    TestCall::get("/").step("a", probe()).step("b", answers()).run(&ok()).await;
    TestCall::new(Method::HEAD, "/").step("a", probe()).run(&to_head).await;
    TestCall::new(Method::HEAD, "/").step("a", probe()).step("b", answers()).run(&ok()).await;
    assert_eq!(*seen.lock().unwrap(), [Some(6), None, Some(6), Some(9), Some(6)]);
}

#[tokio::test]
async fn an_answer_to_head_tells_no_length_that_a_step_would_have_changed() {
    let head = || TestCall::new(Method::HEAD, "/");
    let answers = || Probe::responding(Stages::REQUEST, 200);
    let changes = Probe::at(Stages::RESPONSE_BODY);
    let reply = head().step("a", changes).step("b", answers()).run(&ok()).await;
    assert_eq!(reply.header("content-length"), "");
    let keeps = Probe::at(Stages::RESPONSE_BODY).keeping_length(true);
    let reply = head().step("a", keeps).step("b", answers()).run(&ok()).await;
    assert_eq!(reply.header("content-length"), "6");
}

/// Doubles each frame, after a wait.
struct Late;

impl Handler for Late {
    fn stages(&self) -> Stages {
        Stages::RESPONSE_BODY
    }

    fn response_body(&self, call: &mut ResponseBodyCall<'_>, frame: &mut Frame) -> BodyVerdict {
        assert!(call.frame().is_none());
        assert!(!frame.data.is_empty());
        BodyVerdict::wait(async {
            tokio::task::yield_now().await;
            |call: &mut ResponseBodyCall<'_>| {
                let frame = call.frame().unwrap();
                frame.data = Bytes::from([&frame.data[..], &frame.data[..]].concat());
                // It is not the step's to say where the body ends.
                frame.end = !frame.end;
                BodyVerdict::Continue
            }
        })
    }
}

#[tokio::test]
async fn a_frame_can_be_changed_after_a_wait() {
    let origin = TestOrigin::scripted([Script::AfterBody(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data("a".into()))),
        Ok(OriginEvent::Frame(Frame::last("b".into()))),
    ])]);
    let reply = TestCall::get("/").step("late", Late).run(&origin).await;
    assert_eq!(reply.body(), "aabb");
}
