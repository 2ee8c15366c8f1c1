//! Attempts on the origin, and when they are repeated.

use super::support::Probe;
use http::{HeaderValue, Method, StatusCode};
use paifang_pipeline::{
    BodySize, BodyVerdict, OriginError, OriginEvent, Replay, Stages, Verdict, error,
    testkit::{Script, TestCall, TestClock, TestOrigin, route},
};
use std::{sync::Arc, time::Duration};

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
async fn a_step_that_only_watches_sees_each_frame_once_and_changes_none() {
    use std::sync::Mutex;
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let watches = Probe::at(Stages::REQUEST_BODY).only_watching().on_request_body(move |frame| {
        kept.lock().unwrap().push(frame.data.clone());
        frame.data = "forged".into();
        BodyVerdict::Continue
    });
    let reply = TestCall::post("/", "same").step("a", watches).run(&origin).await;
    assert_eq!((reply.status(), reply.outcome.attempts), (200, 2));
    assert_eq!(*seen.lock().unwrap(), ["same"]);
    for attempt in [0, 1] {
        let request = origin.request(attempt);
        assert_eq!((request.body(), request.size), (b"same".to_vec(), BodySize::Declared));
    }
}

#[tokio::test]
async fn the_origin_is_waited_for_from_when_it_has_the_whole_request() {
    // A body that streams: time passes while its last frame is on its way, and none after it.
    for (call, whole) in [(TestCall::get("/"), false), (TestCall::post("/", "body"), true)] {
        let clock = Arc::new(TestClock::new());
        let slow = clock.clone();
        let uploads = Probe::at(Stages::REQUEST_BODY).on_request_body(move |_| {
            slow.advance(Duration::from_secs(7));
            BodyVerdict::Continue
        });
        let connects = clock.clone();
        let opening = Probe::at(Stages::UPSTREAM).on_upstream(move |_, _| {
            connects.advance(Duration::from_secs(2));
            Ok(())
        });
        let origin = TestOrigin::scripted([answers()]);
        let call = call.clock(&clock).step("connects", opening);
        let call = if whole { call.step("uploads", uploads) } else { call };
        let outcome = call.run(&origin).await.outcome;
        let seconds = |nanos: Option<u64>| nanos.unwrap() / 1_000_000_000;
        let expected = if whole { (9, 0) } else { (2, 2) };
        assert_eq!(
            (seconds(outcome.origin_head_nanos), seconds(outcome.origin_wait_nanos)),
            expected
        );
        assert!(outcome.request_sent.is_some());
    }
}

#[tokio::test]
async fn a_choice_of_upstream_holds_for_every_attempt() {
    let origin = TestOrigin::scripted([dies(Replay::Safe), answers()]);
    let reply = TestCall::get("/")
        .step(
            "chooses",
            Probe::at(Stages::REQUEST).on_request(|call| {
                assert_eq!(call.route(), None);
                call.route_to(route(3));
                Verdict::Continue
            }),
        )
        .step(
            "sees",
            Probe::at(Stages::REQUEST.and(Stages::UPSTREAM)).on_upstream(|call, _| {
                assert_eq!(call.route(), Some(route(3)));
                Ok(())
            }),
        )
        .run(&origin)
        .await;
    assert_eq!((reply.status(), reply.outcome.attempts), (200, 2));
    assert_eq!(reply.route, Some(route(3)));
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
