//! `headers` in the engine, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Headers;
use crate::testing::{built, handler, refuses};
use http::HeaderMap;
use paifang_pipeline::{
    Frame, OriginEvent, Stages,
    testkit::{Reply, Script, TestCall, TestOrigin},
};
use serde_json::{Value, json};

/// An origin that answers with these headers.
fn origin(headers: &[(&'static str, &'static str)]) -> TestOrigin {
    let mut head = TestOrigin::head(200);
    for (name, value) in headers {
        head.headers.append(*name, value.parse().unwrap());
    }
    let end = OriginEvent::Frame(Frame::last("ok".into()));
    TestOrigin::scripted([Script::AfterBody(vec![Ok(OriginEvent::Head(head, false)), Ok(end)])])
}

async fn run(config: Value, call: TestCall, origin: &TestOrigin) -> Reply {
    call.shared_step("headers", handler(&Headers, config)).run(origin).await
}

/// Names and values, sorted.
fn sorted(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut all: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    all.sort();
    all
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn changes_are_made_in_their_order() {
    let changes = json!({
        "remove": ["x-gone", "X-Internal-*"],
        "rename": { "x-old": "x-new" },
        "set": { "x-set": "{{ path }}" },
        "add": { "x-add": ["1", 2], "x-set": "again" },
        "default": { "x-there": "no", "x-missing": "yes", "x-gone": "back" },
    });
    let sent = [
        ("x-gone", "a"),
        ("x-internal-a", "a"),
        ("x-internal-b", "b"),
        ("x-new", "lost"),
        ("x-old", "1"),
        ("x-old", "2"),
        ("x-set", "before"),
        ("x-add", "0"),
        ("x-there", "kept"),
    ];
    let wanted = pairs(&[
        ("x-add", "0"),
        ("x-add", "1"),
        ("x-add", "2"),
        ("x-gone", "back"),
        ("x-missing", "yes"),
        ("x-new", "1"),
        ("x-new", "2"),
        ("x-set", "/p"),
        ("x-set", "again"),
        ("x-there", "kept"),
    ]);
    let up = origin(&[]);
    let call =
        sent.iter().fold(TestCall::get("/p"), |call, (name, value)| call.header(name, value));
    run(json!({ "request": changes.clone() }), call, &up).await;
    assert_eq!(sorted(&up.request(0).head.headers), wanted);

    let reply = run(json!({ "response": changes }), TestCall::get("/p"), &origin(&sent)).await;
    assert_eq!(sorted(&reply.head().headers), wanted);
}

#[tokio::test]
async fn a_value_sees_what_changed_before_it() {
    let up = origin(&[]);
    let config = json!({ "request": {
        "rename": { "x-user": "x-caller" },
        "set": { "x-a": "{{ header.x-caller }}", "x-b": "{{ header.x-a }}!" },
    } });
    run(config, TestCall::get("/").header("x-user", "eve"), &up).await;
    let wanted = pairs(&[("x-a", "eve"), ("x-b", "eve!"), ("x-caller", "eve")]);
    assert_eq!(sorted(&up.request(0).head.headers), wanted);
}

#[tokio::test]
async fn a_value_that_would_split_a_head_is_refused_on_either_way() {
    let hostile = || TestCall::get("/?v=a%0D%0Ab:%20c");
    let set = json!({ "set": { "x-a": "{{ query.v }}" } });
    let up = origin(&[]);
    let reply = run(json!({ "request": set.clone() }), hostile(), &up).await;
    assert_eq!((reply.error().as_deref(), up.requests()), (Some("PF-5100"), 0));
    let reply = run(json!({ "response": set.clone() }), hostile(), &up).await;
    assert_eq!((reply.error().as_deref(), reply.header("x-a")), (Some("PF-5000"), ""));
    let long = TestCall::get(&format!("/?v={}", "a".repeat(9000)));
    let reply = run(json!({ "request": set }), long, &up).await;
    assert_eq!(reply.error().as_deref(), Some("PF-5101"));
}

#[tokio::test]
async fn error_answers_get_the_response_changes_too() {
    let config = json!({ "response": { "set": { "x-frame-options": "DENY" } } });
    let reply = TestCall::get("/")
        .shared_step("headers", handler(&Headers, config))
        .run(&paifang_pipeline::NoOrigin)
        .await;
    assert_eq!((reply.status(), reply.header("x-frame-options")), (502, "DENY"));
}

#[test]
fn it_runs_only_at_the_stages_that_it_changes() {
    let set = json!({ "set": { "x-a": "b" } });
    for (config, wanted) in [
        (json!({ "request": set }), Stages::REQUEST),
        (json!({ "response": set }), Stages::RESPONSE),
        (json!({ "request": set, "response": set }), Stages::REQUEST.and(Stages::RESPONSE)),
    ] {
        assert_eq!(built(&Headers, &config).unwrap().handler.stages(), wanted);
    }
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let request = |changes: Value| json!({ "request": changes });
    let managed = |name: &str| format!("`{name}` belongs to a connection, not to a message");
    refuses(
        &Headers,
        &[
            (json!({}), "", "no header is changed", "x-frame-options"),
            (request(json!({ "set": {} })), "", "no header is changed", "x-frame-options"),
            (
                json!({ "requests": {} }),
                "/requests",
                "unknown field `requests`, expected `request` or `response`",
                "",
            ),
            (
                request(json!({ "set": { "Host": "a" } })),
                "/request/set/Host",
                "the host is more than a header",
                "rewrite: { host: … }",
            ),
            (
                request(json!({ "remove": ["a", "host"] })),
                "/request/remove/1",
                "the host is more than a header",
                "rewrite",
            ),
            (
                request(json!({ "rename": { "x-a": "TE" } })),
                "/request/rename/x-a",
                &managed("te"),
                "sets such headers itself",
            ),
            (
                request(json!({ "rename": { "upgrade": "x-a" } })),
                "/request/rename/upgrade",
                &managed("upgrade"),
                "sets such headers itself",
            ),
            (
                request(json!({ "add": { "Connection": ["a"] } })),
                "/request/add/Connection",
                &managed("connection"),
                "sets such headers itself",
            ),
            (
                request(json!({ "default": { "keep-alive": "a" } })),
                "/request/default/keep-alive",
                &managed("keep-alive"),
                "sets such headers itself",
            ),
            (
                request(json!({ "set": { "proxy-anything": "a" } })),
                "/request/set/proxy-anything",
                &managed("proxy-anything"),
                "sets such headers itself",
            ),
            (
                json!({ "response": { "set": { "transfer-encoding": "a" } } }),
                "/response/set/transfer-encoding",
                &managed("transfer-encoding"),
                "sets such headers itself",
            ),
            (
                request(json!({ "remove": ["*"] })),
                "/request/remove/0",
                "`*` is no prefix of header names",
                "at least to the first dash",
            ),
            (
                request(json!({ "remove": ["content-*"] })),
                "/request/remove/0",
                "`content-*` takes headers that belong to a connection",
                "one by one",
            ),
            (
                request(json!({ "remove": ["proxy-a*"] })),
                "/request/remove/0",
                "`proxy-a*` takes headers that belong to a connection",
                "one by one",
            ),
            (
                request(json!({ "remove": ["x y"] })),
                "/request/remove/0",
                "`x y` is no header's name",
                "",
            ),
            (
                request(json!({ "set": { "x-a": "a\nb" } })),
                "/request/set/x-a",
                "a header's value holds no control characters, at character 2",
                "",
            ),
            (
                request(json!({ "set": { "x-a": "{{ body }}" } })),
                "/request/set/x-a",
                "the request's body cannot be read here, at character 4",
                "",
            ),
        ],
    );
}
