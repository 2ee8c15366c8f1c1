//! Start functions: code that runs before any stage, at load and at each instance.

use crate::{
    made::{Parts, core, encoded},
    world::{World, count, limited, spec},
};
use paifang_pipeline::{ConfigError, testkit::TestCall};
use paifang_wasm::Spec;
use serde_json::json;
use std::time::{Duration, Instant};

/// Bad beginnings: what it is, the module's fields, and what is said of it.
const BAD: [(&str, &str, &str); 5] = [
    ("a trap", "(start $s) (func $s unreachable)", "unreachable"),
    ("a loop", "(start $s) (func $s (loop br 0))", "cut after computing"),
    ("a recursion", "(start $s) (func $s call $s)", "call stack exhausted"),
    (
        "memory without end",
        "(start $s) (func $s (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            unreachable)",
        "more memory",
    ),
    (
        "elements without end",
        "(table $t 0 funcref) (start $s) (func $s
            (loop (br_if 0 (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1))))
            unreachable)",
        "more table",
    ),
];

fn short() -> Spec {
    limited(|limits| limits.cpu = Duration::from_millis(50))
}

fn built(world: &World, file: &[u8]) -> Result<(), ConfigError> {
    let module = world.host.load(short(), file)?;
    world.build(&module, &json!({})).map(drop)
}

#[test]
fn a_module_that_begins_badly_is_no_step() {
    let world = World::new();
    for stage in ["request-stage", "handler"] {
        for (what, fields, said) in BAD {
            let core = core(stage, &Parts { fields, ..Parts::default() });
            for file in [encoded(&core), core] {
                let began = Instant::now();
                let error = built(&world, &file).unwrap_err();
                assert!(error.message.contains(said), "{stage}, {what}: {error:?}");
                assert!(began.elapsed() < Duration::from_secs(20), "{stage}, {what}");
            }
        }
    }
    assert!(built(&world, &core("handler", &Parts::default())).is_ok());
}

#[tokio::test]
async fn a_picture_has_its_beginning_behind_it() {
    // It counts how often it began, and passes only where that was once.
    let fields = r#"(start $s) (global $n (mut i32) (i32.const 0))
        (func $s (global.set $n (i32.add (global.get $n) (i32.const 1))))"#;
    let does = "(if (i32.ne (global.get $n) (i32.const 1)) (then unreachable))";
    let world = World::new();
    for stage in ["request-stage", "handler"] {
        let file = core(stage, &Parts { fields, does, ..Parts::default() });
        let step = world.step_of(&file, spec(), &json!({}));
        for _ in 0..3 {
            assert_eq!(step.run(TestCall::get("/")).await.0.status(), 200, "{stage}");
        }
        assert_eq!(count(&step.stats.traps), 0, "{stage}");
    }
}

#[test]
fn a_beginning_that_takes_longer_than_a_call_may_is_told_at_load() {
    // Where there is no picture, each call would begin with it, and none would come through.
    let fields = "(start $s) (func $s (local i32)
        (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))
            (i32.const 400000000)))))";
    let world = World::new();
    let spec = limited(|limits| limits.cpu = Duration::from_millis(5));
    let file = core("request-stage", &Parts { fields, ..Parts::default() });
    let module = world.host.load(spec, &file).unwrap();
    let error = world.build(&module, &json!({})).err().unwrap();
    assert!(error.message.contains("cut after computing for 5ms"), "{error:?}");
}
