//! Core modules that were built for WASI preview 1: what they ask for is there, or is said not to be.

use crate::{
    lines::Lines,
    made::{Parts, core},
    world::{World, count, spec},
};
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::Grants;
use serde_json::json;

/// A stage that imports these functions and does this. A text lies at 32, pieces of it are told at 16.
fn stage(imports: &[(&str, &str)], does: &str) -> Vec<u8> {
    let mut fields: String = imports
        .iter()
        .map(|(name, types)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {types}))")
        })
        .collect();
    fields += r#"(data (i32.const 32) "a line\nand another") (data (i32.const 8) "\2a")
        (data (i32.const 16) "\20\00\00\00\0b\00\00\00" "\2b\00\00\00\07\00\00\00")"#;
    core("request-stage", &Parts { fields: &fields, does, ..Parts::default() })
}

/// What a call of it comes to.
async fn called(file: &[u8]) -> (u16, Option<String>) {
    let step = World::new().step_of(file, spec(), &json!({}));
    let reply = step.run(TestCall::get("/")).await.0;
    (reply.status(), reply.error())
}

/// Traps where what is on the stack is not that.
fn is(number: i32) -> String {
    format!("(if (i32.ne (i32.const {number})) (then unreachable))")
}

const WRITE: (&str, &str) = ("fd_write", "(param i32 i32 i32 i32) (result i32)");
const CLOCK: (&str, &str) = ("clock_time_get", "(param i32 i64 i32) (result i32)");
const RANDOM: (&str, &str) = ("random_get", "(param i32 i32) (result i32)");

#[tokio::test]
async fn what_is_printed_are_lines_of_the_log() {
    // Its pieces meet in the middle of a line, and the last line has no end.
    let write = |to| {
        format!(
            "(call $fd_write (i32.const {to}) (i32.const 16) (i32.const 2) (i32.const 8)) {}
             (i32.load (i32.const 8)) {}",
            is(0),
            is(18)
        )
    };
    let file = stage(&[WRITE], &(write(1) + &write(2)));
    let world = World::new();
    let lines = Lines::default();
    let guard = lines.listen();
    let step = world.step_of(&file, spec(), &json!({}));
    let reply = step.run(TestCall::get("/")).await.0;
    assert_eq!(reply.status(), 200, "{}", reply.body());
    drop(guard);
    let both = ["a line", "a line", "and another", "and another"];
    let mut seen = lines.seen();
    seen.sort();
    assert_eq!(seen, both);

    // Without the grant it is discarded, and that is no mistake.
    let mut spec = spec();
    spec.grants = Grants::default();
    let guard = lines.listen();
    let step = world.step_of(&file, spec, &json!({}));
    assert_eq!(step.run(TestCall::get("/")).await.0.status(), 200);
    drop(guard);
    assert_eq!(lines.seen().len(), both.len());
}

#[tokio::test]
async fn lines_are_bounded_as_any() {
    let world = World::new();
    let mut spec = spec();
    spec.limits.log_per_second = 1;
    let write = "(drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 2) (i32.const 8)))";
    let step = world.step_of(&stage(&[WRITE], &write.repeat(5)), spec, &json!({}));
    assert_eq!(step.run(TestCall::get("/")).await.0.status(), 200);
    assert_eq!(count(&step.stats.log_dropped), 5);
}

#[tokio::test]
async fn clocks_and_randomness_need_their_grants() {
    let world = World::new();
    let clock = format!(
        "(call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 8)) {}
         (if (i64.eqz (i64.load (i32.const 8))) (then unreachable))
         (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)) {}
         (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 8)) {}",
        is(0),
        is(0),
        is(28)
    );
    // Thirteen bytes, and none after them.
    let random = format!(
        "(call $random_get (i32.const 40000) (i32.const 13)) {}
         (if (i64.eqz (i64.load (i32.const 40000))) (then unreachable))
         (i32.load8_u (i32.const 40013)) {}",
        is(0),
        is(0)
    );
    for (file, grant) in [(stage(&[CLOCK], &clock), "clock"), (stage(&[RANDOM], &random), "random")]
    {
        assert_eq!(called(&file).await, (200, None), "{grant}");
        let mut spec = spec();
        (spec.grants.clock, spec.grants.random) = (grant != "clock", grant != "random");
        let error = world.host.load(spec, &file).err().unwrap();
        assert_eq!(error.pointer, "/grants");
        assert!(error.message.contains(&format!("`{grant}`")), "{error:?}");
    }
    let module = world.host.load(spec(), &stage(&[CLOCK, RANDOM, WRITE], &(clock + &random)));
    let module = module.unwrap();
    assert_eq!(module.needs(), ["clock", "random"]);
    assert!(module.imports().contains(&"paifang:wasi/clock"), "{:?}", module.imports());
}

