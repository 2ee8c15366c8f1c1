//! Identity and slots: written by one handler, read by another below it.

use crate::world::{World, spec};
use paifang_pipeline::testkit::{TestCall, TestOrigin};
use paifang_wasm::Spec;
use serde_json::{Value, json};

#[tokio::test]
async fn what_one_handler_writes_another_reads() {
    let world = World::new();
    let writer = world.module("testbed-sync", spec());
    let config = json!({
        "writes": { "identity": true, "slots": ["tier"] },
        "request": [
            { "identity": { "subject": "alice", "app": "wallet", "claims": [["role", "admin"]] } },
            { "slot": ["tier", "gold"] },
        ],
    });
    let writer = world.build(&writer, &config).unwrap();
    assert_eq!(writer.writes, ["identity", "tier"]);
    let reader = world.module("testbed-sync", Spec { name: "reader".into(), ..spec() });
    let config = json!({
        "reads": { "request": { "facts": ["identity"], "slots": ["tier", "absent"] } },
        "request": ["echo"],
    });
    let reader = world.build(&reader, &config).unwrap();
    let reply = TestCall::get("/")
        .clock(&world.clock)
        .shared_step("writer", writer.handler)
        .shared_step("reader", reader.handler)
        .run(&TestOrigin::answering(200, ""))
        .await;
    let given: Value = serde_json::from_str(&reply.body()).unwrap();
    assert_eq!(given["identity"]["subject"], "alice");
    assert_eq!(given["identity"]["app"], "wallet");
    assert!(given["identity"]["claims"].to_string().contains("admin"), "{given}");
    assert!(given["slots"].to_string().contains("gold"), "{given}");
    assert!(!given["slots"].to_string().contains("absent"), "{given}");
    let identity = reply.identity.unwrap();
    assert_eq!((&*identity.subject, identity.method), ("alice", "wasm"));
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_read() {
    let world = World::new();
    let module = world.module("testbed-sync", spec());
    let writes = json!({
        "writes": { "identity": true, "slots": ["tier"] },
        "request": [{ "identity": { "subject": "alice" } }, { "slot": ["tier", "gold"] }],
    });
    let writer = world.build(&module, &writes).unwrap();
    let reader = world.build(&module, &json!({ "request": ["echo"] })).unwrap();
    let reply = TestCall::get("/")
        .clock(&world.clock)
        .shared_step("writer", writer.handler)
        .shared_step("reader", reader.handler)
        .run(&TestOrigin::answering(200, ""))
        .await;
    assert!(!reply.body().contains("alice") && !reply.body().contains("gold"), "{}", reply.body());
}
