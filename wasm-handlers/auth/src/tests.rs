//! What is decided apart from the host: config, answers, what is remembered, the question.

use crate::{
    config::{Claims, Config, Place, Settings, Times},
    configure, question,
    session::{Answer, Known, Session, Stored, read},
};
use paifang_guest::{Field, Headers};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: u64 = 1_767_225_600;
const TIMES: Times = Times { positive: 300, negative: 10, stale: 600 };

fn settings(config: Value) -> Settings {
    serde_json::from_value::<Config>(config).unwrap().settings().unwrap()
}

#[track_caller]
fn refused(config: Value, pointer: &str) {
    let error = serde_json::from_value::<Config>(config).unwrap().settings().unwrap_err();
    assert_eq!(error.pointer, pointer, "{}", error.message);
}

fn claims() -> Claims {
    Claims {
        subject: "sub".to_owned(),
        app: Some("client_id".to_owned()),
        others: vec!["scope".to_owned(), "level".to_owned()],
    }
}

fn session() -> Session {
    Session { sub: "alice".to_owned(), app: None, exp: None, claims: BTreeMap::new() }
}

fn answered(body: &Value) -> Answer {
    read(200, body.to_string().as_bytes(), false, &claims(), NOW)
}

#[track_caller]
fn unusable(answer: Answer, why: &str) {
    assert!(matches!(&answer, Answer::Unusable(text) if text.contains(why)), "{answer:?}");
}

#[test]
fn the_defaults_are_those_of_the_schema() {
    let settings = settings(json!({ "upstream": "idp" }));
    assert_eq!(settings.challenge, "Bearer realm=\"paifang\"");
    assert!(matches!(&settings.place, Place::Header { scheme, .. } if scheme == "Bearer"));
    let schema: Value = serde_json::from_str(include_str!("../schema.json")).unwrap();
    let mut written = json!({});
    for (name, property) in schema["properties"].as_object().unwrap() {
        if let Some(default) = property.get("default") {
            written[name] = default.clone();
        }
    }
    written["upstream"] = json!("idp");
    let same = serde_json::from_value::<Config>(written).unwrap().settings().unwrap();
    assert_eq!(format!("{settings:?}"), format!("{same:?}"));
}

#[test]
fn a_header_of_another_name_is_the_token_alone() {
    let place = settings(json!({ "upstream": "idp", "header": "X-Session" })).place;
    assert!(matches!(&place, Place::Header { scheme, .. } if scheme.is_empty()));
    let reads = place.reads().request_headers;
    assert_eq!(reads, Headers::Named(vec!["x-session".to_owned()]));
    let place = settings(json!({ "upstream": "idp", "cookie": "sid" })).place;
    assert_eq!(place.reads().request_headers, Headers::Named(vec!["cookie".to_owned()]));
}

#[test]
fn what_is_wrong_in_a_config_is_pointed_at() {
    refused(json!({}), "/upstream");
    refused(json!({ "upstream": "idp", "cookie": "a b" }), "/cookie");
    refused(json!({ "upstream": "idp", "cookie": "a", "header": "x-a" }), "/cookie");
    refused(json!({ "upstream": "idp", "scheme": "a b" }), "/scheme");
    refused(json!({ "upstream": "idp", "realm": "a\"b" }), "/realm");
    refused(json!({ "upstream": "idp", "path": "introspect" }), "/path");
    refused(json!({ "upstream": "idp", "path": "/a b" }), "/path");
    refused(json!({ "upstream": "idp", "headers": { "x-a~": "\n" } }), "/headers/x-a~0");
    refused(json!({ "upstream": "idp", "timeout": "5ms" }), "/timeout");
    refused(json!({ "upstream": "idp", "ttl": "2d" }), "/ttl");
    refused(json!({ "upstream": "idp", "negative_ttl": "10m" }), "/negative_ttl");
    refused(json!({ "upstream": "idp", "stale": "2d" }), "/stale");
    refused(json!({ "upstream": "idp", "claims": vec!["a"; 33] }), "/claims");
}

#[test]
fn configure_declares_what_is_written_and_read() {
    let config = serde_json::from_value(json!({ "upstream": "idp" })).unwrap();
    let (_, manifest) = configure(config).unwrap();
    assert!(manifest.writes_identity);
    let header = Headers::Named(vec!["authorization".to_owned()]);
    assert_eq!(manifest.request.unwrap().request_headers, header);
}

