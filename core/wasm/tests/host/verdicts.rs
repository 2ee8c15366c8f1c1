//! What a handler says of a request, and what the chain makes of it.

use crate::world::{World, rows, spec};
use http::Method;
use paifang_pipeline::testkit::TestCall;
use serde_json::{Value, json};

#[tokio::test]
async fn next_with_edits_is_what_the_upstream_sees() {
    let world = World::new();
    let all = [
        (
            "edit",
            json!([
                { "set": ["x-a", "new"] }, { "append": ["x-b", "more"] }, { "remove": "x-c" },
                { "path": "/other" }, { "query": "q=1" },
            ]),
        ),
        ("path", json!([{ "path": "/p" }])),
        ("no query", json!([{ "query": "" }])),
        ("bytes", json!([{ "set_bytes": ["x-a", "fffe"] }])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    let call = TestCall::get("/a/b?c=d")
        .header("do", "edit")
        .header("x-a", "old")
        .header("x-a", "older")
        .header("x-b", "old")
        .header("x-c", "old");
    let (reply, origin) = step.run(call).await;
    assert_eq!((reply.status(), reply.body()), (200, "up".to_owned()));
    let head = origin.request(0).head;
    let values = |name: &str| -> Vec<_> {
        head.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    };
    assert_eq!(values("x-a"), ["new"]);
    assert_eq!(values("x-b"), ["old", "more"]);
    assert!(values("x-c").is_empty());
    assert_eq!(head.uri, "/other?q=1");

    let seen = |row| {
        let step = &step;
        async move { step.doing(row).await.1.request(0).head }
    };
    assert_eq!(seen("path").await.uri, "/p?c=d");
    assert_eq!(seen("no query").await.uri, "/a/b");
    assert_eq!(seen("bytes").await.headers["x-a"].as_bytes(), b"\xff\xfe");
    assert_eq!(seen("nothing").await.uri, "/a/b?c=d");
}

#[tokio::test]
async fn an_answer_ends_the_call() {
    let world = World::new();
    let answer = json!([{ "answer": {
        "status": 418, "headers": [["x-a", "1"], ["x-a", "2"]], "body": "short",
    } }]);
    let all = [("answer", answer), ("empty", json!([{ "answer": { "status": 204 } }]))];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    let (reply, origin) = step.doing("answer").await;
    assert_eq!((reply.status(), reply.body(), origin.requests()), (418, "short".to_owned(), 0));
    assert_eq!(reply.head().headers.get_all("x-a").iter().count(), 2);
    assert_eq!(reply.error(), None);
    assert_eq!(step.doing("empty").await.0.status(), 204);
}

#[tokio::test]
async fn each_refusal_has_its_row() {
    let refusals = [
        ("bad_request", 400, "PF-6000"),
        ("unauthenticated", 401, "PF-6001"),
        ("forbidden", 403, "PF-6002"),
        ("not_found", 404, "PF-6003"),
        ("conflict", 409, "PF-6004"),
        ("unprocessable", 422, "PF-6005"),
        ("too_many_requests", 429, "PF-6006"),
        ("unavailable", 503, "PF-6007"),
    ];
    let all: Vec<(&str, Value)> = refusals
        .iter()
        .map(|(refusal, ..)| {
            let said = json!({
                "refusal": refusal, "detail": "so it is", "internal": "a secret",
                "headers": [["retry-after", "7"]],
            });
            (*refusal, json!([{ "reject": said }]))
        })
        .collect();
    let world = World::new();
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for (refusal, status, code) in refusals {
        let (reply, origin) = step.doing(refusal).await;
        assert_eq!((reply.status(), reply.error().as_deref()), (status, Some(code)), "{refusal}");
        assert!(reply.body().contains("so it is") && reply.body().contains(code), "{refusal}");
        assert!(!reply.body().contains("a secret"), "{refusal}");
        assert_eq!(reply.header("retry-after"), "7", "{refusal}");
        assert_eq!(origin.requests(), 0, "{refusal}");
    }
}

#[tokio::test]
async fn only_what_the_manifest_asks_for_is_given() {
    let world = World::new();
    let all = json!({
        "reads": { "request": { "facts": ["all"], "headers": "all" } }, "request": ["echo"],
    });
    let some = json!({
        "reads": { "request": { "facts": ["path", "params"], "headers": ["x-b"] } },
        "request": ["echo"],
    });
    let call = || {
        TestCall::new(Method::PUT, "/users/42?a=b%20c")
            .header("x-a", "1")
            .header("x-b", "2")
            .header("x-b", "3")
            .param("id", "42")
            .facts(|facts| facts.client_ip = "192.0.2.7".parse().unwrap())
    };
    let told = |config| {
        let world = &world;
        async move {
            let step = world.step("testbed-sync", spec(), &config);
            serde_json::from_str::<Value>(&step.run(call()).await.0.body()).unwrap()
        }
    };
    let given = told(all).await;
    for (key, value) in [
        ("stage", json!("request")),
        ("method", json!("PUT")),
        ("path", json!("/users/42")),
        ("query", json!("a=b%20c")),
        ("host", json!("api.test")),
        ("client_ip", json!("192.0.2.7")),
        ("api", json!("test")),
        ("identity", Value::Null),
        ("headers", json!([["x-a", "1"], ["x-b", "2"], ["x-b", "3"]])),
        ("kept", json!("")),
    ] {
        assert_eq!(given[key], value, "{key}");
    }
    assert!(given["params"].to_string().contains("42"), "{given}");

    let given = told(some).await;
    assert_eq!(given["path"], "/users/42");
    assert_eq!(given["headers"], json!([["x-b", "2"], ["x-b", "3"]]));
    for key in ["method", "query", "host", "client_ip", "api", "app", "request_id"] {
        assert_eq!(given[key], Value::Null, "{key}");
    }
}

#[tokio::test]
async fn without_a_manifest_it_is_given_what_needs_no_grant() {
    let world = World::new();
    let step = world.step("testbed-bare", spec(), &Value::Null);
    let (reply, origin) = step.run(TestCall::get("/p?q").header("x-a", "1")).await;
    assert_eq!(reply.status(), 200);
    let head = origin.request(0).head;
    assert_eq!(
        (&head.headers["x-path"], &head.headers["x-fields"]),
        (&"/p".parse().unwrap(), &"1".parse().unwrap())
    );
}