#[tokio::test]
async fn there_are_no_files_arguments_or_variables() {
    let imports = [
        ("args_sizes_get", "(param i32 i32) (result i32)"),
        ("environ_sizes_get", "(param i32 i32) (result i32)"),
        ("environ_get", "(param i32 i32) (result i32)"),
        ("fd_prestat_get", "(param i32 i32) (result i32)"),
        ("fd_read", "(param i32 i32 i32 i32) (result i32)"),
        ("fd_close", "(param i32) (result i32)"),
        ("fd_seek", "(param i32 i64 i32 i32) (result i32)"),
        ("fd_fdstat_get", "(param i32 i32) (result i32)"),
        ("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)"),
        ("poll_oneoff", "(param i32 i32 i32 i32) (result i32)"),
        ("sock_shutdown", "(param i32 i32) (result i32)"),
        ("sched_yield", "(result i32)"),
        WRITE,
    ];
    let does = [
        "(i32.store (i32.const 8) (i32.const 9))",
        "(call $args_sizes_get (i32.const 8) (i32.const 12))",
        &is(0),
        "(i32.load (i32.const 8))",
        &is(0),
        "(call $environ_sizes_get (i32.const 8) (i32.const 12))",
        &is(0),
        "(call $environ_get (i32.const 8) (i32.const 12))",
        &is(0),
        "(call $fd_prestat_get (i32.const 3) (i32.const 8))",
        &is(8),
        "(call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 8))",
        &is(0),
        "(i32.load (i32.const 8))",
        &is(0),
        "(call $fd_read (i32.const 4) (i32.const 16) (i32.const 1) (i32.const 8))",
        &is(8),
        "(call $fd_write (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 8))",
        &is(8),
        "(call $fd_write (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 8))",
        &is(8),
        "(call $fd_close (i32.const 1))",
        &is(0),
        "(call $fd_close (i32.const 9))",
        &is(8),
        "(call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 8))",
        &is(70),
        "(call $fd_fdstat_get (i32.const 1) (i32.const 40000))",
        &is(0),
        "(i32.load (i32.const 40000))",
        &is(2),
        "(call $fd_fdstat_get (i32.const 3) (i32.const 40000))",
        &is(8),
        "(call $path_open (i32.const 3) (i32.const 0) (i32.const 32) (i32.const 6) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8))",
        &is(8),
        "(call $poll_oneoff (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8))",
        &is(52),
        "(call $sock_shutdown (i32.const 0) (i32.const 0))",
        &is(52),
        "(call $sched_yield)",
        &is(0),
    ]
    .join("\n");
    let file = stage(&imports, &does);
    let module = World::new().host.load(spec(), &file).unwrap();
    assert!(module.needs().is_empty(), "{:?}", module.needs());
    assert_eq!(called(&file).await, (200, None));
}

#[tokio::test]
async fn who_ends_the_process_ends_the_call() {
    let file = stage(&[("proc_exit", "(param i32)")], "(call $proc_exit (i32.const 0))");
    assert_eq!(called(&file).await, (500, Some("PF-5000".to_owned())));
}

#[tokio::test]
async fn pictures_are_taken_of_them_too() {
    // `_initialize` counts how often it runs, and passes only where that was once.
    let fields = r#"(import "wasi_snapshot_preview1" "random_get" (func $r (param i32 i32) (result i32)))
        (global $n (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1))))"#;
    let does = "(drop (call $r (i32.const 8) (i32.const 8)))
        (if (i32.ne (global.get $n) (i32.const 1)) (then unreachable))
        (global.set $n (i32.const 7))";
    let file = core("handler", &Parts { fields, does, ..Parts::default() });
    let world = World::new();
    let step = world.step_of(&file, spec(), &json!({}));
    for _ in 0..3 {
        assert_eq!(step.run(TestCall::get("/")).await.0.status(), 200);
    }
}

#[test]
fn what_is_of_no_wasi_is_told() {
    let world = World::new();
    let file = stage(&[("fd_fly", "(param i32) (result i32)")], "");
    let error = world.host.load(spec(), &file).err().unwrap();
    assert!(error.message.contains("fd_fly"), "{error:?}");
    let file = stage(&[("fd_close", "(param i64) (result i32)")], "");
    let error = world.host.load(spec(), &file).err().unwrap();
    assert!(error.message.contains("fd_close"), "{error:?}");
}
