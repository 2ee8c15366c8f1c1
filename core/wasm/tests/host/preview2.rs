//! Components that import interfaces of WASI 0.2: what touches nothing is there, the rest is named.

use crate::{
    lines::Lines,
    made::{Parts, contract_with, core_of, encoded, signature},
    world::{World, spec},
};
use paifang_pipeline::testkit::TestCall;
use paifang_wasm::Spec;
use serde_json::json;
use wit_parser::{
    LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, TypeDefKind, WasmImport, WorldItem,
    abi::AbiVariant,
};

/// Where results are put, beyond what stages answer from.
const AT: u32 = 30_000;

/// The contract and WASI beside it.
fn resolve() -> Resolve {
    let mark = "/// All imports.";
    contract_with(mark, &(include_str!("wasi.wit").to_owned() + mark))
}

/// Imports of all functions whose name has one of these parts, as `$name`, and drops of resources.
fn imports(resolve: &Resolve, wanted: &[&str]) -> String {
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let (_, world) = resolve.worlds.iter().find(|(_, world)| world.name == "with-wasi").unwrap();
    let mut text = String::new();
    let mut import = |(module, name): (String, String), types: &str| {
        let whole = format!("{module}.{name}");
        if module.starts_with("wasi:") && wanted.iter().any(|wanted| whole.contains(wanted)) {
            let at = name.find(']').map_or(0, |at| at + 1);
            let drop = if name.starts_with("[resource-drop]") { "drop-" } else { "" };
            let interface = module.split(['/', '@']).nth(1).unwrap();
            let id = format!("${interface}.{drop}{}", &name[at..]);
            text += &format!("(import {module:?} {name:?} (func {id} {types}))\n");
        }
    };
    for (key, item) in &world.imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = Some(key);
        for func in resolve.interfaces[*id].functions.values() {
            let name = resolve.wasm_import_name(mangling, WasmImport::Func { interface, func });
            import(name, &signature(resolve, AbiVariant::GuestImport, func));
        }
        for id in resolve.interfaces[*id].types.values() {
            if matches!(resolve.types[*id].kind, TypeDefKind::Resource) {
                let drop = WasmImport::ResourceIntrinsic {
                    interface,
                    resource: *id,
                    intrinsic: ResourceIntrinsic::ImportedDrop,
                };
                import(resolve.wasm_import_name(mangling, drop), "(param i32)");
            }
        }
    }
    text
}

/// A component that imports these, and does this when it is configured and when it is asked.
fn handler(wanted: &[&str], configures: &str, does: &str) -> Vec<u8> {
    let resolve = resolve();
    let fields = imports(&resolve, wanted)
        + r#"(global $held (mut i32) (i32.const -1)) (data (i32.const 20000) "a line\n")"#;
    let parts = Parts { fields: &fields, does, configures, ..Parts::default() };
    encoded(&core_of(&resolve, "with-wasi", &parts))
}

async fn called(file: &[u8], spec: Spec) -> (u16, Option<String>) {
    let step = World::new().step_of(file, spec, &json!({}));
    let reply = step.run(TestCall::get("/")).await.0;
    (reply.status(), reply.error())
}

const PASSED: (u16, Option<String>) = (200, None);

fn trapped() -> (u16, Option<String>) {
    (500, Some("PF-5000".to_owned()))
}

/// Traps unless the word there is that.
fn is(at: u32, number: u32) -> String {
    format!("(if (i32.ne (i32.load (i32.const {at})) (i32.const {number})) (then unreachable))")
}

#[tokio::test]
async fn all_that_is_there_is_linked() {
    let all = ["wasi:cli", "wasi:io", "wasi:clocks", "wasi:random", "wasi:filesystem"];
    let file = handler(&all, "", "");
    let world = World::new();
    let module = world.host.load(spec(), &file).unwrap();
    assert_eq!(module.needs(), ["clock", "random"]);
    assert!(module.imports().contains(&"wasi:io/streams"), "{:?}", module.imports());
    assert_eq!(called(&file, spec()).await, PASSED);
}

#[tokio::test]
async fn what_is_printed_are_lines_of_the_log() {
    let wanted = ["get-stdout", "get-stderr", "blocking-write-and-flush"];
    let write = format!(
        "i32.const 20000 i32.const 7 i32.const {AT}
         call $streams.output-stream.blocking-write-and-flush {}",
        is(AT, 0)
    );
    // What was taken when it was configured is there when it is asked.
    let configures =
        format!("(global.set $held (call $stdout.get-stdout)) global.get $held {write}");
    let does = format!("global.get $held {write} call $stderr.get-stderr {write}");
    let file = handler(&wanted, &configures, &does);
    let world = World::new();
    let lines = Lines::default();
    let step = world.step_of(&file, spec(), &json!({}));
    let guard = lines.listen();
    for _ in 0..2 {
        let reply = step.run(TestCall::get("/")).await.0;
        assert_eq!(reply.status(), 200, "{}", reply.body());
    }
    drop(guard);
    // Each instance is configured before its call.
    assert_eq!(lines.seen(), ["a line"; 6]);

    let mut silent = spec();
    silent.grants.log = false;
    let guard = lines.listen();
    assert_eq!(called(&file, silent).await, PASSED);
    drop(guard);
    assert_eq!(lines.seen().len(), 6);
}

