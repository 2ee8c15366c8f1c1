//! Attempts on the origin, and when they are repeated.

use super::support::Probe;
use http::{HeaderValue, Method, StatusCode};
use paifang_pipeline::{
    OriginError, OriginEvent, Replay, Stages, error,
    testkit::{Script, TestCall, TestOrigin},
};

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
