//! Verdicts that no chain may follow: nothing of them reaches anyone, and the next call passes.

use crate::world::{World, count, rows, spec};
use paifang_pipeline::testkit::TestCall;
use serde_json::{Value, json};

fn at_requests() -> Vec<(&'static str, Value)> {
    vec![
        ("a line break", json!([{ "set": ["x-a", "a\r\nx-b: c"] }])),
        ("a line feed", json!([{ "append": ["x-a", "a\nb"] }])),
        ("a zero byte", json!([{ "set_bytes": ["x-a", "00"] }])),
        ("a blank in a name", json!([{ "set": ["x a", "1"] }])),
        ("a line break in a name", json!([{ "set": ["x-a\r\nx-b", "1"] }])),
        ("no name", json!([{ "set": ["", "1"] }])),
        ("a name of no ASCII", json!([{ "set": ["x-ä", "1"] }])),
        ("a pseudo header", json!([{ "set": [":path", "/x"] }])),
        ("connection", json!([{ "set": ["connection", "close"] }])),
        ("its case", json!([{ "set": ["Transfer-Encoding", "chunked"] }])),
        ("a length", json!([{ "append": ["content-length", "3"] }])),
        ("te", json!([{ "append": ["te", "trailers"] }])),
        ("proxy", json!([{ "set": ["proxy-connection", "keep-alive"] }])),
        ("a removed length", json!([{ "remove": "content-length" }])),
        ("a removed nothing", json!([{ "remove": "x a" }])),
        ("a good one and a bad one", json!([{ "set": ["x-a", "1"] }, { "set": ["te", "x"] }])),
        ("a long value", json!([{ "set_long": ["x-a", 70_000] }])),
        ("many headers", json!([{ "set_many": 200 }])),
        ("a relative path", json!([{ "path": "a" }])),
        ("no path", json!([{ "path": "" }])),
        ("dots", json!([{ "path": "/a/../b" }])),
        ("hidden dots", json!([{ "path": "/a/%2E%2E/b" }])),
        ("two slashes", json!([{ "path": "//evil.example/" }])),
        ("a query in a path", json!([{ "path": "/a?b" }])),
        ("a line break in a path", json!([{ "path": "/a\r\nb" }])),
        ("a long path", json!([{ "path": format!("/{}", "a".repeat(70_000)) }])),
        ("a fragment", json!([{ "query": "a#b" }])),
        ("a line break in a query", json!([{ "query": "a\r\nb" }])),
        ("much to keep", json!([{ "keep_bytes": 70_000 }])),
        ("an undeclared slot", json!([{ "slot": ["tier", "gold"] }])),
        ("an undeclared identity", json!([{ "identity": { "subject": "root" } }])),
        ("a body unasked", json!([{ "body": "x" }])),
        ("a status of three", json!([{ "answer": { "status": 99 } }])),
        ("an interim status", json!([{ "answer": { "status": 100 } }])),
        ("an upgrade", json!([{ "answer": { "status": 101 } }])),
        ("a status beyond", json!([{ "answer": { "status": 600 } }])),
        ("a body of nothing", json!([{ "answer": { "status": 204, "body": "x" } }])),
        ("an answer's header", json!([{ "answer": { "headers": [["x-a", "a\nb"]] } }])),
        ("an answer's length", json!([{ "answer": { "headers": [["content-length", "9"]] } }])),
        (
            "a refusal's header",
            json!([{ "reject": { "refusal": "forbidden", "headers": [["connection", "x"]] } }]),
        ),
    ]
}

fn at_responses() -> Vec<(&'static str, Value)> {
    vec![
        ("a line break", json!([{ "set": ["x-a", "a\r\nx-b: c"] }])),
        ("a length", json!([{ "set": ["content-length", "1"] }])),
        ("coding", json!([{ "append": ["transfer-encoding", "chunked"] }])),
        ("a low status", json!([{ "status": 99 }])),
        ("an interim status", json!([{ "status": 103 }])),
        ("a high status", json!([{ "status": 999 }])),
        ("a body unasked", json!([{ "body": "x" }])),
        ("much to keep", json!([{ "keep_bytes": 70_000 }])),
        ("another answer", json!([{ "answer": { "status": 304, "body": "x" } }])),
    ]
}

#[tokio::test]
async fn at_a_request_nobody_above_or_below_sees_it() {
    let world = World::new();
    let all = at_requests();
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for (n, (row, _)) in (1..).zip(&all) {
        let (reply, origin) = step.doing(row).await;
        assert_eq!(reply.error().as_deref(), Some("PF-5000"), "{row}");
        assert_eq!(origin.requests(), 0, "{row}");
        assert!(reply.head().headers.get("x-a").is_none(), "{row}");
        assert!(reply.identity.is_none(), "{row}");
        assert_eq!(count(&step.stats.illegal), n, "{row}");
        step.serves_on().await;
    }
}

#[tokio::test]
async fn at_a_response_the_client_gets_an_error_instead() {
    let world = World::new();
    let all = at_responses();
    let step = world.step("testbed-sync", spec(), &rows("response", &all));
    for (n, (row, _)) in (1..).zip(&all) {
        let (reply, _) = step.doing(row).await;
        assert_eq!(reply.error().as_deref(), Some("PF-5000"), "{row}");
        assert_eq!(reply.status(), 500, "{row}");
        assert!(reply.head().headers.get("x-a").is_none(), "{row}");
        assert_eq!(count(&step.stats.illegal), n, "{row}");
        step.serves_on().await;
    }
}

#[tokio::test]
async fn asking_for_a_body_again_or_without_a_stage_for_it() {
    let world = World::new();
    let need = [("body", json!([{ "need_body": "" }]))];
    for stage in ["request", "response"] {
        let step = world.step("testbed-head-only", spec(), &rows(stage, &need));
        assert_eq!(step.doing("body").await.0.error().as_deref(), Some("PF-5000"), "{stage}");
        step.serves_on().await;
    }
    for stage in ["request_with_body", "response_with_body"] {
        let step = world.step("testbed-body-only", spec(), &rows(stage, &need));
        let call = TestCall::post("/", "text").header("do", "body");
        assert_eq!(step.run(call).await.0.error().as_deref(), Some("PF-5000"), "{stage}");
        step.serves_on().await;
    }
}

#[tokio::test]
async fn long_texts_are_cut() {
    let world = World::new();
    let long = "é".repeat(40_000);
    let all = [
        ("reject", json!([{ "reject": { "refusal": "conflict", "detail": long } }])),
        ("fail", json!([{ "fail": long }])),
        ("log", json!([{ "log_bytes": 1_000_000 }])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    let (reply, _) = step.doing("reject").await;
    assert_eq!(reply.status(), 409);
    assert!(reply.body().contains('é') && reply.body().len() < 4_000, "{}", reply.body().len());
    assert_eq!(step.doing("fail").await.0.error().as_deref(), Some("PF-5000"));
    assert_eq!(step.doing("log").await.0.status(), 200);
}
