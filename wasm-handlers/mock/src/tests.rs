//! What is decided apart from the host: config, which rule matches, which answer it gives.

use crate::{
    config::{Config, Otherwise},
    configure, fill,
    rules::Rules,
};
use paifang_guest::{Answer, Call, Facts, Field, Headers, Refusal, RequestVerdict};
use serde_json::{Value, json};

fn rules(list: Value) -> Rules {
    let config: Config = serde_json::from_value(json!({ "rules": list })).unwrap();
    Rules::new(config).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[track_caller]
fn refused(rule: Value, pointer: &str) {
    let config: Config = serde_json::from_value(json!({ "rules": [rule] })).unwrap();
    let errors = Rules::new(config).unwrap_err();
    let pointers: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
    assert_eq!(pointers, [pointer], "{errors:?}");
}

fn call(method: &str, target: &str) -> Call {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Call { method: Some(method.to_owned()), path: Some(path.to_owned()), query, ..Call::default() }
}

fn answered(rules: &Rules, call: &Call, count: u64) -> RequestVerdict {
    let (rule, captured) = rules.find(call).unwrap();
    fill(rule.answer(count).unwrap(), call, &captured, count)
}

#[track_caller]
fn answer(rules: &Rules, call: &Call, count: u64) -> Answer {
    match answered(rules, call, count) {
        RequestVerdict::Respond(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_rule_whose_conditions_all_hold_matches() {
    let rules = rules(json!([
        { "match": { "method": ["PUT", "POST"], "path": "/a" }, "answer": { "status": 201 } },
        { "match": { "query": { "x": "1 2", "y": true, "z": false } }, "answer": { "status": 202 } },
        { "match": { "headers": { "X-Tier": "gold", "x-y": true, "x-z": false } }, "answer": { "status": 203 } },
        { "match": { "path": "/a" }, "answer": { "status": 205 } },
    ]));
    let header = |value: &str| call("GET", "/").with_header("x-tier", value).with_header("x-y", "");
    let status = |call: &Call| rules.find(call).map(|(rule, _)| rule.answer(1).unwrap().status);
    for (call, expected) in [
        (call("PUT", "/a"), Some(201)),
        (call("POST", "/a?x"), Some(201)),
        (call("post", "/a"), Some(205)),
        (call("GET", "/b?x=1+2&y"), Some(202)),
        (call("GET", "/b?x=0&%78=1%202&y=5"), Some(202)),
        (call("GET", "/b?x=1+2"), None),
        (call("GET", "/b?x=1+2&y&z"), None),
        (call("GET", "/b"), None),
        (header("gold"), Some(203)),
        (header("silver").with_header("X-TIER", "gold"), Some(203)),
        (header("Gold"), None),
        (header("gold").with_header("x-z", ""), None),
        (call("GET", "/").with_header("x-tier", "gold"), None),
    ] {
        assert_eq!(status(&call), expected, "{call:?}");
    }
}

#[test]
fn a_rule_without_conditions_matches_all() {
    let rules = rules(json!([{ "answer": {} }]));
    assert_eq!(answer(&rules, &Call::default(), 1).status, 200);
    assert_eq!(rules.reads().facts, Facts::empty());
    assert_eq!(rules.reads().request_headers, Headers::None);
    assert_eq!(rules.list[0].counter, None);
}

#[test]
fn only_what_is_needed_is_read() {
    let config = json!({ "rules": [
        { "match": { "path": "/{a}", "headers": { "x-a": true } }, "answer": { "body": "{{header.x-b}}" } },
        { "match": { "method": ["GET"] }, "answer": { "body": "{{param.id}}" } },
    ] });
    let (_, manifest) = configure(serde_json::from_value(config).unwrap()).unwrap();
    let reads = manifest.request.unwrap();
    assert_eq!(reads.facts, Facts::PATH | Facts::METHOD | Facts::PARAMS);
    let names = Headers::Named(vec!["x-a".to_owned(), "x-b".to_owned()]);
    assert_eq!(reads.request_headers, names);
    let query = rules(json!([{ "answer": { "headers": { "x-a": "{{query.a}}" } } }]));
    assert_eq!(query.reads().facts, Facts::QUERY);
    let query = rules(json!([{ "match": { "query": { "a": true } }, "answer": {} }]));
    assert_eq!(query.reads().facts, Facts::QUERY);
}

#[test]
fn answers_are_filled_from_the_call() {
    let rules = rules(json!([{
        "match": { "path": "/users/{id}" },
        "answer": {
            "headers": { "Content-Type": "application/json", "X-Id": "{{param.id}}" },
            "body": "{\"id\":\"{{param.id}}\",\"shop\":\"{{param.shop}}\",\"q\":\"{{query.q}}\",\"t\":\"{{header.x-t}}\",\"n\":{{count}}}",
        },
    }]));
    let mut call = call("GET", "/users/j%C3%B6?q=%22a%22+b").with_header("x-t", "5\\6");
    call = call.with_param("shop", "s1");
    let answer = answer(&rules, &call, 3);
    assert_eq!(
        answer.headers,
        [Field::new("content-type", "application/json"), Field::new("x-id", "jö")]
    );
    let body = String::from_utf8(answer.body).unwrap();
    assert_eq!(body, r#"{"id":"jö","shop":"s1","q":"\"a\" b","t":"5\\6","n":3}"#);
    assert_eq!(rules.list[0].counter.as_deref(), Some("count:#0"));
}

#[test]
fn the_rules_own_segment_comes_before_the_apis() {
    let rules =
        rules(json!([{ "match": { "path": "/{id}" }, "answer": { "body": "{{param.id}}" } }]));
    let mut call = call("GET", "/own");
    call = call.with_param("id", "api");
    let answer = answer(&rules, &call, 1);
    assert_eq!(answer.body, b"own");
    assert_eq!(answer.headers, [Field::new("content-type", "text/plain; charset=utf-8")]);
}

#[test]
fn a_sequence_is_walked() {
    let status = |rules: &Rules, count| answer(rules, &call("GET", "/"), count).status;
    let sequence = json!([{ "status": 503 }, { "status": 502 }, {}]);
    let last = rules(json!([{ "name": "flaky", "sequence": sequence }]));
    assert_eq!([1, 2, 3, 4, 9].map(|n| status(&last, n)), [503, 502, 200, 200, 200]);
    assert_eq!(last.list[0].counter.as_deref(), Some("count:flaky"));
    let again = rules(json!([{ "sequence": sequence, "then": "again" }]));
    assert_eq!([1, 2, 3, 4, 9].map(|n| status(&again, n)), [503, 502, 200, 503, 200]);
}

#[test]
fn what_would_break_an_answer_is_refused() {
    let rules = rules(json!([
        { "match": { "path": "/h" }, "answer": { "headers": { "x-q": "{{query.q}}" } } },
        { "answer": { "body": "{{query.q}}{{query.q}}" } },
    ]));
    let refused = |target: &str| match answered(&rules, &call("GET", target), 1) {
        RequestVerdict::Reject(rejection) => Some(rejection.refusal),
        _ => None,
    };
    assert_eq!(refused("/h?q=a%0d%0aset-cookie:x"), Some(Refusal::BadRequest));
    assert_eq!(refused("/h?q=a"), None);
    assert_eq!(refused(&format!("/h?q={}", "a".repeat(8193))), Some(Refusal::BadRequest));
    assert_eq!(refused(&format!("/b?q={}", "a".repeat(1 << 19))), None);
    assert_eq!(refused(&format!("/b?q={}a", "a".repeat(1 << 19))), Some(Refusal::BadRequest));
}

#[test]
fn what_is_wrong_in_a_config_is_pointed_at() {
    refused(json!({}), "/rules/0");
    refused(json!({ "answer": {}, "sequence": [{}] }), "/rules/0");
    refused(json!({ "sequence": [] }), "/rules/0/sequence");
    refused(json!({ "match": { "path": "a" }, "answer": {} }), "/rules/0/match/path");
    refused(json!({ "answer": { "status": 101 } }), "/rules/0/answer/status");
    refused(json!({ "answer": { "status": 204, "body": "a" } }), "/rules/0/answer/body");
    refused(json!({ "sequence": [{}, { "body": "{{x}}" }] }), "/rules/0/sequence/1/body");
    for (name, value) in [
        ("Content-Length", "1"),
        ("x-a", "a\nb"),
        ("x-a", "{{x}}"),
        ("content-type", "{{query.a}}"),
    ] {
        let pointer = format!("/rules/0/answer/headers/{}", name.to_ascii_lowercase());
        refused(json!({ "answer": { "headers": { name: value } } }), &pointer);
    }
    let twice = json!({ "rules": [{ "name": "a", "answer": {} },
                                  { "name": "a", "answer": {} }] });
    let errors = Rules::new(serde_json::from_value(twice).unwrap()).unwrap_err();
    assert_eq!(errors[0].pointer, "/rules/1/name");
    assert!(Rules::new(serde_json::from_value(json!({ "rules": [] })).unwrap()).is_err());
}

#[test]
fn else_is_pass_or_404() {
    let otherwise = |value: Value| {
        let config = json!({ "rules": [], "else": value });
        serde_json::from_value::<Config>(config).map(|config| config.otherwise)
    };
    assert_eq!(otherwise(json!("pass")).unwrap(), Otherwise::Pass);
    assert_eq!(otherwise(json!(404)).unwrap(), Otherwise::NotFound);
    for wrong in [json!("404"), json!(500), json!(true), json!(null)] {
        assert!(otherwise(wrong.clone()).is_err(), "{wrong}");
    }
}
