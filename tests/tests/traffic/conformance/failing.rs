//! Steps that fail, panic, or never come back; upstreams that die.

use super::case::Case;
use paifang_pipeline::{Failure, ResponseVerdict, Stages, Termination, Verdict};
use paifang_tests::harness::{Message, Probe};

const STAGES: [(&str, Stages); 4] = [
    ("request", Stages::REQUEST),
    ("request_body", Stages::REQUEST_BODY),
    ("upstream", Stages::UPSTREAM),
    ("response", Stages::RESPONSE),
];

#[tokio::test]
async fn a_panic_is_handler_failed_at_every_stage() {
    for (name, stage) in STAGES {
        Case::post("x")
            .step("log", || Probe::at(Stages::LOG))
            .step("a", move || Probe::panicking(stage))
            .run(|seen| {
                seen.refused(500, "PF-5000").ended(Termination::Completed);
                assert!(!seen.reply.text().contains("panics"), "the reason is not for clients");
                seen.passed(&[&format!("a:{name}"), "log:log"]);
            })
            .await;
    }
}

#[tokio::test]
async fn a_panic_in_a_response_body_breaks_the_response_off() {
    Case::get()
        .step("log", || Probe::at(Stages::LOG))
        .step("a", || Probe::panicking(Stages::RESPONSE_BODY))
        .run(|seen| {
            assert!(!seen.reply.whole, "{:?}: {:?}", seen.door, seen.reply);
            seen.ended(Termination::HandlerBrokeOff).passed(&["a:response_body", "log:log"]);
        })
        .await;
}

#[tokio::test]
async fn a_panic_in_log_costs_nobody_an_answer() {
    Case::get()
        .step("a", || Probe::panicking(Stages::LOG))
        .step("b", || Probe::at(Stages::LOG))
        .run(|seen| {
            seen.answered(200, "origin").passed(&["a:log", "b:log"]);
        })
        .await;
}

#[tokio::test]
async fn on_failure_open_goes_on_as_if_the_step_were_not_there() {
    for (name, stage) in STAGES.into_iter().chain([("response_body", Stages::RESPONSE_BODY)]) {
        Case::post("x")
            .step_with("a", "on_failure: open", move || Probe::panicking(stage))
            .run(|seen| {
                seen.answered(200, "origin").upstream_saw(1).passed(&[&format!("a:{name}")]);
                assert_eq!(seen.upstream.last().text(), "x");
            })
            .await;
    }
}

#[tokio::test]
async fn unavailable_and_failed_are_told_apart() {
    let fails = |failure: Failure| {
        move || {
            let failure = failure.clone();
            Probe::at(Stages::REQUEST).on_request(move |_| Verdict::Fail(failure.clone()))
        }
    };
    let case = |failure| Case::get().step("a", fails(failure));
    case(Failure::failed("x")).run(|seen| _ = seen.refused(500, "PF-5000")).await;
    case(Failure::unavailable("x")).run(|seen| _ = seen.refused(503, "PF-5001")).await;
}

#[tokio::test]
async fn a_step_that_never_resumes_is_unavailable_when_the_calls_time_is_up() {
    let never = || {
        Probe::at(Stages::REQUEST).on_request(|_| Verdict::Wait(Box::pin(std::future::pending())))
    };
    Case::get()
        .api("timeout: 50ms,")
        .step("log", || Probe::at(Stages::LOG))
        .step("a", never)
        .run(|seen| {
            seen.refused(503, "PF-5001").upstream_saw(0).ended(Termination::Completed);
        })
        .await;
    let never_back = || {
        Probe::at(Stages::RESPONSE)
            .on_response(|_| ResponseVerdict::Wait(Box::pin(std::future::pending())))
    };
    Case::get()
        .api("timeout: 50ms,")
        .step("a", never_back)
        .run(|seen| _ = seen.refused(503, "PF-5001").upstream_saw(1))
        .await;
}

#[tokio::test]
async fn a_gateways_error_passes_the_steps_that_the_request_had_passed() {
    fn nonsense(_: &Message) -> Vec<u8> {
        b"this is no HTTP\r\n\r\n".to_vec()
    }
    Case::get()
        .answers(nonsense)
        .step("a", || Probe::at(Stages::RESPONSE))
        .run(|seen| {
            seen.refused(502, "PF-4005").passed(&["a:response"]);
        })
        .await;
}

#[tokio::test]
async fn an_illegal_head_from_a_step_is_no_way_to_split_messages() {
    // What a step puts into framing fields does not reach the wire; the engine frames.
    let lies = || {
        Probe::at(Stages::REQUEST.and(Stages::RESPONSE))
            .on_request(|call| {
                let headers = &mut call.head_mut().headers;
                headers.insert("transfer-encoding", "chunked".parse().unwrap());
                headers.insert("content-length", "1".parse().unwrap());
                headers.insert("connection", "x-kept".parse().unwrap());
                Verdict::Continue
            })
            .on_response(|call| {
                let headers = &mut call.response_mut().headers;
                headers.insert("transfer-encoding", "chunked".parse().unwrap());
                headers.insert("content-length", "2".parse().unwrap());
                ResponseVerdict::Continue
            })
    };
    Case::post("body")
        .step("a", lies)
        .run(|seen| {
            seen.answered(200, "origin").upstream_saw(1);
            assert_eq!(seen.upstream.last().text(), "body", "{:?}", seen.upstream.last());
        })
        .await;
}

#[tokio::test]
async fn the_upstream_stage_changes_a_fresh_copy_at_every_attempt() {
    fn dies_once(request: &Message) -> Vec<u8> {
        match request.header("x-attempt") {
            Some("1") => b"HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n".to_vec(),
            _ => super::case::origin(request),
        }
    }
    let adds = || {
        Probe::at(Stages::UPSTREAM.and(Stages::LOG)).on_upstream(|call, head| {
            assert!(call.endpoint().is_some());
            head.headers.append("x-attempt", call.attempt().into());
            Ok(())
        })
    };
    Case::get()
        .api("retry: { statuses: [ 503 ] },")
        .answers(dies_once)
        .step("a", adds)
        .run(|seen| {
            seen.answered(200, "origin").upstream_saw(2).passed(&[
                "a:upstream",
                "a:upstream",
                "a:log",
            ]);
            assert_eq!(seen.upstream.request(0).headers("x-attempt"), ["1"]);
            assert_eq!(seen.upstream.request(1).headers("x-attempt"), ["2"]);
            assert_eq!(seen.outcomes[0].attempts, 2);
        })
        .await;
}
