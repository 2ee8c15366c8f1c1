//! What is decided apart from the host: config, the form, the fields that carry a signature.

use crate::{
    config::{Config, Settings},
    configure,
    form::Unsignable,
    head::{Fault, Head},
};
use paifang_guest::{Call, Facts, Headers, host::crypto::HashAlgorithm};
use serde_json::{Value, json};

/// 16 bytes, the least that a secret may have.
const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const NOW: u64 = 1_767_225_600_000;

fn config(changes: Value) -> Value {
    let mut config = json!({
        "keys": [{ "id": "acme", "algorithm": "hmac-sha256", "secret": SECRET }],
        "form": ["method", "path"],
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    config
}

fn settings(changes: Value) -> Settings {
    let config: Config = serde_json::from_value(config(changes)).unwrap();
    config.settings().unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[track_caller]
fn refused(changes: Value, pointer: &str) {
    let config: Config = serde_json::from_value(config(changes)).unwrap();
    let errors = config.settings().err().unwrap();
    let pointers: Vec<&str> = errors.iter().map(|error| &*error.pointer).collect();
    assert_eq!(pointers, [pointer], "{errors:?}");
}

fn call() -> Call {
    Call {
        method: Some("POST".to_owned()),
        host: Some("api.example.com".to_owned()),
        path: Some("/v1/orders".to_owned()),
        query: Some("b=2&a=1".to_owned()),
        ..Call::default()
    }
}

fn form(form: Value, separator: &str, call: &Call) -> Result<String, Unsignable> {
    let settings = settings(json!({ "form": form, "separator": separator }));
    let hash = |algorithm, data: &[u8]| {
        let length = if matches!(algorithm, HashAlgorithm::Sha512) { 64 } else { 32 };
        vec![data.len() as u8; length]
    };
    let text = settings.form.write(call, b"the body", hash)?;
    Ok(String::from_utf8(text).unwrap())
}

#[test]
fn the_form_has_its_parts_in_order() {
    let call = call().with_header("Content-Type", " application/json\t");
    let all = json!([
        { "literal": "v1" }, "method", "host", "path", "query", "raw_query",
        { "header": "Content-Type" }, { "header": "x-absent" }, "body_sha256", "body",
    ]);
    let digest = "08".repeat(32);
    assert_eq!(
        form(all, "\n", &call).unwrap(),
        format!(
            "v1\nPOST\napi.example.com\n/v1/orders\na=1&b=2\nb=2&a=1\napplication/json\n\n\
             {digest}\nthe body"
        )
    );
    assert_eq!(form(json!(["method", "path"]), "", &call).unwrap(), "POST/v1/orders");
    assert_eq!(form(json!(["body_sha512"]), ".", &call).unwrap(), "08".repeat(64));
    assert_eq!(form(json!(["query", "path"]), " ", &Call::default()).unwrap(), " ");
}

#[test]
fn the_query_is_sorted_and_nothing_is_decoded() {
    for (sent, sorted) in
        [("", ""), ("b&a", "a&b"), ("a=1&a-b=2", "a-b=2&a=1"), ("q=%e4+%2B", "q=%e4+%2B")]
    {
        let call = Call { query: Some(sent.to_owned()), ..Call::default() };
        assert_eq!(form(json!(["query"]), "\n", &call).as_deref(), Ok(sorted), "{sent}");
    }
    for sent in ["a=1&a=2", "a&b&a=3", "a=1&%61=2", "a+b&a%20b", "&"] {
        let call = Call { query: Some(sent.to_owned()), ..Call::default() };
        let repeated = Err(Unsignable::RepeatedParameter);
        assert_eq!(form(json!(["query"]), "\n", &call), repeated, "{sent}");
        assert_eq!(form(json!(["raw_query"]), "\n", &call).as_deref(), Ok(sent));
    }
}

#[test]
fn what_could_be_read_in_two_ways_has_no_form() {
    let twice = call().with_header("x-a", "1").with_header("x-a", "1");
    let header = json!([{ "header": "x-a" }, "method"]);
    assert_eq!(form(header.clone(), "\n", &twice), Err(Unsignable::RepeatedHeader));
    let dotted = call().with_header("x-a", "1.2");
    assert_eq!(form(header, ".", &dotted), Err(Unsignable::Separator));
    let last = json!(["method", { "header": "x-a" }]);
    assert_eq!(form(last, ".", &dotted).as_deref(), Ok("POST.1.2"));
    let literal = json!([{ "literal": "v1.0" }, "method"]);
    assert_eq!(form(literal, ".", &call()).as_deref(), Ok("v1.0.POST"), "the same in all requests");
}

#[test]
fn what_is_wrong_in_a_config_is_pointed_at() {
    let key = |key: Value| json!({ "keys": [key], "key_header": "x-key" });
    let hmac =
        |secret: &str| key(json!({ "id": "a", "algorithm": "hmac-sha256", "secret": secret }));
    refused(hmac("c2hvcnQ="), "/keys/0/secret");
    refused(hmac("no base64"), "/keys/0/secret");
    refused(
        key(json!({ "id": "a", "algorithm": "ed25519", "public_key": SECRET })),
        "/keys/0/public_key",
    );
    refused(key(json!({ "id": "a", "algorithm": "ed25519", "secret": SECRET })), "/keys/0");
    refused(key(json!({ "id": "a", "algorithm": "hmac-sha512" })), "/keys/0");
    let good = json!({ "id": "a", "algorithm": "hmac-sha512", "secret": SECRET });
    refused(
        key(json!({ "id": "a b", "algorithm": "hmac-sha512", "secret": SECRET })),
        "/keys/0/id",
    );
    refused(json!({ "keys": [good, good], "key_header": "x-key" }), "/keys");
    let other = json!({ "id": "b", "algorithm": "hmac-sha256", "secret": SECRET });
    refused(json!({ "keys": [good, other] }), "/key_header");
    let named =
        json!({ "id": "c", "algorithm": "hmac-sha256", "secret": SECRET, "subject": "acme" });
    refused(json!({ "keys": [good, named], "key_header": "x-key" }), "/keys");
    refused(json!({ "keys": [] }), "/keys");
    refused(json!({ "form": [] }), "/form");
    refused(json!({ "form": [{ "literal": "v1" }] }), "/form");
    refused(json!({ "form": ["path", { "header": "X-Signature" }] }), "/form");
    refused(json!({ "timestamp": { "header": "x-time" } }), "/timestamp/header");
    let form = json!(["path", { "header": "x-time" }, { "header": "x-nonce" }]);
    refused(
        json!({ "form": form, "timestamp": { "header": "x-time", "max_skew": "2h" } }),
        "/timestamp/max_skew",
    );
    refused(json!({ "form": form, "nonce": { "header": "x-nonce" } }), "/nonce");
    let time = json!({ "header": "x-time" });
    refused(
        json!({ "form": form, "timestamp": time, "nonce": { "header": "n" } }),
        "/nonce/header",
    );
}

#[test]
fn only_what_is_needed_is_read() {
    let (_, manifest) = configure(
        serde_json::from_value(config(json!({
            "form": ["path", "query", { "header": "x-time" }],
            "timestamp": { "header": "x-time" },
            "key_header": "x-key",
        })))
        .unwrap(),
    )
    .unwrap();
    let reads = manifest.request.unwrap();
    assert_eq!(reads.facts, Facts::PATH | Facts::QUERY);
    let Headers::Named(names) = &reads.request_headers else { panic!("no names") };
    assert_eq!(names, &["x-time", "x-signature", "x-key"]);
    assert!(!manifest.writes_identity, "no key has a subject");
    for (form, needs) in [("body", true), ("body_sha256", true), ("path", false)] {
        assert_eq!(settings(json!({ "form": [form] })).form.needs_body(), needs, "{form}");
    }
}

fn timed() -> Settings {
    settings(json!({
        "form": ["path", { "header": "x-time" }, { "header": "x-nonce" }],
        "key_header": "x-key",
        "signature": { "header": "X-Sign", "encoding": "hex", "prefix": "sha256=" },
        "timestamp": { "header": "x-time", "max_skew": "1m" },
        "nonce": { "header": "x-nonce" },
    }))
}

/// A request that the fields of `timed` fit, with one of them changed or taken away.
fn signed(change: &str, value: Option<&str>) -> Call {
    let sign = format!("sha256={}", "ab".repeat(32));
    let fields = [
        ("x-sign", &*sign),
        ("x-key", "acme"),
        ("x-time", "1767225600"),
        ("x-nonce", "0123456789"),
    ];
    fields.into_iter().fold(Call::default(), |call, (name, usual)| match value {
        _ if name != change => call.with_header(name, usual),
        Some(value) => call.with_header(name, value),
        None => call,
    })
}

fn fault(change: &str, value: Option<&str>) -> Option<Fault> {
    let (settings, call) = (timed(), signed(change, value));
    Head::read(&settings, &call, NOW).err()
}

#[test]
fn the_fields_of_a_signature_are_read() {
    let (settings, call) = (timed(), signed("", None));
    let head = Head::read(&settings, &call, NOW).ok().unwrap();
    assert_eq!((&*head.key.id, head.signature), ("acme", vec![0xAB; 32]));
    assert_eq!(head.nonce, Some(("0123456789", 70_000)), "as long as it is taken, and some slack");
}

#[test]
fn a_field_that_lacks_or_is_wrong_is_refused() {
    for name in ["x-sign", "x-key", "x-time", "x-nonce"] {
        assert_eq!(fault(name, None), Some(Fault::Missing), "{name}");
        let (settings, call) = (timed(), signed("", None).with_header(name, "another"));
        assert_eq!(Head::read(&settings, &call, NOW).err(), Some(Fault::Malformed), "{name} twice");
    }
    let hex = "ab".repeat(32);
    for (name, value, expected) in [
        ("x-sign", &*hex, Fault::Malformed),
        ("x-sign", "sha256=zz", Fault::Malformed),
        ("x-sign", "sha256=", Fault::Invalid),
        ("x-sign", "sha256=abab", Fault::Invalid),
        ("x-key", "other", Fault::Invalid),
        ("x-key", "", Fault::Invalid),
        ("x-time", "", Fault::Malformed),
        ("x-time", "+1767225600", Fault::Malformed),
        ("x-time", "176722560000000", Fault::Malformed),
        ("x-time", "2026-01-01", Fault::Malformed),
        ("x-time", "1767225539", Fault::Expired),
        ("x-time", "1767225661", Fault::Expired),
        ("x-nonce", "1234567", Fault::Malformed),
        ("x-nonce", "1234 5678", Fault::Malformed),
    ] {
        assert_eq!(fault(name, Some(value)), Some(expected), "{name}: {value}");
    }
    for value in ["1767225540", "1767225660"] {
        assert_eq!(fault("x-time", Some(value)), None, "{value} is just in time");
    }
}

#[test]
fn milliseconds_are_read_where_the_config_says_so() {
    let settings = settings(json!({
        "form": ["path", { "header": "x-time" }],
        "timestamp": { "header": "x-time", "unit": "ms", "max_skew": "1s" },
    }));
    let at = |time: &str| {
        let call =
            Call::default().with_header("x-signature", "ab".repeat(32)).with_header("x-time", time);
        Head::read(&settings, &call, NOW).err()
    };
    assert_eq!(at("1767225601000"), None);
    assert_eq!(at("1767225601001"), Some(Fault::Expired));
    assert_eq!(at("1767225600"), Some(Fault::Expired), "seconds lie in 1970");
}
