//! Identity and slots: written by one handler, read by another below it.

use crate::world::{World, count, rows, spec};
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

#[tokio::test]
async fn what_is_said_of_the_caller_is_bounded() {
    let world = World::new();
    let long = "x".repeat(70_000);
    let claims: Vec<Value> = (0..200).map(|n| json!([format!("c{n}"), "v"])).collect();
    let all = [
        ("subject", json!([{ "identity": { "subject": long } }])),
        ("claim", json!([{ "identity": { "subject": "a", "claims": [["c", long]] } }])),
        ("claims", json!([{ "identity": { "subject": "a", "claims": claims } }])),
        ("slot", json!([{ "slot": ["tier", long] }])),
        ("slots", json!([{ "repeat": { "times": 200, "of": [{ "slot": ["tier", "x"] }] } }])),
    ];
    let mut config = rows("request", &all);
    config["writes"] = json!({ "identity": true, "slots": ["tier"] });
    let step = world.step("testbed-sync", spec(), &config);
    for (n, (row, _)) in (1..).zip(&all) {
        let (reply, origin) = step.doing(row).await;
        assert_eq!((reply.status(), origin.requests()), (500, 0), "{row}");
        assert!(reply.identity.is_none(), "{row}");
        assert_eq!(count(&step.stats.illegal), n, "{row}");
        step.serves_on().await;
    }
}
