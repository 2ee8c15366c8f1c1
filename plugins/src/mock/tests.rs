//! `mock` in the engine, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Mock;
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{
    Handler, NoOrigin,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

async fn ask(step: &Arc<dyn Handler>, call: TestCall) -> Reply {
    call.shared_step("mock", step.clone()).run(&TestOrigin::answering(200, "origin")).await
}

fn verdicts(reply: &Reply) -> Vec<&'static str> {
    reply.trace.events.iter().map(|event| event.verdict).collect()
}

#[tokio::test]
async fn the_first_case_that_matches_answers_and_others_go_on() {
    let step = handler(
        &Mock,
        json!({ "cases": [
            { "when": { "method": ["GET"], "query": { "kind": "a" } }, "status": 201, "body": "A {{ query.kind }}" },
            { "when": { "query": { "kind": { "present": true } } }, "json": { "kind": "{{ query.kind }}" } },
        ] }),
    );
    let reply = ask(&step, TestCall::get("/?kind=a")).await;
    assert_eq!((reply.status(), reply.body().as_str()), (201, "A a"));
    let reply = ask(&step, TestCall::get("/?kind=b%22")).await;
    assert_eq!((reply.status(), reply.body().as_str()), (200, r#"{"kind":"b\""}"#));
    assert_eq!(ask(&step, TestCall::get("/")).await.body(), "origin");
}

#[tokio::test]
async fn the_body_is_read_only_where_a_case_depends_on_it() {
    let step = handler(
        &Mock,
        json!({ "cases": [
            { "when": { "path": "/fixed" }, "body": "fixed" },
            { "when": { "path": "/echo" }, "body": "{{ body }}" },
            { "when": { "method": ["POST"] }, "when_body": { "/kind": "gift", "/n/0": 3 }, "body": "gift" },
        ] }),
    );
    let gift = r#"{"kind": "gift", "n": [3, 4]}"#;
    for (call, body, seen) in [
        (TestCall::post("/fixed", gift), "fixed", vec!["respond"]),
        (TestCall::post("/echo", "x"), "x", vec!["need_body", "respond"]),
        (TestCall::post("/", gift), "gift", vec!["need_body", "respond"]),
        (
            TestCall::post("/", r#"{"kind": "gift", "n": ["3"]}"#),
            "origin",
            vec!["need_body", "continue"],
        ),
        (TestCall::post("/", "{no json"), "origin", vec!["need_body", "continue"]),
        (TestCall::get("/"), "origin", vec!["continue"]),
    ] {
        let reply = ask(&step, call).await;
        assert_eq!((reply.body().as_str(), verdicts(&reply)), (body, seen));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_as_long_as_it_is_told_to() {
    let began = tokio::time::Instant::now();
    let step = handler(&Mock, json!({ "cases": [{ "latency": "70ms", "body": "{{ body }}" }] }));
    let reply = ask(&step, TestCall::post("/", "late")).await;
    assert_eq!(
        (reply.body().as_str(), verdicts(&reply)),
        ("late", vec!["need_body", "wait", "respond"])
    );
    // Tokio's timers tick once a millisecond.
    let took = began.elapsed();
    assert!((70..=71).contains(&took.as_millis()), "{took:?}");

    let latency = json!({ "from": "10ms", "to": "20ms" });
    let step = handler(&Mock, json!({ "cases": [{ "latency": latency }] }));
    let mut taken = Vec::new();
    for entropy in 0..50u64 {
        let began = tokio::time::Instant::now();
        let call = TestCall::get("/").facts(|facts| facts.entropy = entropy << 32);
        ask(&step, call).await;
        taken.push(began.elapsed());
    }
    let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
    let within = Duration::from_millis(10)..=Duration::from_millis(21);
    assert!(within.contains(least) && within.contains(most), "{taken:?}");
    assert!(*most - *least > Duration::from_millis(5), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn a_latency_beyond_the_calls_time_fails_the_step() {
    let step = handler(&Mock, json!({ "cases": [{ "latency": "5m" }] }));
    let reply = ask(&step, TestCall::get("/")).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (503, Some("PF-5001")));
}

#[tokio::test]
async fn a_share_takes_its_part_and_each_case_throws_its_own_dice() {
    let share = json!({ "share": "50%" });
    let step = handler(
        &Mock,
        json!({ "cases": [{ "when": share, "body": "one" }, { "when": share, "body": "two" }] }),
    );
    let mut seen = std::collections::BTreeMap::new();
    for n in 0..400u64 {
        let call = TestCall::get("/").facts(|facts| facts.entropy = n);
        *seen.entry(ask(&step, call).await.body()).or_insert(0) += 1;
    }
    // 200, 100 and 100 are expected; the standard deviations are 10, 9 and 9.
    let near = |name: &str, wanted: i32| (seen[name] - wanted).abs() < 50;
    assert!(near("one", 200) && near("two", 100) && near("origin", 100), "{seen:?}");
}

#[tokio::test]
async fn a_sequence_gives_its_answers_in_turn() {
    let step =
        handler(&Mock, json!({ "cases": [{ "sequence": [{ "status": 503 }, { "body": "up" }] }] }));
    for wanted in [503, 200, 503, 200] {
        assert_eq!(ask(&step, TestCall::get("/")).await.status(), wanted);
    }
}

#[tokio::test]
async fn a_case_without_conditions_needs_no_origin() {
    let open = json!({ "cases": [{ "when": { "path": "/a" } }] });
    assert!(!built(&Mock, &open).unwrap().always_answers);
    let closed = json!({ "cases": [{ "when": { "path": "/a" } }, { "body": "else" }] });
    let built = built(&Mock, &closed).unwrap();
    assert!(built.always_answers);
    let reply = TestCall::get("/b").shared_step("mock", built.handler).run(&NoOrigin).await;
    assert_eq!(reply.body(), "else");
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let case = |case: serde_json::Value| json!({ "cases": [case] });
    refuses(
        &Mock,
        &[
            (json!({}), "", "missing field `cases`", ""),
            (
                json!({ "cases": [] }),
                "/cases",
                "a mock without cases answers nothing",
                "at least one",
            ),
            (
                json!({ "cases": vec![json!({ "status": 200 }); 2] }),
                "/cases/1",
                "no call comes to this case",
                "has no conditions",
            ),
            (
                json!({ "cases": vec![json!({ "when": { "path": "/" } }); 257] }),
                "/cases",
                "more than 256 cases in one mock",
                "",
            ),
            (
                case(json!({ "when": { "method": ["G T"] } })),
                "/cases/0/when/method",
                "`G T` is no method",
                "",
            ),
            (
                case(json!({ "when": { "share": "101%" } })),
                "/cases/0/when/share",
                "`101%` is outside 0% to 100%",
                "",
            ),
            (
                case(json!({ "when_body": { "kind": 1 } })),
                "/cases/0/when_body/kind",
                "`kind` is no JSON pointer",
                "as in `/user/name`",
            ),
            (
                case(json!({ "latency": 5 })),
                "/cases/0/latency",
                "invalid type: integer `5`, expected a duration such as `20ms`, or { from: 10ms, to: 50ms }",
                "",
            ),
            (
                case(json!({ "latency": "6m" })),
                "/cases/0/latency",
                "6m is longer than the limit of 5m",
                "",
            ),
            (
                case(json!({ "latency": { "from": "2s", "to": "1s" } })),
                "/cases/0/latency",
                "a range from 2s down to 1s",
                "",
            ),
            (
                case(json!({ "latency": { "from": "2s" } })),
                "/cases/0/latency",
                "missing field `to`",
                "",
            ),
            (
                case(json!({ "latency": { "form": "2s" } })),
                "/cases/0/latency",
                "unknown field `form`, expected `from` or `to`",
                "",
            ),
            (
                case(json!({ "status": 204, "body": "x" })),
                "/cases/0/body",
                "an answer with status 204 has no body",
                "",
            ),
            (
                case(json!({ "status": 201, "sequence": [{}] })),
                "/cases/0/status",
                "`status` beside `sequence`",
                "each answer of the sequence",
            ),
            (
                case(json!({ "sequence": [{}, { "body": "{{" }] })),
                "/cases/0/sequence/1/body",
                "a placeholder without a name, at character 3",
                "",
            ),
        ],
    );
}
