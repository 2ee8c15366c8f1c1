//! The conformance table of the pipeline: a chain, a request, and the trace of stages expected.
//!
//! Each case is one sentence of `docs/specs/pipeline.md`. The HTTP fronts run the like over
//! sockets; here the engine alone is held to them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use paifang_pipeline::{
    BodySize, BodyVerdict, ErrorCode, Failure, Frame, FrontError, Inbound, OnFailure, OriginError,
    OriginEvent, Rejection, Replay, ResponseVerdict, Stages, Termination, Verdict, When,
    WhenConfig, error,
    testkit::{Reply, Script, Sent, TestCall, TestOrigin},
};
use std::{sync::Arc, time::Duration};
use support::Probe;

fn ok() -> TestOrigin {
    TestOrigin::answering(200, "origin")
}

/// `step:stage:verdict` of every event.
fn trace(reply: &Reply) -> Vec<String> {
    let events = reply.trace.events.iter();
    events.map(|event| format!("{}:{}:{}", event.step, event.stage, event.verdict)).collect()
}

fn all_but_accept() -> Stages {
    Stages::REQUEST
        .and(Stages::REQUEST_BODY)
        .and(Stages::UPSTREAM)
        .and(Stages::RESPONSE)
        .and(Stages::RESPONSE_BODY)
        .and(Stages::LOG)
}

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

fn died(replay: Replay) -> OriginError {
    OriginError::new(error::UPSTREAM_CLOSED, replay, "died")
}

fn dies(replay: Replay) -> Script {
    Script::AfterBody(vec![Err(died(replay))])
}

fn answers() -> Script {
    Script::AfterBody(vec![Ok(OriginEvent::Head(TestOrigin::head(200), true))])
}

#[tokio::test]
async fn attempts_are_repeated_only_where_that_is_safe() {
    let cases = [
        (Method::GET, Replay::Safe, 200, 2),
        (Method::POST, Replay::Safe, 200, 2),
        (Method::GET, Replay::IfIdempotent, 200, 2),
        (Method::POST, Replay::IfIdempotent, 502, 1),
        (Method::GET, Replay::Never, 502, 1),
    ];
    for (method, replay, status, attempts) in cases {
        let origin = TestOrigin::scripted([dies(replay), answers()]);
        let reply = TestCall::new(method.clone(), "/").run(&origin).await;
        assert_eq!(
            (reply.status(), reply.outcome.attempts),
            (status, attempts),
            "{method} {replay:?}"
        );
    }
}

#[tokio::test]
async fn a_repeated_attempt_sends_the_same_body_again() {
    for needs_body in [false, true] {
        let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
        let mut call = TestCall::post("/", "same");
        if needs_body {
            call = call.step("a", Probe::needing_body());
        }
        let reply = call.run(&origin).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(
            (origin.request(0).body(), origin.request(1).body()),
            (b"same".to_vec(), b"same".to_vec())
        );
    }
}

#[tokio::test]
async fn no_repetition_after_a_step_has_consumed_a_streamed_frame() {
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    let reply =
        TestCall::post("/", "x").step("a", Probe::at(Stages::REQUEST_BODY)).run(&origin).await;
    assert_eq!((reply.status(), reply.outcome.attempts), (502, 1));
}

#[tokio::test]
async fn no_repetition_beyond_the_kept_part_of_a_streamed_body() {
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    let mut call = TestCall::post("/", vec![0; 11]);
    call.retry.body_bytes = 10;
    assert_eq!(call.run(&origin).await.outcome.attempts, 1);
}

#[tokio::test]
async fn no_repetition_without_budget_or_beyond_the_number_of_attempts() {
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    origin.retries.store(0, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(TestCall::get("/").run(&origin).await.outcome.attempts, 1);

    let origin = TestOrigin::scripted([dies(Replay::Safe), dies(Replay::Safe), answers()]);
    let reply = TestCall::get("/").run(&origin).await;
    assert_eq!((reply.status(), reply.outcome.attempts), (502, 2));
}

#[tokio::test]
async fn statuses_are_repeated_where_the_api_says_so() {
    let unavailable =
        || Script::AfterBody(vec![Ok(OriginEvent::Head(TestOrigin::head(503), true))]);
    for (method, status) in [(Method::GET, 200), (Method::POST, 503)] {
        let origin = TestOrigin::scripted([unavailable(), answers()]);
        let mut call = TestCall::new(method, "/");
        call.retry.statuses = vec![StatusCode::SERVICE_UNAVAILABLE];
        assert_eq!(call.run(&origin).await.status(), status);
    }
}

#[tokio::test]
async fn the_upstream_stage_changes_a_fresh_copy_at_every_attempt() {
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    let adds = Probe::at(Stages::UPSTREAM).on_upstream(|call, head| {
        let attempt = call.attempt();
        head.headers.append("x-attempt", HeaderValue::from(attempt));
        Ok(())
    });
    TestCall::get("/").step("a", adds).run(&origin).await;
    let attempts = |index: usize| {
        let request = origin.request(index);
        let values = request.head.headers.get_all("x-attempt").iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((attempts(0), attempts(1)), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

#[tokio::test]
async fn an_origin_that_dies_inside_its_body_breaks_the_response_off() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data("half".into()))),
        Err(died(Replay::Never)),
    ])]);
    let reply = TestCall::get("/").run(&origin).await;
    assert_eq!(reply.served.termination, Termination::OriginBrokeOff);
    assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
}

#[tokio::test]
async fn an_origin_that_dies_inside_a_needed_body_becomes_an_error() {
    let origin = TestOrigin::scripted([Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Err(died(Replay::Never)),
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
async fn length_is_unknown_only_where_a_step_may_change_it() {
    for (keeps, size) in [(true, BodySize::Declared), (false, BodySize::Unknown)] {
        let probe =
            Probe::at(Stages::REQUEST_BODY.and(Stages::RESPONSE_BODY)).keeping_length(keeps);
        let origin = ok();
        let reply = TestCall::post("/", "x").step("a", probe).run(&origin).await;
        assert_eq!((origin.request(0).size, reply.size()), (size, Some(size)));
    }
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
async fn verdicts_and_times_are_counted_by_the_engine() {
    let stats = Arc::default();
    let call = || TestCall::get("/").stats(&stats);
    call().run(&ok()).await;
    call().step("a", Probe::responding(Stages::REQUEST, 404)).run(&ok()).await;
    assert_eq!(stats.status_classes(), [0, 0, 1, 0, 1, 0]);
    assert_eq!((stats.in_flight(), stats.total_time.read().buckets.iter().sum::<u64>()), (0, 2));
}
