//! How an answer's media type decides its escaping; what makes no answer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Answer, AnswerParts, Status};
use crate::template::{Texts, Values};
use http::Request;
use paifang_pipeline::{ConfigError, Exchange, Facts, Params, ports::Nanos};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// An answer from JSON; its config stands at `/x`.
fn answer(config: &Value) -> Result<Answer, ConfigError> {
    let headers: BTreeMap<String, Texts> =
        serde_json::from_value(config.get("headers").cloned().unwrap_or(json!({}))).unwrap();
    let status: Status =
        serde_json::from_value(config.get("status").cloned().unwrap_or(json!(200))).unwrap();
    let body = config.get("body").and_then(Value::as_str);
    Answer::new(AnswerParts { status, headers: &headers, body, json: config.get("json") }, "/x")
}

/// The rendered answer's media type and body.
fn render(config: Value) -> (String, String) {
    let (head, ()) = Request::get("/?v=%3C%22").body(()).unwrap().into_parts();
    let facts = Facts::embedded(Nanos(0), Duration::ZERO);
    let call = Exchange::new(head, facts, Params::default());
    let response = answer(&config).unwrap().render(&Values::of(&call)).unwrap();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap());
    (kind.to_owned(), String::from_utf8(response.body().to_vec()).unwrap())
}

#[test]
fn the_media_type_decides_how_values_are_escaped() {
    let body = "{{ query.v }}";
    for (kind, wanted) in [
        ("application/json", "<\\\""),
        ("application/Problem+JSON; charset=utf-8", "<\\\""),
        ("text/html; charset=utf-8", "&lt;&quot;"),
        ("application/xhtml+xml", "&lt;&quot;"),
        ("text/xml", "&lt;&quot;"),
        ("text/csv", "<\""),
    ] {
        let got = render(json!({ "headers": { "Content-Type": kind }, "body": body }));
        assert_eq!(got, (kind.to_owned(), wanted.to_owned()));
    }
    let plain = ("text/plain; charset=utf-8".to_owned(), "<\"".to_owned());
    assert_eq!(render(json!({ "body": body })), plain);
    let json = ("application/json".to_owned(), "[\"<\\\"\"]".to_owned());
    assert_eq!(render(json!({ "json": [body] })), json);
    assert_eq!(render(json!({ "status": 204 })), (String::new(), String::new()));
}

#[test]
fn what_makes_no_answer_is_told_with_its_place() {
    for (config, pointer, message) in [
        (json!({ "body": "a", "json": 1 }), "/x/json", "an answer has one body"),
        (json!({ "status": 204, "body": "" }), "/x/body", "an answer with status 204 has no body"),
        (json!({ "status": 304, "json": {} }), "/x/json", "an answer with status 304 has no body"),
        (
            json!({ "headers": { "Transfer-Encoding": "chunked" } }),
            "/x/headers/Transfer-Encoding",
            "`transfer-encoding` belongs to a connection, not to a message",
        ),
        (
            json!({ "headers": { "x/y": ["a", 1] } }),
            "/x/headers/x~1y/0",
            "`x/y` is no header's name",
        ),
        (
            json!({ "headers": { "x-a": ["a", "{{ b }}"] } }),
            "/x/headers/x-a/1",
            "`b` is nothing that a template knows, at character 4",
        ),
        (
            json!({ "headers": { "content-type": "{{ query.t }}" }, "body": "a" }),
            "/x/headers/content-type",
            "the media type must not depend on the request",
        ),
        (
            json!({ "headers": { "content-type": ["a/b", "c/d"] }, "body": "a" }),
            "/x/headers/content-type",
            "a body has one media type",
        ),
        (
            json!({ "json": { "a": ["{{"] } }),
            "/x/json/a/0",
            "a placeholder without a name, at character 3",
        ),
    ] {
        let error = answer(&config).expect_err(&config.to_string());
        assert_eq!((error.pointer.as_str(), error.message.as_str()), (pointer, message));
    }
}
