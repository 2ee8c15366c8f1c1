//! `configure` runs once for each config, and every call begins with what it left in memory.

use crate::world::{World, count, limited, spec};
use serde_json::json;

#[tokio::test]
async fn calls_begin_where_configure_ended() {
    let world = World::new();
    for name in ["testbed-sync", "testbed"] {
        let config = json!({
            "configure": [{ "hold": 1000 }, { "remember_text": "of configure" }],
            "request": [{ "hold": 10 }, { "remember_text": "of a call" }, "tell"],
        });
        let step = world.step(name, spec(), &config);
        for _ in 0..3 {
            assert_eq!(step.told("").await, json!([1010, "of configure"]), "{name}");
        }
    }
}

#[tokio::test]
async fn configure_runs_once_however_many_calls_follow() {
    let world = World::new();
    // A rate of none, so that the counter of lines not written counts how often it ran.
    let spec = limited(|limits| limits.log_per_second = 0);
    for name in ["testbed-sync", "testbed", "testbed-head-only"] {
        let step = world.step(name, spec.clone(), &json!({ "configure": [{ "log_lines": 1 }] }));
        for _ in 0..3 {
            step.serves_on().await;
        }
        assert_eq!(count(&step.stats.log_dropped), 1, "{name}");
    }
}

#[tokio::test]
async fn steps_of_one_module_have_configs_of_their_own() {
    let world = World::new();
    let step = |text: &str| {
        let request = json!([{ "answer": { "body": text } }]);
        world.step("testbed-sync", spec(), &json!({ "request": request }))
    };
    let (one, other) = (step("one"), step("other"));
    for _ in 0..2 {
        assert_eq!(one.doing("").await.0.body(), "one");
        assert_eq!(other.doing("").await.0.body(), "other");
    }
}
