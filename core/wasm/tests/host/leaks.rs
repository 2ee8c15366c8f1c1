//! Nothing of one call is in the next, unless the entry's author lets instances serve several.

use crate::world::{World, spec};
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::Spec;
use serde_json::{Value, json};
use std::sync::atomic::Ordering::Relaxed;

const SECRET: &str = "hunter2-battery-staple";

/// Where the header `secret` is there it goes into a static, into freed memory and onto the stack;
/// where not, the handler looks for it everywhere.
fn config() -> Value {
    let backwards: String = SECRET.chars().rev().collect();
    let plant = json!([
        { "remember": "secret" }, { "litter_header": { "header": "secret", "bytes": 200_000 } },
        { "if": { "header": "then", "is": "panic", "then": ["panic"] } },
        { "answer": {} },
    ]);
    json!({
        "reads": { "request": { "headers": ["secret", "then"] } },
        "request": [
            { "if": { "header": "secret", "then": plant } },
            { "look_for": backwards }, { "remember_text": "" }, "tell",
        ],
    })
}

fn spec_of(reuse: u32) -> Spec {
    Spec { reuse, ..spec() }
}

#[tokio::test]
async fn a_fresh_instance_knows_nothing_of_the_call_before() {
    let world = World::new();
    for name in ["testbed-sync", "testbed"] {
        let step = world.step(name, spec_of(0), &config());
        for n in 0..6 {
            let call = TestCall::get("/").header("secret", SECRET);
            // A call that ends badly leaves as little behind as one that ends well.
            let call = if n % 2 == 0 { call } else { call.header("then", "panic") };
            let status = step.run(call).await.0.status();
            assert_eq!(status, if n % 2 == 0 { 200 } else { 500 });
            assert_eq!(step.told("look").await, json!([0, ""]), "{name}, {n}");
        }
    }
}

#[tokio::test]
async fn a_reused_instance_remembers_for_so_was_it_asked() {
    let world = World::new();
    let step = world.step("testbed-sync", spec_of(3), &config());
    let plant = || TestCall::get("/").header("secret", SECRET);
    assert_eq!(step.run(plant()).await.0.status(), 200);
    let told = step.told("look").await;
    assert!(told[0].as_u64().unwrap() > 0, "the search finds what is there: {told}");
    assert_eq!(told[1], SECRET);
    // Each stage counts: after `request` and `log` of the first call that was its third and last.
    assert_eq!(step.told("look").await, json!([0, ""]));
}

#[tokio::test]
async fn an_instance_that_trapped_is_not_used_again() {
    let world = World::new();
    let step = world.step("testbed-sync", spec_of(100), &config());
    let call = TestCall::get("/").header("secret", SECRET).header("then", "panic");
    assert_eq!(step.run(call).await.0.status(), 500);
    assert_eq!(step.told("look").await, json!([0, ""]));
}

#[test]
fn calls_at_once_are_given_their_own() {
    let world = World::new();
    let config = json!({ "reads": { "request": { "headers": ["x-own"] } }, "request": ["echo"] });
    for reuse in [0, 7] {
        let step = world.step("testbed-sync", spec_of(reuse), &config);
        let calls = |thread: u32| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for n in 0..100 {
                let own = format!("{thread}-{n}");
                let call = TestCall::get("/").header("x-own", &own);
                let reply = runtime.block_on(step.run(call)).0;
                let given: Value = serde_json::from_str(&reply.body()).unwrap();
                assert_eq!(given["headers"], json!([["x-own", own]]));
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let calls = &calls;
                scope.spawn(move || calls(thread));
            }
        });
        assert_eq!(step.stats.instances.load(Relaxed), 0);
    }
}
