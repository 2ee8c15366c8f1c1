//! The way back: replacing, needing, interim responses, upgrades.

use super::support::{Probe, all_but_accept, ok, trace};
use bytes::Bytes;
use http::{Method, StatusCode};
use paifang_pipeline::{
    BodySize, BodyVerdict, Frame, OriginEvent, ResponseVerdict, Stages,
    testkit::{Script, Sent, TestCall, TestOrigin},
};

#[tokio::test]
async fn a_step_may_replace_the_response_and_the_origin_is_told_to_stop() {
    let replaces = Probe::at(Stages::RESPONSE).on_response(|_| {
        let mut response = http::Response::new(Bytes::from_static(b"instead"));
        *response.status_mut() = StatusCode::ACCEPTED;
        ResponseVerdict::Replace(response)
    });
    let origin = ok();
    let reply = TestCall::get("/")
        .step("above", Probe::at(Stages::RESPONSE.and(Stages::RESPONSE_BODY)))
        .step("replaces", replaces)
        .step("below", Probe::at(Stages::RESPONSE.and(Stages::RESPONSE_BODY)))
        .run(&origin)
        .await;
    assert_eq!((reply.status(), reply.body().as_str()), (202, "instead"));
    assert_eq!(
        trace(&reply),
        [
            "below:response:continue",
            "replaces:response:respond",
            "above:response:continue",
            "above:response_body:continue"
        ]
    );
    assert_eq!(origin.request(0).complete, Some(false));
}

#[tokio::test]
async fn a_response_body_can_be_needed_whole_as_the_steps_below_left_it() {
    let below = Probe::at(Stages::RESPONSE_BODY).on_response_body(|frame| {
        frame.data = frame.data.to_ascii_uppercase().into();
        BodyVerdict::Continue
    });
    let asking = Probe::at(Stages::RESPONSE).on_response(|call| match call.body() {
        None => ResponseVerdict::NeedBody,
        Some(body) => {
            assert_eq!(&body[..], b"ORIGIN");
            call.set_body(Bytes::from_static(b"changed"));
            ResponseVerdict::Continue
        }
    });
    let origin = ok();
    let reply = TestCall::get("/").step("asking", asking).step("below", below).run(&origin).await;
    assert_eq!((reply.body().as_str(), reply.size()), ("changed", Some(BodySize::Exact(7))));
    assert_eq!(origin.request(0).complete, Some(true));
}

#[tokio::test]
async fn a_needed_response_beyond_the_limit_becomes_an_error() {
    let asking = Probe::at(Stages::RESPONSE).on_response(|call| match call.body() {
        None => ResponseVerdict::NeedBody,
        Some(_) => ResponseVerdict::Continue,
    });
    let mut call = TestCall::get("/");
    call.limits.response_body_bytes = 3;
    let reply = call.step("a", asking).run(&ok()).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (502, Some("PF-4007")));
}

#[tokio::test]
async fn interim_responses_pass_and_the_origins_100_does_not() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Info(TestOrigin::head(100))),
        Ok(OriginEvent::Info(TestOrigin::head(103))),
        Ok(OriginEvent::Head(TestOrigin::head(204), true)),
    ])]);
    let reply = TestCall::get("/").run(&origin).await;
    let infos: Vec<u16> = reply
        .sent
        .iter()
        .filter_map(|sent| match sent {
            Sent::Info(head) => Some(head.status.as_u16()),
            _ => None,
        })
        .collect();
    assert_eq!((infos, reply.status(), reply.size()), (vec![103], 204, Some(BodySize::Empty)));
}

#[tokio::test]
async fn a_head_request_and_its_like_have_no_body() {
    let origin = TestOrigin::scripted([Script::Events(vec![Ok(OriginEvent::Head(
        TestOrigin::head(200),
        true,
    ))])]);
    let reply = TestCall::new(Method::HEAD, "/").run(&origin).await;
    assert_eq!((reply.size(), reply.body().as_str()), (Some(BodySize::Empty), ""));
    let reply = TestCall::new(Method::HEAD, "/")
        .step("a", Probe::responding(Stages::REQUEST, 200))
        .run(&origin)
        .await;
    assert_eq!((reply.header("content-length"), reply.body().as_str()), ("6", ""));
}

#[tokio::test]
async fn after_101_bytes_flow_both_ways_without_body_stages() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(101), false)),
        Ok(OriginEvent::Frame(Frame::data("from origin".into()))),
        Ok(OriginEvent::Frame(Frame::last(Bytes::new()))),
    ])]);
    let reply = TestCall::get("/").step("a", Probe::at(all_but_accept())).run(&origin).await;
    assert_eq!(
        trace(&reply),
        [
            "a:request:continue",
            "a:request_body:continue",
            "a:upstream:continue",
            "a:response:continue"
        ]
    );
    assert!(reply.outcome.upgraded);
    assert_eq!((reply.status(), reply.body().as_str(), reply.logged), (101, "from origin", 1));
}
