//! What can be seen outside of a host: that configs are read as tests write them, and that verdicts
//! hold what was said.

#![allow(clippy::unwrap_used)]

use crate::{Config, Offline, configure, log, request, response};
use paifang_guest::{
    Call, Edit, Facts, Field, Headers, Outcome, Refusal, RequestVerdict, Response, ResponseVerdict,
};
use serde_json::{Value, json};

fn config(json: Value) -> Config {
    serde_json::from_value(json).unwrap()
}

fn on_request(ops: Value, call: &Call) -> RequestVerdict {
    request::<Offline>(&config(json!({ "request": ops })), call)
}

fn on_response(ops: Value) -> ResponseVerdict {
    let head = Response::new(200);
    response::<Offline>(&config(json!({ "response": ops })), &Call::default(), &head)
}

fn body(verdict: RequestVerdict) -> Value {
    let RequestVerdict::Respond(answer) = verdict else { panic!("{verdict:?}") };
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn the_manifest_is_what_the_config_says() {
    let config = config(json!({
        "reads": {
            "request": { "facts": ["path", "client-ip"], "headers": "all" },
            "log": { "response_headers": ["x-a"], "slots": ["risk"] }
        },
        "writes": { "identity": true, "slots": ["risk"] }
    }));
    let (_, manifest) = configure::<Offline>(config).unwrap();
    let (request, response) = (manifest.request.unwrap(), manifest.response.unwrap());
    assert_eq!(request.facts, Facts::PATH | Facts::CLIENT_IP);
    assert_eq!(request.request_headers, Headers::All);
    assert_eq!(response.request_headers, Headers::None);
    let names = Headers::Named(vec!["x-a".to_owned()]);
    assert_eq!(manifest.log.unwrap().response_headers, names);
    assert!(manifest.writes_identity);
    assert_eq!(manifest.writes_slots, ["risk"]);
}

#[test]
fn configure_finds_wrong_what_it_is_told() {
    let wrong = json!({ "errors": [{ "pointer": "/a", "message": "no", "help": "try b" }] });
    let errors = configure::<Offline>(config(wrong)).err().unwrap();
    assert_eq!((&*errors[0].pointer, errors[0].help.as_deref()), ("/a", Some("try b")));
    let errors = configure::<Offline>(config(json!({ "configure": [{ "fail": "no" }] })));
    assert_eq!(errors.err().unwrap()[0].message, "no");
    let unknown: Result<Config, _> = serde_json::from_value(json!({ "request": ["dance"] }));
    assert!(unknown.is_err());
}

#[test]
fn edits_are_said_in_their_order() {
    let call = Call::default().with_header("x-a", "1");
    let ops = json!([
        { "set": ["x-b", "a\r\nb: c"] }, { "copy": ["x-a", "x-c"] }, { "remove": "x-a" },
        { "set_bytes": ["x-d", "ff00"] }, { "set_many": 2 }, { "path": "/a/../b" },
        { "slot": ["risk", "9"] }, { "identity": { "subject": "bob", "claims": [["r", "1"]] } },
        { "keep_bytes": 3 }
    ]);
    let RequestVerdict::Next(edits) = on_request(ops, &call) else { panic!("no next") };
    let set = |name: &str, value: &[u8]| Edit::Set(Field::new(name, value));
    let expected = [
        set("x-b", b"a\r\nb: c"),
        set("x-c", b"1"),
        Edit::Remove("x-a".to_owned()),
        set("x-d", b"\xff\0"),
        set("x-set-0", b"1"),
        set("x-set-1", b"1"),
    ];
    assert_eq!(edits.headers, expected);
    assert_eq!(edits.path.as_deref(), Some("/a/../b"));
    assert_eq!((&*edits.slots[0].name, edits.identity.unwrap().claim("r")), ("risk", Some("1")));
    assert_eq!(edits.keep, b"xxx");
}

#[test]
fn the_first_decision_counts() {
    let ops = json!([
        { "if": { "header": "x-do", "is": "fail", "then": [{ "fail": "told" }] } },
        { "reject": { "refusal": "too_many_requests" } },
        "panic"
    ]);
    let verdict = on_request(ops.clone(), &Call::default());
    assert!(matches!(verdict, RequestVerdict::Reject(r) if r.refusal == Refusal::TooManyRequests));
    let told = Call::default().with_header("x-do", "fail");
    assert_eq!(on_request(ops, &told), RequestVerdict::Fail("told".to_owned()));
}

#[test]
fn notes_are_told_and_statics_outlive_a_call() {
    let call = Call::default().with_header("x-secret", "s3cret");
    let ops = json!([{ "remember": "x-secret" }, { "hold": 10 }, { "repeat": { "times": 2, "of": [{ "allocate": 1 }] } }, "tell"]);
    assert_eq!(body(on_request(ops.clone(), &call)), json!(["", 10, true, true]));
    let again = body(on_request(ops, &Call::default()));
    assert_eq!(again, json!(["s3cret", 20, true, true]));
}

#[test]
fn an_echo_is_all_that_was_given() {
    let mut call = Call::default().with_header("x-a", &b"\xff"[..]);
    call.path = Some("/p".to_owned());
    call.kept = Some(b"k".to_vec());
    let echo = body(on_request(json!(["echo"]), &call));
    assert_eq!(echo["headers"], json!([["x-a", "\u{fffd}"]]));
    assert_eq!((&echo["path"], &echo["kept"]), (&json!("/p"), &json!("k")));
    assert_eq!((&echo["query"], &echo["stage"]), (&Value::Null, &json!("request")));
}

#[test]
fn responses_take_what_responses_have() {
    let verdict = on_response(json!([{ "status": 99 }, { "keep": "k" }, { "set": ["x", "y"] }]));
    let ResponseVerdict::Next(edits) = verdict else { panic!("{verdict:?}") };
    assert_eq!((edits.status, edits.keep.as_deref()), (Some(99), Some(&b"k"[..])));
    let replaced = on_response(json!([{ "answer": { "status": 700, "bytes": 4 } }]));
    let ResponseVerdict::Replace(answer) = replaced else { panic!("{replaced:?}") };
    assert_eq!((answer.status, answer.body.len()), (700, 4));
    assert!(matches!(on_response(json!([{ "path": "/" }])), ResponseVerdict::Fail(_)));
}

#[test]
#[should_panic(expected = "as it was told")]
fn log_runs_too() {
    let outcome = Outcome {
        status: 200,
        termination: "completed".to_owned(),
        duration_nanos: 1,
        request_bytes: 0,
        response_bytes: 0,
        error_code: None,
        headers: None,
    };
    log::<Offline>(&config(json!({ "log": ["panic"] })), &Call::default(), &outcome);
}
