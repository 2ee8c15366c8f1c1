//! What outlives what: modules across loads, values across steps, and what `on_failure` saves.

use crate::world::{World, count, file, rows, spec};
use paifang_pipeline::{DynPlugin, OnFailure, testkit::TestCall};
use paifang_wasm::Spec;
use serde_json::json;
use std::sync::Arc;

#[test]
fn the_same_file_under_the_same_entry_is_the_same_module() {
    let world = World::new();
    let bare = file("testbed-bare");
    let load = |spec: Spec, bytes: &[u8]| world.host.load(spec, bytes).unwrap();
    let first = load(spec(), &bare);
    assert!(Arc::ptr_eq(&first, &load(spec(), &bare)));
    assert_eq!(world.host.modules().len(), 1);

    let changed = crate::files::with_section(&bare, "note", b"another build");
    let second = load(spec(), &changed);
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &load(spec(), &changed)));
    let third = load(Spec { reuse: 1, ..spec() }, &bare);
    assert!(!Arc::ptr_eq(&first, &third));
    let other = load(Spec { name: "other".into(), ..spec() }, &bare);
    assert!(!Arc::ptr_eq(&first, &other));
    assert_eq!(other.kind(), "other");

    // The old one is still there while something uses it, and its counters with it. One file under
    // one name has one set of them, whatever its limits.
    let readings = world.host.modules();
    assert_eq!(readings.len(), 3);
    assert!(readings.iter().all(|reading| reading.sha256.len() == 64));
    drop((first, second, third, other, readings));
    assert!(world.host.modules().is_empty());
}

#[tokio::test]
async fn values_outlive_the_step_and_the_module() {
    let world = World::new();
    let set = json!([{ "kv_set": { "key": "k", "value": "kept" } }, "tell"]);
    let step = world.step("testbed-sync", spec(), &rows("request", &[("set", set)]));
    assert_eq!(step.told("set").await, json!(["done"]));
    let get = rows("request", &[("get", json!([{ "kv_get": "k" }, "tell"]))]);
    // As in a reload: the new step is there before the old one goes.
    let old = step;
    let step = world.step("testbed", spec(), &get);
    drop(old);
    assert_eq!(step.told("get").await, json!(["kept"]));
    // Another entry has values of its own.
    let other = world.step("testbed", Spec { name: "other".into(), ..spec() }, &get);
    assert_eq!(other.told("get").await, json!([null]));
}

#[tokio::test]
async fn reused_instances_are_made_once_for_so_many_calls() {
    let world = World::new();
    for (reuse, made) in [(0, 6), (1, 6), (3, 2)] {
        let step = world.step("testbed-bare", Spec { reuse, ..spec() }, &json!({}));
        let before = count(&step.stats.instances_made);
        for _ in 0..6 {
            step.serves_on().await;
        }
        assert_eq!(count(&step.stats.instances_made) - before, made, "{reuse}");
    }
}

#[tokio::test]
async fn on_failure_says_what_becomes_of_the_call() {
    let world = World::new();
    let all = [
        ("panic", json!([{ "set": ["x-a", "1"] }, "panic"])),
        ("fail", json!([{ "fail": "no idea" }])),
        ("illegal", json!([{ "set": ["x-a", "1"] }, { "set": ["te", "x"] }])),
    ];
    let step = world.step("testbed-sync", spec(), &rows("request", &all));
    for (row, _) in &all {
        let call = || TestCall::get("/").header("do", row);
        let (reply, origin) = step.run_as(call(), OnFailure::Closed).await;
        assert_eq!((reply.status(), origin.requests()), (500, 0), "{row}");
        let (reply, origin) = step.run_as(call(), OnFailure::Open).await;
        assert_eq!((reply.status(), origin.requests()), (200, 1), "{row}");
        assert!(origin.request(0).head.headers.get("x-a").is_none(), "{row}");
    }
    let step = world.step("testbed-sync", spec(), &rows("response", &all));
    for (row, _) in &all {
        let call = TestCall::get("/").header("do", row);
        let (reply, _) = step.run_as(call, OnFailure::Open).await;
        assert_eq!((reply.status(), reply.body()), (200, "up".to_owned()), "{row}");
        assert!(reply.head().headers.get("x-a").is_none(), "{row}");
    }
}
