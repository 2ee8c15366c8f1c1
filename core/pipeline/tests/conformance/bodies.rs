//! Request and response bodies, their limits and lengths, on their way through the steps.

use super::support::{Probe, ok, trace};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use paifang_pipeline::{
    BodySize, BodyVerdict, Frame, OriginEvent, ResponseVerdict, Stages, Termination, Verdict,
    testkit::{Script, Sent, TestCall, TestOrigin},
};

#[tokio::test]
async fn need_body_suspends_the_walk_and_collects_what_the_steps_above_left() {
    let origin = ok();
    let upper = Probe::at(Stages::REQUEST_BODY).on_request_body(|frame| {
        frame.data = frame.data.to_ascii_uppercase().into();
        BodyVerdict::Continue
    });
    let asking =
        Probe::at(Stages::REQUEST.and(Stages::REQUEST_BODY)).on_request(|call| match call.body() {
            None => Verdict::NeedBody,
            Some(body) => {
                assert_eq!(&body[..], b"ONETWO");
                call.set_body(Bytes::from_static(b"changed"));
                Verdict::Continue
            }
        });
    let below = Probe::at(Stages::REQUEST.and(Stages::REQUEST_BODY)).on_request_body(|frame| {
        assert_eq!((&frame.data[..], frame.end), (&b"changed"[..], true));
        BodyVerdict::Continue
    });
    let reply = TestCall::new(Method::POST, "/")
        .frames([Frame::data("one".into()), Frame::last("two".into())])
        .step("upper", upper)
        .step("asking", asking)
        .step("below", below)
        .run(&origin)
        .await;
    assert_eq!(
        trace(&reply),
        [
            "asking:request:need_body",
            "upper:request_body:continue",
            "upper:request_body:continue",
            "asking:request:continue",
            "below:request:continue",
            "below:request_body:continue",
        ]
    );
    let request = origin.request(0);
    assert_eq!((request.body().as_slice(), request.size), (&b"changed"[..], BodySize::Exact(7)));
    assert_eq!(request.complete, Some(true));
}

#[tokio::test]
async fn a_needed_body_may_be_larger_than_64_kib_up_to_the_limit() {
    let needs = || {
        Probe::at(Stages::REQUEST).on_request(|call| match call.body() {
            None => Verdict::NeedBody,
            Some(_) => Verdict::Continue,
        })
    };
    let frames = |count: usize| {
        (0..count).map(move |index| Frame {
            data: Bytes::from(vec![7; 64 << 10]),
            end: index + 1 == count,
            trailers: None,
        })
    };
    let origin = ok();
    let reply =
        TestCall::new(Method::POST, "/").frames(frames(16)).step("a", needs()).run(&origin).await;
    assert_eq!((reply.status(), origin.request(0).body().len()), (200, 1 << 20));

    let origin = ok();
    let reply =
        TestCall::new(Method::POST, "/").frames(frames(17)).step("a", needs()).run(&origin).await;
    assert_eq!((reply.error().as_deref(), origin.requests()), (Some("PF-1005"), 0));
}

#[tokio::test]
async fn a_declared_length_beyond_the_limit_is_refused_without_100_continue() {
    let mut call = TestCall::post("/", vec![0; 11]);
    call.limits.body_bytes = 10;
    let reply = call.step("a", Probe::needing_body()).run(&ok()).await;
    assert_eq!((reply.status(), matches!(reply.sent[0], Sent::Continue)), (413, false));
}

#[tokio::test]
async fn a_streamed_body_beyond_the_limit_is_refused() {
    let frames = [Frame::data(vec![0; 6].into()), Frame::last(vec![0; 6].into())];
    let mut call = TestCall::new(Method::POST, "/").frames(frames);
    call.limits.body_bytes = 10;
    let origin = ok();
    let reply = call.step("a", Probe::at(Stages::RESPONSE)).run(&origin).await;
    assert_eq!((reply.status(), origin.request(0).complete), (413, None));
    assert_eq!(trace(&reply), ["a:response:continue"]);
}

#[tokio::test]
async fn asking_twice_for_the_body_is_a_failure() {
    let asks = Probe::at(Stages::REQUEST).on_request(|_| Verdict::NeedBody);
    let reply = TestCall::post("/", "x").step("a", asks).run(&ok()).await;
    assert_eq!(reply.error().as_deref(), Some("PF-5000"));
}

