//! Limits hold: memory, bodies, values, lines, metrics. What goes beyond them costs the call alone.

use crate::world::{World, count, limited, rows, spec};
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::Own;
use serde_json::{Value, json};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

#[tokio::test]
async fn memory_beyond_the_limit_is_not_given() {
    let world = World::new();
    let all = [
        ("much", json!([{ "allocate": 32 << 20 }, "tell"])),
        ("some", json!([{ "allocate": 1 << 20 }, "memory_size", "tell"])),
    ];
    let spec = limited(|limits| limits.memory_bytes = 8 << 20);
    let step = world.step("testbed-sync", spec, &rows("request", &all));
    assert_eq!(step.told("much").await, json!([false]));
    let told = step.told("some").await;
    assert_eq!(told[0], true);
    let size = told[1].as_u64().unwrap();
    assert!((1 << 20..=8 << 20).contains(&size), "{size}");
    assert_eq!(count(&step.stats.memory_peak), size);
}

#[tokio::test]
async fn a_module_that_begins_larger_than_its_limit_is_no_step() {
    let world = World::new();
    let module = world.module("testbed-sync", limited(|limits| limits.memory_bytes = 64 << 10));
    assert!(world.build(&module, &json!({})).is_err());
    step_still_works(&world).await;
}

async fn step_still_works(world: &World) {
    world.step("testbed-sync", spec(), &json!({})).serves_on().await;
}

#[tokio::test]
async fn a_body_larger_than_the_limit_is_not_handed_over() {
    let world = World::new();
    let need = json!([{ "need_body": "" }]);
    let all = [("body", need), ("answer", json!([{ "answer": { "bytes": 101 } }]))];
    let spec = limited(|limits| limits.body_bytes = 100);
    let mut config = rows("request", &all);
    config["request_with_body"] = json!([{ "answer": {} }]);
    let step = world.step("testbed-sync", spec.clone(), &config);
    let post = |bytes: usize| TestCall::post("/", "x".repeat(bytes)).header("do", "body");
    assert_eq!(step.run(post(100)).await.0.status(), 200);
    let (reply, origin) = step.run(post(101)).await;
    assert_eq!((reply.error().as_deref(), origin.requests()), (Some("PF-5001"), 0));
    assert_eq!(step.doing("answer").await.0.error().as_deref(), Some("PF-5001"));
    step.serves_on().await;

    let config = json!({ "response_with_body": [{ "body_bytes": 101 }] });
    let step = world.step("testbed-body-only", spec, &config);
    let reply = step.run(TestCall::get("/")).await.0;
    assert_eq!(reply.error().as_deref(), Some("PF-5001"));
}

#[tokio::test]
async fn what_is_handed_over_at_once_is_bounded() {
    let world = World::new();
    let all = [
        ("line", json!([{ "log_bytes": 3 << 20 }])),
        ("long line", json!([{ "log_bytes": (3 << 20) + 1 }])),
        ("answer", json!([{ "answer": { "bytes": 2 << 20 } }])),
        ("long answer", json!([{ "answer": { "bytes": 4 << 20 } }])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for (row, error, traps) in [
        ("line", None, 0),
        ("long line", Some("PF-5000"), 1),
        ("answer", Some("PF-5001"), 1),
        ("long answer", Some("PF-5000"), 2),
    ] {
        let (reply, _) = step.doing(row).await;
        assert_eq!(reply.error().as_deref(), error, "{row}");
        assert_eq!(count(&step.stats.traps), traps, "{row}");
    }
    step.serves_on().await;
}

#[tokio::test]
async fn the_store_is_bounded() {
    let world = World::new();
    let all = [
        ("fill", json!([{ "kv_fill": { "bytes": 10, "most": 1000 } }, "tell"])),
        ("large", json!([{ "kv_set_bytes": { "key": "large", "bytes": 65 } }, "tell"])),
        ("key", json!([{ "kv_long_key": 300 }, "tell"])),
        (
            "text",
            json!([
                { "kv_delete": "fill-0" }, { "kv_set": { "key": "text", "value": "abc" } },
                { "kv_add": { "key": "text", "delta": 1 } }, "tell",
            ]),
        ),
    ];
    let spec = limited(|limits| {
        limits.kv_entries = 16;
        limits.kv_value_bytes = 64;
    });
    let step = world.step("testbed-sync", spec, &rows("request", &all));
    assert_eq!(step.told("large").await, json!([{ "error": "too_large" }]));
    assert_eq!(step.told("key").await, json!([{ "error": "too_large" }]));
    let filled = step.told("fill").await;
    assert_eq!(filled[1], json!({ "error": "full" }), "{filled}");
    assert!((1..=16).contains(&filled[0].as_u64().unwrap()), "{filled}");
    let told = step.told("text").await;
    assert_eq!(told, json!(["done", "done", { "error": "not_a_number" }]));
}

#[tokio::test]
async fn lines_beyond_the_rate_are_counted() {
    let world = World::new();
    let all = [("log", json!([{ "log_lines": 10 }]))];
    let spec = limited(|limits| limits.log_per_second = 3);
    let step = world.step("testbed-sync", spec, &rows("request", &all));
    step.doing("log").await;
    assert_eq!(count(&step.stats.log_dropped), 7);
    step.doing("log").await;
    assert_eq!(count(&step.stats.log_dropped), 17);
    world.clock.advance(Duration::from_secs(1));
    step.doing("log").await;
    assert_eq!(count(&step.stats.log_dropped), 24);
}

#[tokio::test]
async fn metrics_have_names_and_not_too_many() {
    let world = World::new();
    let all = [
        ("good", json!([{ "count": ["seen", 2] }, { "observe": ["size", 100] }])),
        ("upper", json!([{ "count": ["Seen", 1] }])),
        ("long", json!([{ "count": ["x".repeat(65), 1] }])),
        ("both", json!([{ "observe": ["seen", 1] }])),
        ("many", json!([{ "count_names": 33 }])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for _ in 0..2 {
        assert_eq!(step.doing("good").await.0.status(), 200);
    }
    for (n, row) in (1..).zip(["upper", "long", "both", "many"]) {
        assert_eq!(step.doing(row).await.0.error().as_deref(), Some("PF-5000"), "{row}");
        assert_eq!(count(&step.stats.traps), n, "{row}");
    }
    let own = step.stats.own_numbers();
    assert_eq!(own.len(), 32);
    let seen = own.iter().find(|(name, _)| &**name == "seen").unwrap();
    assert!(matches!(&seen.1, Own::Count(count) if count.load(Relaxed) == 4));
    let size = own.iter().find(|(name, _)| &**name == "size").unwrap();
    assert!(matches!(&size.1, Own::Values(_)));
}

#[tokio::test]
async fn misused_imports_cost_the_call() {
    let world = World::new();
    let take = json!({ "kv_take": { "key": "k", "count": 0, "period": 1, "burst": 1 } });
    let all = [
        ("random", json!([{ "random": 5000 }, "tell"])),
        ("some", json!([{ "random": 16 }, "tell"])),
        ("take", json!([take, "tell"])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for row in ["random", "take"] {
        assert_eq!(step.doing(row).await.0.error().as_deref(), Some("PF-5000"), "{row}");
    }
    let (one, other): (Value, Value) = (step.told("some").await, step.told("some").await);
    assert_eq!(one[0].as_str().unwrap().len(), 32);
    assert_ne!(one, other);
}