#[test]
fn an_active_answer_is_a_session() {
    let answer = answered(&json!({
        "active": true, "sub": "alice", "client_id": "wallet", "exp": NOW + 60.5 as u64,
        "scope": ["read", "write"], "level": 3, "email": "not asked for",
    }));
    let session = Session {
        sub: "alice".to_owned(),
        app: Some("wallet".to_owned()),
        exp: Some(NOW + 60),
        claims: [("level", "3"), ("scope", "read write")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    assert_eq!(answer, Answer::Active(session.clone()));
    let identity = session.identity();
    assert_eq!((&*identity.subject, identity.app.as_deref()), ("alice", Some("wallet")));
    assert_eq!(identity.claim("scope"), Some("read write"));
}

#[test]
fn claims_are_texts() {
    for (json, text) in [
        ("\"a\\u0062\"", Some("ab")),
        ("[\"a\",\"b\"]", Some("a b")),
        ("[]", Some("")),
        ("[1, \"b\"]", Some("[1, \"b\"]")),
        ("{\"a\":1}", Some("{\"a\":1}")),
        ("1.50", Some("1.50")),
        ("true", Some("true")),
        ("null", None),
    ] {
        let body = format!("{{\"active\":true,\"sub\":\"alice\",\"scope\": {json} }}");
        let answer = read(200, body.as_bytes(), false, &claims(), NOW);
        let Answer::Active(session) = answer else { panic!("{answer:?}") };
        assert_eq!(session.claims.get("scope").map(String::as_str), text, "{json}");
    }
    let deep = format!("{}1{}", "{\"a\":".repeat(600), "}".repeat(600));
    let body = format!("{{\"active\":true,\"sub\":\"alice\",\"scope\":{deep},\"x\":{deep}}}");
    assert!(matches!(read(200, body.as_bytes(), false, &claims(), NOW), Answer::Active(_)));
}

#[test]
fn what_is_not_active_is_nobody() {
    assert_eq!(answered(&json!({ "active": false })), Answer::Inactive);
    for times in [json!({ "exp": NOW }), json!({ "exp": -1 }), json!({ "nbf": NOW + 1 })] {
        let mut answer = json!({ "active": true, "sub": "alice" });
        answer.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        assert_eq!(answered(&answer), Answer::Inactive, "{times}");
    }
    assert_eq!(read(404, b"", true, &claims(), NOW), Answer::Inactive);
}

#[test]
fn an_answer_that_says_nothing_decides_nothing() {
    unusable(read(404, b"", false, &claims(), NOW), "answered 404");
    unusable(read(500, b"{\"active\":true}", true, &claims(), NOW), "answered 500");
    unusable(read(200, b"", false, &claims(), NOW), "no JSON object");
    unusable(read(200, b"[]", false, &claims(), NOW), "no JSON object");
    unusable(answered(&json!({})), "`active`");
    unusable(answered(&json!({ "active": "true", "sub": "a" })), "`active`");
    unusable(answered(&json!({ "active": true })), "no `sub`");
    unusable(answered(&json!({ "active": true, "sub": "" })), "no `sub`");
    unusable(answered(&json!({ "active": true, "sub": "a", "exp": "soon" })), "`exp`");
    let long = "a".repeat(4097);
    unusable(answered(&json!({ "active": true, "sub": "a", "scope": long })), "`scope`");
}

#[test]
fn an_answer_is_fresh_then_stale_then_forgotten() {
    let stored = Stored::new(Some(session()), TIMES, NOW);
    assert_eq!(stored.ttl_millis(NOW), 900_000);
    let bytes = stored.bytes();
    assert_eq!(Stored::read(&bytes, NOW + 299), Known::Fresh(Some(session())));
    let stale = Known::Stale(stored.clone(), session());
    assert_eq!(Stored::read(&bytes, NOW + 300), stale);
    assert_eq!(Stored::read(&bytes, NOW + 899), stale);
    assert_eq!(Stored::read(&bytes, NOW + 900), Known::Nothing);
    let later = stored.put_off(TIMES, NOW + 895);
    assert_eq!((later.fresh, later.until), (NOW + 900, NOW + 900), "never beyond its end");
}

#[test]
fn nothing_outlives_the_token() {
    let short = Session { exp: Some(NOW + 60), ..session() };
    let stored = Stored::new(Some(short), TIMES, NOW);
    assert_eq!((stored.fresh, stored.until), (NOW + 60, NOW + 60));
    let long = Session { exp: Some(NOW + 400), ..session() };
    let stored = Stored::new(Some(long), TIMES, NOW);
    assert_eq!((stored.fresh, stored.until), (NOW + 300, NOW + 400));
    let ended = Session { exp: Some(NOW), ..session() };
    let stored = Stored { fresh: NOW + 9, until: NOW + 9, session: Some(ended) };
    assert_eq!(Stored::read(&stored.bytes(), NOW), Known::Nothing, "whoever wrote that");
}

#[test]
fn that_a_token_is_nobodys_is_remembered_shortly() {
    let stored = Stored::new(None, TIMES, NOW);
    assert_eq!(stored.ttl_millis(NOW), 10_000);
    assert_eq!(Stored::read(&stored.bytes(), NOW + 9), Known::Fresh(None));
    assert_eq!(Stored::read(&stored.bytes(), NOW + 10), Known::Nothing);
}

#[test]
fn what_cannot_be_read_is_as_good_as_nothing() {
    for bytes in [&b""[..], b"alice", b"{}", b"{\"fresh\":9999999999}"] {
        assert_eq!(Stored::read(bytes, NOW), Known::Nothing);
    }
}

#[test]
fn the_token_is_escaped_wherever_it_goes() {
    let lookup = settings(json!({
        "upstream": "idp", "path": "/oauth/introspect?v=1", "headers": { "Authorization": "Basic eA==" },
    }))
    .lookup;
    let request = question(&lookup, false, "a+b/c=~&d");
    assert_eq!((&*request.method, &*request.path_and_query), ("POST", "/oauth/introspect?v=1"));
    assert_eq!(request.body, b"token=a%2Bb%2Fc%3D~%26d");
    assert_eq!(
        request.headers,
        [
            Field::new("accept", "application/json"),
            Field::new("authorization", "Basic eA=="),
            Field::new("content-type", "application/x-www-form-urlencoded"),
        ]
    );
    let lookup = settings(json!({ "upstream": "idp", "path": "/s/{token}?x" })).lookup;
    let request = question(&lookup, true, "../a?b");
    assert_eq!((&*request.method, &*request.path_and_query), ("GET", "/s/..%2Fa%3Fb?x"));
    assert!(request.body.is_empty());
}