#[tokio::test]
async fn trailers_pass_the_body_stages_both_ways() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    let last = |data: &'static str| Frame {
        data: data.into(),
        end: true,
        trailers: Some(Box::new(trailers.clone())),
    };
    let adds = Probe::at(Stages::RESPONSE_BODY).on_response_body(|frame| {
        if let Some(trailers) = &mut frame.trailers {
            trailers.insert("x-more", HeaderValue::from_static("2"));
        }
        BodyVerdict::Continue
    });
    let origin = TestOrigin::scripted([Script::AfterBody(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(last("y"))),
    ])]);
    let reply =
        TestCall::new(Method::POST, "/").frames([last("x")]).step("a", adds).run(&origin).await;
    let sent = reply.trailers().unwrap();
    assert_eq!((sent["x-sum"].as_bytes(), sent["x-more"].as_bytes()), (&b"1"[..], &b"2"[..]));
    assert_eq!(origin.request(0).frames[0].trailers.as_ref().unwrap()["x-sum"], "1");
}

#[tokio::test]
async fn a_step_that_needs_a_body_sees_the_trailers_behind_it() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    let last = |data: &'static str| Frame {
        data: data.into(),
        end: true,
        trailers: Some(Box::new(trailers.clone())),
    };
    // Beside the steps that ask stand steps that change the trailers before they are asked for.
    let doubles = |frame: &mut Frame| {
        if let Some(trailers) = &mut frame.trailers {
            trailers.insert("x-sum", HeaderValue::from_static("2"));
        }
        BodyVerdict::Continue
    };
    let asks = Probe::at(Stages::REQUEST.and(Stages::RESPONSE))
        .on_request(|call| match call.body() {
            None => {
                assert!(call.trailers().is_none());
                Verdict::NeedBody
            }
            Some(_) => {
                assert_eq!(call.trailers().unwrap()["x-sum"], "2");
                Verdict::Continue
            }
        })
        .on_response(|call| match call.body() {
            None => {
                assert!(call.trailers().is_none());
                ResponseVerdict::NeedBody
            }
            Some(_) => {
                assert_eq!(call.trailers().unwrap()["x-sum"], "2");
                ResponseVerdict::Continue
            }
        });
    let origin = TestOrigin::scripted([Script::AfterBody(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(last("y"))),
    ])]);
    let reply = TestCall::new(Method::POST, "/")
        .frames([last("x")])
        .step("above", Probe::at(Stages::REQUEST_BODY).on_request_body(doubles))
        .step("asks", asks)
        .step("below", Probe::at(Stages::RESPONSE_BODY).on_response_body(doubles))
        .run(&origin)
        .await;
    // Whoever saw them, they go on.
    assert_eq!((reply.status(), reply.error()), (200, None));
    assert_eq!(reply.trailers().unwrap()["x-sum"], "2");
    assert_eq!(origin.request(0).frames[0].trailers.as_ref().unwrap()["x-sum"], "2");
}

#[tokio::test]
async fn upload_and_answer_flow_at_the_same_time() {
    let origin = TestOrigin::scripted([Script::Echo]);
    let frames = (0..50).map(|index| Frame {
        data: Bytes::from(format!("{index},")),
        end: index == 49,
        trailers: None,
    });
    let reply = TestCall::new(Method::POST, "/").frames(frames).run(&origin).await;
    assert_eq!(reply.body().split(',').count(), 51);
    assert_eq!(origin.request(0).complete, Some(true));
}

#[tokio::test]
async fn an_early_answer_ends_the_call_before_the_upload_has_ended() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(403), false)),
        Ok(OriginEvent::Frame(Frame::last("no".into()))),
    ])]);
    let reply = TestCall::new(Method::POST, "/")
        .frames([Frame::data("never ending".into())])
        .run(&origin)
        .await;
    assert_eq!((reply.status(), reply.body().as_str()), (403, "no"));
    assert_eq!(reply.served.termination, Termination::Completed);
    assert_eq!(origin.request(0).complete, Some(false));
}

#[tokio::test]
async fn length_is_unknown_only_where_a_step_may_change_it() {
    for (keeps, size) in [(true, BodySize::Declared), (false, BodySize::Unknown)] {
        let probe =
            Probe::at(Stages::REQUEST_BODY.and(Stages::RESPONSE_BODY)).keeping_length(keeps);
        let origin = ok();
        let reply = TestCall::post("/", "x").step("a", probe).run(&origin).await;
        assert_eq!((origin.request(0).size, reply.size()), (size, Some(size)));
    }
}
