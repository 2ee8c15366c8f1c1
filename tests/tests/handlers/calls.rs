//! What handlers are given and may say.

use crate::support::{config, module};
use paifang_tests::harness::{Server, Setup};

#[tokio::test]
async fn a_token_is_looked_up_at_an_upstream_and_then_remembered() {
    let idp = Server::start(|_, mut client| async move {
        // One question: the second call is answered from what is remembered.
        let question = client.request().await.unwrap();
        assert_eq!((question.method(), question.target()), ("GET", "/sessions/tok-1"));
        let body = r#"{"active":true,"sub":"alice","exp":4102444800}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        client.send(answer).await;
        assert!(client.request().await.is_none(), "asked again");
    })
    .await;
    let yaml = config(
        "  session: { file: auth.wasm, grants: [ clock, kv, crypto, identity, { http: [ idp ] } ] }",
        &format!(
            "upstreams:\n  idp: {{ endpoints: [ {{ address: \"{}\" }} ] }}\n\
             apis:\n  - id: a\n    match: {{ path: / }}\n    handlers:\n      \
             - session: {{ upstream: idp, path: \"/sessions/{{token}}\" }}\n      \
             - respond: {{ body: \"in\" }}\n",
            idp.address
        ),
    );
    let running = Setup::new(yaml).file("auth.wasm", module("auth")).start().await;
    let mut client = running.connect().await;
    for _ in 0..2 {
        let head = "GET / HTTP/1.1\r\nhost: a.example\r\nauthorization: Bearer tok-1\r\n\r\n";
        let answer = client.ask(head).await;
        assert_eq!((answer.status(), answer.text()), (200, "in"), "{answer:?}");
    }
    let answer = client.get("/").await;
    assert_eq!((answer.status(), &*answer.code()), (401, "PF-6001"));
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    running.stop().await;
}

#[tokio::test]
async fn what_a_handler_reads_is_what_the_call_is() {
    let yaml = config(
        "  bed: { file: bed.wasm, grants: [ log, clock, random, kv, crypto, metrics, slots, identity ] }",
        "apis:\n  - id: orders\n    match: { path: \"/v1/orders/{id}\", method: POST }\n    handlers:\n      \
         - bed:\n          reads: { request: { facts: [ method, path, query, host, api, params ], headers: [ x-a ] } }\n          \
         request: [ echo ]\n      - respond: {}\n",
    );
    let running = Setup::new(yaml).file("bed.wasm", module("testbed-sync")).start().await;
    let mut client = running.connect().await;
    let head = "POST /v1/orders/7?b=1 HTTP/1.1\r\nhost: Shop.Example\r\nx-a: one\r\nx-a: two\r\nx-b: no\r\ncontent-length: 0\r\n\r\n";
    let answer = client.ask(head).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let given: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let call = given.get("call").unwrap_or(&given);
    assert_eq!(call["method"], "POST", "{given}");
    assert_eq!(call["path"], "/v1/orders/7");
    assert_eq!(call["query"], "b=1");
    assert_eq!(call["host"], "shop.example");
    assert_eq!(call["api"], "orders");
    assert!(!answer.text().contains("x-b"), "{given}");
    running.stop().await;
}
