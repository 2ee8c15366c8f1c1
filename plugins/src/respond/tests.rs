//! `respond` in the engine, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Respond;
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{
    NoOrigin,
    testkit::{TestCall, TestOrigin},
};
use serde_json::json;

#[tokio::test]
async fn it_answers_and_nothing_below_runs() {
    let config = json!({
        "status": 503,
        "headers": { "retry-after": 60, "x-path": "{{ path }}", "set-cookie": ["a=1", "b=2"] },
        "json": { "down": true, "since": "{{ query.since }}" },
    });
    let origin = TestOrigin::answering(200, "origin");
    let reply = TestCall::get("/a?since=%22now%22")
        .shared_step("respond", handler(&Respond, config))
        .run(&origin)
        .await;
    assert_eq!((reply.status(), origin.requests()), (503, 0));
    assert_eq!(reply.header("retry-after"), "60");
    assert_eq!(reply.header("x-path"), "/a");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.head().headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(reply.body(), r#"{"down":true,"since":"\"now\""}"#);
    assert_eq!(reply.outcome.answered_by.as_deref(), Some("respond"));
}

#[tokio::test]
async fn it_asks_for_the_body_only_where_its_answer_needs_it() {
    let echo = handler(&Respond, json!({ "json": { "got": "{{ body./n | json }}" } }));
    let reply =
        TestCall::post("/", r#"{"n": [1]}"#).shared_step("respond", echo).run(&NoOrigin).await;
    assert_eq!(reply.body(), r#"{"got":[1]}"#);
    let verdicts: Vec<_> = reply.trace.events.iter().map(|event| event.verdict).collect();
    assert_eq!(verdicts, ["need_body", "respond"]);

    let fixed = handler(&Respond, json!({}));
    let reply = TestCall::post("/", "unread").shared_step("respond", fixed).run(&NoOrigin).await;
    assert_eq!((reply.status(), reply.body()), (200, String::new()));
    assert_eq!(reply.outcome.request_bytes, 0);
}

#[tokio::test]
async fn a_value_that_would_split_the_head_is_refused() {
    let step = handler(&Respond, json!({ "headers": { "x-echo": "{{ query.v }}" } }));
    let call = TestCall::get("/?v=a%0D%0Aset-cookie:%20b=c");
    let reply = call.shared_step("respond", step).run(&NoOrigin).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (400, Some("PF-5100")));
    let detail = reply.outcome.error_detail.unwrap();
    assert_eq!(detail, "x-echo: the value of `{{ … }}` number 1 holds a control character");
}

#[test]
fn it_always_answers() {
    assert!(built(&Respond, &json!(null)).unwrap().always_answers);
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    refuses(
        &Respond,
        &[
            (
                json!({ "status": 101 }),
                "/status",
                "101 is no status of an answer; those are 200 to 599",
                "",
            ),
            (json!({ "status": "ok" }), "/status", "invalid type: string \"ok\", expected u16", ""),
            (
                json!({ "stauts": 200 }),
                "/stauts",
                "unknown field `stauts`, expected one of `status`, `headers`, `body`, `json`",
                "",
            ),
            (
                json!({ "headers": { "content-length": 5 } }),
                "/headers/content-length",
                "`content-length` belongs to a connection, not to a message",
                "the gateway sets such headers itself",
            ),
            (json!({ "headers": { "x": [] } }), "/headers/x", "an empty list of texts", ""),
            (
                json!({ "headers": { "x": 1.5 } }),
                "/headers/x",
                "invalid type: floating point `1.5`, expected a text or a list of texts",
                "",
            ),
            (
                json!({ "body": "{{ nope }}" }),
                "/body",
                "`nope` is nothing that a template knows, at character 4",
                "known are `method`",
            ),
        ],
    );
}
