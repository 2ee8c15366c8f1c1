//! The step in the engine: what passes, what is refused and with which words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Validate;
use crate::testing::{built, handler, refuses};
use http::Method;
use paifang_pipeline::testkit::{Reply, TestCall, TestOrigin};
use serde_json::{Value, json};

async fn ask(config: &Value, call: TestCall) -> (Reply, usize) {
    let origin = TestOrigin::answering(200, "ok");
    let call = call.shared_step("validate", handler(&Validate::default(), config.clone()));
    (call.run(&origin).await, origin.requests())
}

/// Status, and where and how the request does not conform.
async fn told(config: &Value, call: TestCall) -> (u16, Vec<String>) {
    let (reply, requests) = ask(config, call).await;
    assert_eq!(requests, usize::from(reply.status() == 200), "refused, and yet upstream");
    let problem: Value = serde_json::from_str(&reply.body()).unwrap_or_default();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let text = |error: &Value| {
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", part("in"), part("pointer"), part("detail"))
    };
    (reply.status(), errors.iter().map(text).collect())
}

fn post(body: &str) -> TestCall {
    TestCall::post("/orders", body.to_owned()).header("content-type", "application/json")
}

#[tokio::test]
async fn a_body_is_held_against_its_schema() {
    let config = json!({ "body": {
        "type": "object", "required": ["item"], "additionalProperties": false,
        "properties": {
            "item": { "type": "string", "maxLength": 5, "pattern": "^[a-z]+$" },
            "count": { "type": "integer", "minimum": 1 },
            "at": { "type": "string", "format": "date-time" }
        }
    } });
    let ok = (200, Vec::new());
    assert_eq!(told(&config, post(r#"{"item":"arch","count":2}"#)).await, ok);
    for (body, wanted) in [
        (r#"{"item":"arch","count":0}"#, vec!["body /count: must be at least 1"]),
        (
            r#"{"item":"Secret7"}"#,
            vec!["body /item: must have at most 5 characters", "body /item: must match `^[a-z]+$`"],
        ),
        (r#"{}"#, vec!["body : must have `item`"]),
        (r#"{"item":"a","x":1}"#, vec!["body : has 1 property that it may not have"]),
        (r#"{"item":"a","at":"yesterday"}"#, vec!["body /at: must be a `date-time`"]),
        (r#"[]"#, vec!["body : must be object"]),
        (
            r#"{"item":"a","item":"b"}"#,
            vec!["body : a name stands twice in an object, at line 1 column 23"],
        ),
        ("", vec!["body : is missing"]),
    ] {
        let (status, mut faults) = told(&config, post(body)).await;
        faults.sort();
        assert_eq!(
            (status, faults),
            (400, wanted.iter().map(|&text| text.to_owned()).collect()),
            "{body}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(told(&config, post(&deep)).await.0, 400);
    for (name, value) in [("content-type", "text/plain"), ("x", "y")] {
        let call = TestCall::post("/", "{}").header(name, value);
        assert_eq!(told(&config, call).await.0, 415, "{name}");
    }
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ] {
        let twice = post("{}").header(name, value);
        assert_eq!(told(&config, twice).await.0, 415, "{name}");
    }
    for media in [
        "application/json; charset=utf-16",
        "application/json;x=y; charset=\"UTF-7\"",
        "application/json, text/plain",
        "application/json, application/x+json",
        "application",
        "*/*",
        "",
    ] {
        let call = TestCall::post("/", r#"{"item":"a"}"#).header("content-type", media);
        assert_eq!(told(&config, call).await.0, 415, "{media}");
    }
    let media = "Application/Vnd.Shop+JSON ; Charset=\"UTF-8\"";
    let call = TestCall::post("/", r#"{"item":"a"}"#).header("content-type", media);
    assert_eq!(told(&config, call).await, ok);
    let mut few = config.clone();
    few["max_values"] = json!(2);
    assert_eq!(
        told(&few, post(r#"{"item":"a","count":1}"#)).await,
        (400, vec!["body : it has too many values, at line 1 column 20".to_owned()])
    );
    let mut reports = config.clone();
    reports["report_only"] = json!(true);
    assert_eq!(told(&reports, post("{}")).await, ok);
}

#[tokio::test]
async fn parameters_are_held_against_schemas() {
    let config = json!({
        "query": {
            "properties": { "page": { "type": "integer", "maximum": 9 }, "tag": { "type": "array", "items": { "type": "string" }, "maxItems": 2 } },
            "required": ["page"], "additionalProperties": false
        },
        "headers": { "properties": { "x-shop": { "enum": ["north", "south"] } } }
    });
    let get = |target: &str| TestCall::get(target);
    assert_eq!(told(&config, get("/?page=3&tag=a&tag=b").header("x-shop", "north")).await.0, 200);
    for (call, wanted) in [
        (get("/"), "query : must have `page`"),
        (get("/?page=x"), "query /page: must be integer"),
        (get("/?page=10"), "query /page: must be at most 9"),
        (get("/?page=1&page=2"), "query /page: stands there more than once"),
        (get("/?page=1&tag=a&tag=b&tag=c"), "query /tag: must have at most 2 items"),
        (get("/?page=1&other=2"), "query : has 1 property that it may not have"),
        (get("/?page=%ff"), "query /page: is no text in UTF-8"),
        (
            get("/?page=1").header("x-shop", "east"),
            "header /x-shop: must be one of [\"north\",\"south\"]",
        ),
    ] {
        assert_eq!(told(&config, call).await, (400, vec![wanted.to_owned()]));
    }
}

fn description(version: &str) -> Value {
    json!({
        "openapi": version,
        "paths": {
            "/orders/{id}": {
                "parameters": [{ "$ref": "#/components/parameters/Id" }],
                "get": { "operationId": "getOrder", "parameters": [
                    { "name": "fields", "in": "query", "explode": false,
                      "schema": { "type": "array", "items": { "enum": ["a", "b"] } } },
                    { "name": "X-Trace", "in": "header", "required": true, "schema": { "type": "string", "minLength": 3 } }
                ] },
                "put": { "operationId": "putOrder", "requestBody": { "required": true, "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Order" } },
                    "application/x-www-form-urlencoded": { "schema": { "$ref": "#/components/schemas/Order" } }
                } } }
            },
            "/orders/latest": { "get": { "operationId": "latest" } }
        },
        "components": {
            "parameters": { "Id": { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } },
            "schemas": { "Order": {
                "type": "object", "required": ["count", "made"],
                "properties": {
                    "count": { "type": "integer", "minimum": 1 },
                    "made": { "type": "string", "readOnly": true },
                    "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Order" } }
                }
            } }
        }
    })
}

#[tokio::test]
async fn operations_of_a_description_are_found_and_held_to() {
    for version in ["3.0.3", "3.1.0"] {
        let config = json!({ "openapi": { "document": description(version), "base_path": "/v1" } });
        let get = |target: &str| TestCall::get(target).header("x-trace", "abc");
        let put = |body: &str, media: &str| {
            let call = TestCall::new(Method::PUT, "/v1/orders/7");
            call.frames([paifang_pipeline::Frame::last(body.to_owned().into())])
                .header("content-type", media)
        };
        let json_media = "application/json; charset=utf-8";
        let form = "application/x-www-form-urlencoded";
        for (call, wanted) in [
            (get("/v1/orders/7?fields=a,b"), (200, vec![])),
            (get("/v1/orders/latest"), (200, vec![])),
            (get("/v1/orders/x"), (400, vec!["path /id: must be integer"])),
            (
                get("/v1/orders/7?fields=a,c"),
                (400, vec!["query /fields/1: must be one of [\"a\",\"b\"]"]),
            ),
            (TestCall::get("/v1/orders/7"), (400, vec!["header /x-trace: is missing"])),
            (TestCall::new(Method::HEAD, "/v1/orders/7").header("x-trace", "abc"), (200, vec![])),
            (TestCall::new(Method::HEAD, "/v1/orders/7"), (400, vec![])),
            (
                TestCall::new(Method::GET, "/v1/orders/latest")
                    .frames([paifang_pipeline::Frame::last("{}".to_owned().into())]),
                (400, vec!["body : must not be there"]),
            ),
            (get("/v1/others"), (404, vec![])),
            (get("/orders/7"), (404, vec![])),
            (put(r#"{"count":1,"parts":[{"count":2}]}"#, json_media), (200, vec![])),
            (
                put(r#"{"count":1,"parts":[{"count":0}]}"#, json_media),
                (400, vec!["body /parts/0/count: must be at least 1"]),
            ),
            (put("count=3", form), (200, vec![])),
            (put("count=x", form), (400, vec!["body /count: must be integer"])),
            (
                put("count=1&count=2", form),
                (400, vec!["body : a field of the form stands there more than once"]),
            ),
            (put("<x/>", "application/xml"), (415, vec![])),
        ] {
            let wanted = (wanted.0, wanted.1.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(told(&config, call).await, wanted, "{version}");
        }
    }
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    refuses(
        &Validate::default(),
        &[
            (
                json!({}),
                "",
                "there is nothing to hold requests against",
                "OpenAPI".to_ascii_lowercase().as_str(),
            ),
            (json!({ "body": {}, "max_errors": 0 }), "/max_errors", "0 is outside 1 to 100", ""),
            (
                json!({ "openapi": { "document": {} } }),
                "/openapi/document",
                "this is no OpenAPI 3.0 or 3.1",
                "include",
            ),
            (
                json!({ "openapi": { "document": description("3.1.0"), "operation": "x" } }),
                "/openapi/operation",
                "there is no operation `x`",
                "",
            ),
        ],
    );
    for (schema, wanted) in [
        (json!({ "type": "strin" }), "strin"),
        (json!({ "minimum": "1" }), "number"),
        (json!({ "$ref": "#/$defs/none" }), "leads nowhere"),
        (json!({ "$ref": "#name" }), "no reference by JSON pointer"),
        (json!({ "$dynamicRef": "#/x" }), "not known here"),
    ] {
        let Err(error) = built(&Validate::default(), &json!({ "body": schema })) else {
            panic!("{schema} was taken");
        };
        assert!(error.message.contains(wanted), "{error:?}");
    }
    let operation = |operation: Value| {
        let document = json!({ "openapi": "3.1.0", "paths": { "/": { "post": operation } } });
        let config = json!({ "openapi": { "document": document } });
        built(&Validate::default(), &config).err().map(|error| error.message).unwrap_or_default()
    };
    let takes = |content: Value| operation(json!({ "requestBody": { "content": content } }));
    let asks = |parameter: Value| operation(json!({ "parameters": [parameter] }));
    let object = json!({ "type": "object" });
    for (message, wanted) in [
        (takes(json!({ "text/xml": { "schema": object } })), "cannot be held against a schema"),
        (takes(json!({ "*/*": { "schema": object } })), "cannot be held against a schema"),
        (takes(json!({ "image/png": { "schema": { "type": "string", "format": "binary" } } })), ""),
        (
            takes(json!({ "application/json": {}, "application/json; v=1": {} })),
            "has been described already",
        ),
        (
            takes(
                json!({ "application/x-www-form-urlencoded": { "schema": { "properties": { "a": object } } } }),
            ),
            "is an object, which no text can be",
        ),
        (
            takes(json!({ "application/x-www-form-urlencoded": { "schema": {}, "encoding": {} } })),
            "`encoding` is not known here",
        ),
        (asks(json!({ "name": "a", "in": "query", "style": "deepObject", "schema": {} })), "style"),
        (asks(json!({ "name": "a", "in": "query", "schema": object })), "no parameter here"),
        (
            asks(json!({ "name": "a", "in": "cookie", "schema": { "type": "array" } })),
            "a list is no cookie",
        ),
    ] {
        assert!(message.contains(wanted) && wanted.is_empty() == message.is_empty(), "{message}");
    }
    let Err(error) = built(&Validate::default(), &json!({ "body": { "pattern": "(?=a)" } })) else {
        panic!("a pattern that looks ahead was taken");
    };
    assert!(error.pointer.starts_with("/body"), "{error:?}");
    let Err(error) =
        built(&Validate::default(), &json!({ "body": { "$ref": "http://a.example/x.json" } }))
    else {
        panic!("a document elsewhere was taken");
    };
    assert!(error.message.contains("is not under `documents`"), "{error:?}");
}
