//! Handlers that come to a bad end: the call fails, the next one does not.

use crate::world::{World, count, limited};
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::{Spec, Stats};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

/// What it does, what counts it, and the code of the answer.
type Fault = (&'static str, fn(&Stats) -> u64, &'static str);

const FAULTS: [Fault; 6] = [
    ("loop", |stats| count(&stats.timeouts), "PF-5001"),
    ("recurse", |stats| count(&stats.traps), "PF-5000"),
    ("recurse_wide", |stats| count(&stats.traps), "PF-5000"),
    ("exhaust", |stats| count(&stats.overruns), "PF-5001"),
    ("panic", |stats| count(&stats.traps), "PF-5000"),
    ("trap", |stats| count(&stats.traps), "PF-5000"),
];

const STAGES: [&str; 5] = ["request", "request_with_body", "response", "response_with_body", "log"];

fn spec() -> Spec {
    limited(|limits| {
        limits.cpu = Duration::from_millis(50);
        limits.memory_bytes = 8 << 20;
    })
}

/// Each stage comes to the bad end that the request's header names.
fn config() -> Value {
    let reads = json!({ "headers": ["do", "whole"] });
    let mut config = json!({ "reads": { "request": reads, "response": reads, "log": reads } });
    for stage in STAGES {
        let mut ops: Vec<Value> = FAULTS
            .iter()
            .map(|(fault, ..)| {
                let row = format!("{stage}/{fault}");
                json!({ "if": { "header": "do", "is": row, "then": [fault] } })
            })
            .collect();
        if matches!(stage, "request" | "response") {
            ops.push(json!({ "if": { "header": "whole", "then": [{ "need_body": "" }] } }));
        }
        config[stage] = ops.into();
    }
    config
}

async fn each_bad_end_is_one_calls_own(module: &str) {
    let world = World::new();
    let step = world.step(module, spec(), &config());
    for stage in STAGES {
        for (fault, counter, code) in FAULTS {
            let before = counter(&step.stats);
            let row = format!("{stage}/{fault}");
            let call = TestCall::post("/", "a body").header("do", &row);
            let call = if stage.ends_with("body") { call.header("whole", "1") } else { call };
            let reply = step.run(call).await.0;
            match stage {
                "log" => assert_eq!(reply.status(), 200, "{row}"),
                _ => assert_eq!(reply.error().as_deref(), Some(code), "{row}"),
            }
            assert_eq!(counter(&step.stats), before + 1, "{row}");
            assert_eq!(reply.logged, 1, "{row}");
            step.serves_on().await;
        }
    }
    assert_eq!(step.stats.instances.load(Relaxed), 0);
}

#[tokio::test]
async fn bad_ends_where_nothing_is_waited_for() {
    each_bad_end_is_one_calls_own("testbed-sync").await;
}

#[tokio::test]
async fn bad_ends_on_stacks_of_their_own() {
    each_bad_end_is_one_calls_own("testbed").await;
}

#[tokio::test]
async fn bad_ends_in_configure_are_errors_of_the_config() {
    let world = World::new();
    let module = world.module("testbed-sync", spec());
    for (fault, ..) in FAULTS {
        let error = world.build(&module, &json!({ "configure": [fault] })).err();
        let error = error.unwrap_or_else(|| panic!("{fault} was taken"));
        assert!(error.message.contains("failed at reading its config"), "{fault}: {error:?}");
    }
    let said = json!({ "errors": [
        { "pointer": "/a/b", "message": "wrong", "help": "mend it" },
        { "pointer": "/c", "message": "wrong too" },
    ] });
    let error = world.build(&module, &said).err().unwrap();
    assert_eq!((error.pointer.as_str(), error.help.as_deref()), ("/a/b", Some("mend it")));
    assert_eq!(error.message, "wrong; at `/c`: wrong too");
    world.step("testbed-sync", spec(), &config()).serves_on().await;
}

#[tokio::test]
async fn configure_touches_nothing_that_outlives_it() {
    let world = World::new();
    let module = world.module("testbed-sync", spec());
    let config = json!({ "configure": [{ "kv_set": { "key": "k", "value": "v" } }] });
    let error = world.build(&module, &config).err().unwrap();
    assert!(error.message.contains("kv"), "{error:?}");
}
