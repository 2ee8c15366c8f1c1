//! Which step runs when: walks down and up, answers in the middle, waits, replacements, `when`.

use super::case::Case;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER};
use paifang_pipeline::{
    ErrorCode, Rejection, RequestCall, Response, ResponseVerdict, Stages, Termination, Verdict,
};
use paifang_tests::harness::{Ask, Probe};

fn response(status: u16, body: &'static str) -> Response {
    let mut response = http::Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn requests_pass_top_to_bottom_and_responses_bottom_to_top() {
    Case::post("body")
        .step("a", Probe::everywhere)
        .step("b", Probe::everywhere)
        .run(|seen| {
            seen.answered(200, "origin").upstream_saw(1).ended(Termination::Completed);
            seen.passed(&[
                "a:request",
                "b:request",
                "a:upstream",
                "b:upstream",
                "a:request_body",
                "b:request_body",
                "b:response",
                "a:response",
                "b:response_body",
                "a:response_body",
                "a:log",
                "b:log",
            ]);
            assert_eq!(seen.upstream.last().text(), "body");
        })
        .await;
}

#[tokio::test]
async fn a_call_without_a_body_shows_it_before_the_upstream_is_chosen() {
    Case::get()
        .step("a", Probe::everywhere)
        .run(|seen| {
            seen.answered(200, "origin").passed(&[
                "a:request",
                "a:request_body",
                "a:upstream",
                "a:response",
                "a:response_body",
                "a:log",
            ]);
        })
        .await;
}

#[tokio::test]
async fn an_absent_stage_is_not_called() {
    Case::get()
        .step("a", || Probe::at(Stages::RESPONSE))
        .run(|seen| {
            seen.answered(200, "origin").passed(&["a:response"]);
        })
        .await;
}

#[tokio::test]
async fn when_a_step_responds_only_the_steps_above_see_the_response() {
    Case::post("never needed")
        .step("a", Probe::everywhere)
        .step("b", || {
            Probe::everywhere().on_request(|_| Verdict::Respond(response(418, "short and stout")))
        })
        .step("c", Probe::everywhere)
        .run(|seen| {
            seen.answered(418, "short and stout").upstream_saw(0).ended(Termination::Completed);
            seen.passed(&[
                "a:request",
                "b:request",
                "a:response",
                "a:response_body",
                "a:log",
                "b:log",
                "c:log",
            ]);
            assert_eq!(seen.outcomes[0].answered_by.as_deref(), Some("b"));
        })
        .await;
}

#[tokio::test]
async fn a_rejection_is_a_row_of_the_table_with_its_headers() {
    static ROW: ErrorCode =
        ErrorCode::new(3999, StatusCode::TOO_MANY_REQUESTS, "test_row", "Too many.");
    let rejects = || {
        Probe::at(Stages::REQUEST).on_request(|_| {
            let rejection = Rejection::new(&ROW).detail("slow \"down\"");
            Verdict::Reject(rejection.header(RETRY_AFTER, HeaderValue::from_static("7")))
        })
    };
    Case::get()
        .step("a", || Probe::at(Stages::RESPONSE))
        .step("b", rejects)
        .run(|seen| {
            seen.refused(429, "PF-3999").upstream_saw(0).passed(&["b:request", "a:response"]);
            assert_eq!(seen.reply.header("retry-after"), "7");
            assert_eq!(seen.reply.header("content-type"), "application/problem+json");
            assert!(seen.reply.text().contains(r#""detail":"slow \"down\"""#));
        })
        .await;
}

#[tokio::test]
async fn a_waiting_step_resumes_with_its_futures_result() {
    let waits = || {
        Probe::at(Stages::REQUEST).on_request(|_| {
            Verdict::wait(async {
                tokio::task::yield_now().await;
                let found = HeaderValue::from_static("found");
                move |call: &mut RequestCall<'_>| {
                    call.head_mut().headers.insert("x-found", found);
                    Verdict::Continue
                }
            })
        })
    };
    let waits_back = || {
        Probe::at(Stages::RESPONSE).on_response(|_| {
            ResponseVerdict::wait(async {
                tokio::task::yield_now().await;
                |call: &mut paifang_pipeline::ResponseCall<'_>| {
                    let name = HeaderName::from_static("x-waited");
                    call.response_mut().headers.insert(name, HeaderValue::from_static("too"));
                    ResponseVerdict::Continue
                }
            })
        })
    };
    Case::post("body")
        .step("a", waits)
        .step("b", waits_back)
        .run(|seen| {
            seen.answered(200, "origin").upstream_saw(1);
            assert_eq!(seen.upstream.last().header("x-found"), Some("found"));
            assert_eq!(seen.upstream.last().text(), "body");
            assert_eq!(seen.reply.header("x-waited"), "too");
        })
        .await;
}

#[tokio::test]
async fn a_step_may_replace_the_response_and_those_above_see_the_new_one() {
    let both = || Probe::at(Stages::RESPONSE.and(Stages::RESPONSE_BODY));
    Case::get()
        .step("above", both)
        .step("replaces", move || {
            both().on_response(|_| ResponseVerdict::Replace(response(202, "instead")))
        })
        .step("below", both)
        .run(|seen| {
            seen.answered(202, "instead").upstream_saw(1).passed(&[
                "below:response",
                "replaces:response",
                "above:response",
                "above:response_body",
            ]);
        })
        .await;
}

#[tokio::test]
async fn when_decides_once_and_leaves_the_step_out_of_every_stage() {
    let case = |method| {
        Case::new(Ask::new(method, "/")).step_with(
            "a",
            "when: { method: [ DELETE ] }",
            Probe::everywhere,
        )
    };
    case("GET").run(|seen| _ = seen.answered(200, "origin").passed(&[])).await;
    case("DELETE").run(|seen| assert_eq!(seen.trace.len(), 6, "{:?}", seen.trace)).await;
}

#[tokio::test]
async fn log_runs_also_for_steps_that_the_walk_did_not_reach() {
    Case::get()
        .step("a", || {
            Probe::at(Stages::REQUEST).on_request(|_| Verdict::Respond(response(403, "no")))
        })
        .step("b", || Probe::at(Stages::LOG))
        .run(|seen| {
            seen.answered(403, "no").passed(&["a:request", "b:log"]);
        })
        .await;
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    Case::new(Ask::new("HEAD", "/"))
        .step("a", || {
            Probe::at(Stages::REQUEST).on_request(|_| Verdict::Respond(response(200, "answer")))
        })
        .run(|seen| {
            seen.answered(200, "");
            assert_eq!(seen.reply.header("content-length"), "6");
        })
        .await;
}