#[tokio::test]
async fn there_are_no_files_arguments_variables_or_input() {
    let wanted = ["environment", "preopens", "get-stdin", "blocking-read", "terminal-stdout"];
    let empty = |call: &str| {
        format!(
            "(i32.store (i32.const {AT}) (i32.const 9)) (i32.store (i32.const {}) (i32.const 9))
            (call {call} (i32.const {AT})) {}",
            AT + 4,
            is(AT + 4, 0)
        )
    };
    let does = [
        empty("$environment.get-environment"),
        empty("$environment.get-arguments"),
        empty("$preopens.get-directories"),
        // No current directory and no terminal: an option in its first byte.
        format!("(call $environment.initial-cwd (i32.const {AT}))"),
        format!("(if (i32.load8_u (i32.const {AT})) (then unreachable))"),
        format!("(call $terminal-stdout.get-terminal-stdout (i32.const {AT}))"),
        format!("(if (i32.load8_u (i32.const {AT})) (then unreachable))"),
        // An error, and of its cases the second: closed.
        format!("(i64.store (i32.const {AT}) (i64.const 0))"),
        "call $stdin.get-stdin".to_owned(),
        format!("i64.const 10 i32.const {AT} call $streams.input-stream.blocking-read"),
        is(AT, 1),
        is(AT + 4, 1),
    ]
    .join("\n");
    assert_eq!(called(&handler(&wanted, "", &does), spec()).await, PASSED);
}

#[tokio::test]
async fn clocks_and_randomness_need_their_grants() {
    for (wanted, does, grant) in [
        ("wall-clock@0.2.6.now", format!("i32.const {AT} call $wall-clock.now"), "clock"),
        ("monotonic-clock@0.2.6.now", "(drop (call $monotonic-clock.now))".to_owned(), "clock"),
        ("get-random-u64", "(drop (call $random.get-random-u64))".to_owned(), "random"),
        (
            "get-random-bytes",
            format!(
                "i64.const 100 i32.const {AT} call $random.get-random-bytes {}",
                is(AT + 4, 100)
            ),
            "random",
        ),
        (
            "insecure-seed.insecure-seed",
            format!("i32.const {AT} call $insecure-seed.insecure-seed"),
            "random",
        ),
    ] {
        let wanted = wanted.replace("insecure-seed.insecure", "insecure-seed@0.2.6.insecure");
        let file = handler(&[&wanted], "", &does);
        assert_eq!(called(&file, spec()).await, PASSED, "{wanted}");
        let mut without = spec();
        (without.grants.clock, without.grants.random) = (grant != "clock", grant != "random");
        let error = World::new().host.load(without, &file).err().unwrap();
        assert_eq!(error.pointer, "/grants", "{error:?}");
        assert!(error.message.contains(&format!("`{grant}`")), "{error:?}");
    }
}

#[tokio::test]
async fn who_ends_the_process_or_sleeps_ends_the_call() {
    for (wanted, does) in [
        (&["wasi:cli/exit"][..], "(call $exit.exit (i32.const 0))"),
        (&["wasi:cli/exit"], "(call $exit.exit-with-code (i32.const 3))"),
        (
            &["subscribe-duration", "pollable.block"],
            "(call $poll.pollable.block
                (call $monotonic-clock.subscribe-duration (i64.const 1000000000)))",
        ),
        (&["get-random-bytes"], "(call $random.get-random-bytes (i64.const 70000) (i32.const 0))"),
    ] {
        assert_eq!(called(&handler(wanted, "", does), spec()).await, trapped(), "{does}");
    }
    // A time that is there is not waited for.
    let does = "(call $poll.pollable.block
        (call $monotonic-clock.subscribe-duration (i64.const 0)))";
    let file = handler(&["subscribe-duration", "pollable.block"], "", does);
    assert_eq!(called(&file, spec()).await, PASSED);
}

#[tokio::test]
async fn handles_are_bounded() {
    let many = |drop: &str| {
        format!(
            "(loop (call {drop} (call $stdout.get-stdout))
            (global.set $held (i32.add (global.get $held) (i32.const 1)))
            (br_if 0 (i32.lt_s (global.get $held) (i32.const 1000))))"
        )
    };
    let wanted = ["get-stdout", "[resource-drop]output-stream"];
    let given_back = handler(&wanted, "", &many("$streams.drop-output-stream"));
    assert_eq!(called(&given_back, spec()).await, PASSED);
    let kept =
        many("$streams.drop-output-stream").replace("(call $streams.drop-output-stream", "(drop");
    assert_eq!(called(&handler(&wanted, "", &kept), spec()).await, trapped());
    // One that is not its own.
    let does = "(call $streams.drop-output-stream (i32.const 77))";
    assert_eq!(called(&handler(&wanted, "", does), spec()).await, trapped());
}

#[test]
fn sockets_are_named() {
    let file = handler(&["wasi:sockets"], "", "");
    let error = World::new().host.load(spec(), &file).err().unwrap();
    assert!(error.message.contains("`wasi:sockets/"), "{error:?}");
    assert!(error.help.is_some());
}
