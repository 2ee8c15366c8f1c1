//! Config, rules and verdicts; nothing here needs the host.

use crate::{Config, Settings, configure, request, request_with_body, score::score};
use paifang_guest::{Call, Facts, Headers, Refusal, RequestVerdict, next};
use serde_json::{Value, json};

fn settings(config: Value) -> Settings {
    let config: Config = serde_json::from_value(config).unwrap();
    configure(config).unwrap_or_else(|errors| panic!("{errors:?}")).0
}

#[track_caller]
fn refused(config: Value, pointer: &str) {
    let config: Config = serde_json::from_value(config).unwrap();
    let errors = configure(config).unwrap_err();
    let found: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
    assert_eq!(found, [pointer], "{errors:?}");
}

/// Whether one rule holds for a body.
fn holds(pointer: &str, op: &str, value: Value, body: &str) -> bool {
    let rule = json!({ "pointer": pointer, "op": op, "value": value, "points": 1 });
    score(&settings(json!({ "rules": [rule] })).rules, body.as_bytes()).unwrap().points == 1
}

#[test]
fn each_operator_compares_as_it_says() {
    for (op, value, body) in [
        ("eq", json!("a"), r#"{"x":"a"}"#),
        ("eq", json!("a\n"), r#"{"x":"\u0061\n"}"#),
        ("eq", json!(1), r#"{"x":1.0}"#),
        ("eq", json!(true), r#"{"x":true}"#),
        ("eq", json!(null), r#"{"x":null}"#),
        ("gt", json!(10), r#"{"x":11}"#),
        ("gt", json!(10), r#"{"x":10.5}"#),
        ("gt", json!(-2), r#"{"x":-1}"#),
        ("gt", json!(1), r#"{"x":1e300}"#),
        ("lt", json!(0.5), r#"{"x":0.4}"#),
        ("contains", json!("b"), r#"{"x":"abc"}"#),
        ("contains", json!("b"), r#"{"x":["a","b"]}"#),
        ("contains", json!(2), r#"{"x":[{"a":[2]},1,2]}"#),
        ("contains", json!(null), r#"{"x":[null]}"#),
        ("prefix", json!("ab"), r#"{"x":"abc"}"#),
    ] {
        assert!(holds("/x", op, value.clone(), body), "{op} {value} {body}");
    }
    for (op, value, body) in [
        ("eq", json!("a"), r#"{"x":"A"}"#),
        ("eq", json!("1"), r#"{"x":1}"#),
        ("eq", json!(null), r"{}"),
        ("eq", json!("a"), r#"{"x":["a"]}"#),
        ("gt", json!(10), r#"{"x":10}"#),
        ("gt", json!(10), r#"{"x":"11"}"#),
        ("gt", json!(10), r#"{"x":[11]}"#),
        ("lt", json!(10), r#"{"x":10.0}"#),
        ("lt", json!(10), r#"{"y":1}"#),
        ("contains", json!("b"), r#"{"x":["abc"]}"#),
        ("contains", json!("b"), r#"{"x":{"b":"b"}}"#),
        ("contains", json!(2), r#"{"x":[[2],{"a":2}]}"#),
        ("contains", json!(2), r#"{"x":2}"#),
        ("prefix", json!("bc"), r#"{"x":"abc"}"#),
        ("prefix", json!("a"), r#"{"x":["a"]}"#),
    ] {
        assert!(!holds("/x", op, value.clone(), body), "{op} {value} {body}");
    }
}

#[test]
fn a_pointer_names_a_place() {
    for (pointer, body) in [
        ("", "7"),
        ("/a", r#"{"b":1,"a":7}"#),
        ("/a/b/c", r#"{"a":{"x":[],"b":{"c":7}}}"#),
        ("/0", "[7]"),
        ("/a/2/b", r#"{"a":[1,{"b":1},{"b":7}]}"#),
        ("/10", "[0,0,0,0,0,0,0,0,0,0,7]"),
        ("/0", r#"{"0":7}"#),
        ("/", r#"{"":7}"#),
        ("/a~1b~0c~01", r#"{"a/b~c~1":7}"#),
        ("/é", r#"{"\u00e9":7}"#),
    ] {
        assert!(holds(pointer, "eq", json!(7), body), "{pointer} {body}");
    }
    for (pointer, body) in
        [("", "[7]"), ("/00", "[7]"), ("/-", "[7]"), ("/a/b", r#"{"a":7,"b":7}"#), ("/1", "[7]")]
    {
        assert!(!holds(pointer, "eq", json!(7), body), "{pointer} {body}");
    }
}

#[test]
fn a_member_that_is_there_twice_is_held_against_both_times() {
    assert!(holds("/a", "gt", json!(5), r#"{"a":9,"a":1}"#));
    assert!(holds("/a", "gt", json!(5), r#"{"a":1,"a":9}"#));
    let twice = r#"{"a":9,"a":9}"#;
    assert!(holds("/a", "gt", json!(5), twice), "a rule adds its points once");
}

#[test]
fn points_are_added_and_never_below_zero() {
    let rules = settings(json!({ "rules": [
        { "name": "large", "pointer": "/amount", "op": "gt", "value": 1000, "points": 40 },
        { "pointer": "/amount", "op": "gt", "value": 10000, "points": 30 },
        { "name": "known", "pointer": "/known", "op": "eq", "value": true, "points": -50 },
    ] }))
    .rules;
    let scored = |body: &str| {
        let score = score(&rules, body.as_bytes()).unwrap();
        (score.points, score.names.join(" "))
    };
    assert_eq!(scored("{}"), (0, String::new()));
    assert_eq!(scored(r#"{"amount":5000}"#), (40, "large".to_owned()));
    assert_eq!(scored(r#"{"amount":50000}"#), (70, "large /amount".to_owned()));
    assert_eq!(scored(r#"{"amount":50000,"known":true}"#), (20, "large /amount known".to_owned()));
    assert_eq!(scored(r#"{"amount":5000,"known":true}"#), (0, "large known".to_owned()));
}

#[test]
fn what_is_no_json_has_no_score() {
    let rules = settings(json!({ "rules": [
        { "pointer": "/a", "op": "eq", "value": 1, "points": 1 },
    ] }))
    .rules;
    for body in [&b""[..], b" ", b"{", b"{\"a\":1", b"{\"a\":1}x", b"{'a':1}", b"{\"a\":\"\xFF\"}"]
    {
        assert_eq!(score(&rules, body), None, "{body:?}");
    }
    assert!(score(&rules, b" {\"a\" : 1}\r\n").is_some());
}

#[test]
fn a_deep_body_is_only_skipped() {
    let rules = settings(json!({ "rules": [
        { "pointer": "/a/b", "op": "eq", "value": 1, "points": 1 },
    ] }))
    .rules;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(score(&rules, deep.as_bytes()).unwrap().points, 0);
    let below = format!("{{\"x\":{deep},\"a\":{{\"b\":1}}}}");
    assert_eq!(score(&rules, below.as_bytes()).unwrap().points, 1);
}

#[test]
fn a_request_waits_for_its_body_and_goes_on_with_its_score() {
    let settings = settings(json!({
        "rules": [{ "name": "a", "pointer": "/a", "op": "gt", "value": 0, "points": 80 },
                  { "pointer": "/b", "op": "gt", "value": 0, "points": 20 }],
        "threshold": 100,
    }));
    let call = Call::default();
    assert_eq!(request(&settings, &call), RequestVerdict::NeedBody(Vec::new()));
    let verdict = |body: &str| request_with_body(&settings, &call, body.as_bytes().to_vec());
    let scored = next().set_header("x-risk-score", "80").slot("risk.score", "80");
    assert_eq!(verdict(r#"{"a":1}"#), scored.into());
    let RequestVerdict::Reject(rejection) = verdict(r#"{"a":1,"b":1}"#) else { panic!("passed") };
    assert_eq!(rejection.refusal, Refusal::Forbidden);
    assert_eq!(rejection.internal.as_deref(), Some("risk score 100: a, /b"));
    let RequestVerdict::Reject(rejection) = verdict("a=1") else { panic!("passed") };
    assert_eq!(rejection.refusal, Refusal::BadRequest);
}

#[test]
fn what_is_no_json_passes_without_a_score_where_it_may() {
    let rule = json!({ "pointer": "/a", "op": "gt", "value": 0, "points": 80 });
    let settings = settings(json!({ "rules": [rule], "unreadable": "pass" }));
    let verdict = request_with_body(&settings, &Call::default(), b"a=1".to_vec());
    assert_eq!(verdict, next().remove_header("x-risk-score").into());
}

#[test]
fn the_manifest_asks_for_nothing_and_writes_one_slot() {
    let rule = json!({ "pointer": "/a", "op": "gt", "value": 0, "points": 80 });
    let config = serde_json::from_value(json!({ "rules": [rule] })).unwrap();
    let (_, manifest) = configure(config).unwrap();
    assert_eq!(manifest.writes_slots, ["risk.score"]);
    let reads = manifest.request.unwrap();
    assert_eq!(reads.facts, Facts::empty());
    assert_eq!(reads.request_headers, Headers::None);
}

#[test]
fn what_is_wrong_in_a_config_is_pointed_at() {
    let rule = |changes: Value| {
        let mut rule = json!({ "pointer": "/a", "op": "eq", "value": 1, "points": 1 });
        rule.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "rules": [rule] })
    };
    refused(json!({ "rules": [] }), "/rules");
    refused(rule(json!({ "pointer": "a" })), "/rules/0/pointer");
    refused(rule(json!({ "pointer": "/a~2" })), "/rules/0/pointer");
    refused(rule(json!({ "pointer": "/a~" })), "/rules/0/pointer");
    refused(rule(json!({ "pointer": "/a".repeat(33) })), "/rules/0/pointer");
    refused(rule(json!({ "op": "gt", "value": "1" })), "/rules/0/value");
    refused(rule(json!({ "op": "prefix", "value": 1 })), "/rules/0/value");
    refused(rule(json!({ "points": 0 })), "/rules/0/points");
    refused(rule(json!({ "points": 1_000_001 })), "/rules/0/points");
    let mut low = rule(json!({}));
    low["threshold"] = json!(0);
    refused(low, "/threshold");
    let list = serde_json::from_value::<Config>(rule(json!({ "value": [1] })));
    assert!(list.is_err(), "a value is no list");
}
