//! From stage to stage: whole bodies, responses, and what is kept between them.

use crate::world::{World, count, rows, spec};
use bytes::Bytes;
use paifang_pipeline::{Frame, testkit::TestCall};
use serde_json::{Value, json};

#[tokio::test]
async fn a_body_is_asked_for_read_and_replaced() {
    let world = World::new();
    for name in ["testbed-sync", "testbed"] {
        let config = json!({
            "request": [{ "need_body": "kept meanwhile" }],
            "request_with_body": ["note", { "tell_header": "x-told" }, "reverse_body"],
        });
        let step = world.step(name, spec(), &config);
        let pieces = [Frame::data(Bytes::from("ab")), Frame::last(Bytes::from("cd"))];
        let call = TestCall::new(http::Method::POST, "/").frames(pieces);
        let (reply, origin) = step.run(call).await;
        assert_eq!(reply.status(), 200, "{name}");
        let request = origin.request(0);
        assert_eq!(request.body(), b"dcba");
        let told = request.head.headers["x-told"].to_str().unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told[0]["stage"], "request-with-body");
        assert_eq!(
            (&told[0]["body"], &told[0]["kept"]),
            (&json!("abcd"), &json!("kept meanwhile"))
        );
    }
}

#[tokio::test]
async fn a_handler_of_bodies_alone_is_given_them_unasked() {
    let world = World::new();
    let config = json!({
        "request_with_body": ["reverse_body"], "response_with_body": [{ "body": "replaced" }],
    });
    let step = world.step("testbed-body-only", spec(), &config);
    let (reply, origin) = step.run(TestCall::post("/", "abc")).await;
    assert_eq!((origin.request(0).body(), reply.body()), (b"cba".to_vec(), "replaced".to_owned()));
}

#[tokio::test]
async fn a_response_is_edited_or_replaced() {
    let world = World::new();
    let all = [
        ("edit", json!([{ "status": 203 }, { "set": ["x-a", "1"] }])),
        ("replace", json!([{ "answer": { "status": 202, "body": "instead" } }])),
        ("fail", json!([{ "fail": "no idea" }])),
        ("body", json!([{ "need_body": "" }])),
    ];
    let mut config = rows("response", &all);
    config["response_with_body"] = json!(["reverse_body"]);
    let step = world.step("testbed-sync", spec(), &config);
    let (reply, _) = step.doing("edit").await;
    assert_eq!((reply.status(), reply.header("x-a"), reply.body()), (203, "1", "up".to_owned()));
    let (reply, _) = step.doing("replace").await;
    assert_eq!((reply.status(), reply.body()), (202, "instead".to_owned()));
    assert_eq!(step.doing("fail").await.0.error().as_deref(), Some("PF-5000"));
    assert_eq!(step.doing("body").await.0.body(), "pu");
    step.serves_on().await;
}

#[tokio::test]
async fn what_is_kept_goes_from_request_to_response_to_log() {
    let world = World::new();
    for name in ["testbed-sync", "testbed"] {
        let config = json!({
            "reads": { "log": { "facts": ["method"], "response_headers": ["x-up"] } },
            "request": [{ "keep": "first" }],
            "response": [
                "note", { "tell_kv": "response" }, { "keep": "second" }, { "set": ["x-up", "yes"] },
            ],
            "log": ["note", { "tell_kv": "log" }],
        });
        let step = world.step(name, spec(), &config);
        step.serves_on().await;
        let all = [
            ("response", json!([{ "kv_get": "response" }, "tell"])),
            ("log", json!([{ "kv_get": "log" }, "tell"])),
        ];
        let reader = world.step(name, spec(), &rows("request", &all));
        let told =
            |told: Value| -> Value { serde_json::from_str(told[0].as_str().unwrap()).unwrap() };
        let at_response = told(reader.told("response").await);
        assert_eq!(at_response[0]["kept"], "first", "{at_response}");
        assert_eq!(at_response[0]["response"]["status"], 200);
        let at_log = told(reader.told("log").await);
        assert_eq!(at_log[0]["kept"], "second", "{at_log}");
        assert_eq!(at_log[0]["method"], "GET");
        let outcome = &at_log[0]["outcome"];
        assert_eq!(
            (&outcome["status"], &outcome["termination"]),
            (&json!(200), &json!("completed"))
        );
        assert_eq!(outcome["response_bytes"], 2);
        assert_eq!(outcome["error_code"], Value::Null);
    }
}

#[tokio::test]
async fn a_handler_of_the_end_alone_changes_nothing() {
    let world = World::new();
    let step = world.step("testbed-log-only", spec(), &json!({ "log": [{ "tell_kv": "seen" }] }));
    let (reply, origin) = step.run(TestCall::post("/", "abc")).await;
    assert_eq!((reply.body(), origin.request(0).body()), ("up".to_owned(), b"abc".to_vec()));
    let all = [("seen", json!([{ "kv_get": "seen" }, "tell"]))];
    let reader = world.step("testbed-sync", spec(), &rows("request", &all));
    assert_eq!(reader.told("seen").await, json!(["[]"]));
}

#[tokio::test]
async fn a_stage_that_the_manifest_does_without_is_not_called() {
    let world = World::new();
    let all = json!({
        "request": [{ "set": ["x-request", "1"] }],
        "response": [{ "set": ["x-response", "1"] }],
        "response_with_body": ["reverse_body"],
        "log": ["panic"],
    });
    for (without, seen) in [("request", ["", "1"]), ("response", ["1", ""])] {
        let mut config = all.clone();
        config["reads"] = json!({ without: null, "log": null });
        let step = world.step("testbed-sync", spec(), &config);
        let (reply, origin) = step.run(TestCall::get("/")).await;
        assert_eq!(reply.status(), 200, "{without}");
        let request = origin.request(0);
        let on_request = request.head.headers.get("x-request").map_or("", |v| v.to_str().unwrap());
        assert_eq!([on_request, reply.header("x-response")], seen, "{without}");
        assert_eq!(count(&step.stats.traps), 0, "`log` is not called");
    }
}
