//! Modules that are odd, or look like handlers and are none: features that are off, worlds and
//! records other than the contract's. Each is refused, with what is wrong and how to mend it.

use crate::{
    made::{Parts, contract_with, core, core_of, encoded, refused},
    world::{World, file, spec},
};
use paifang_pipeline::testkit::TestCall;
use serde_json::json;

/// A stage with these fields beside it.
fn with(fields: &str) -> Vec<u8> {
    core("request-stage", &Parts { fields, ..Parts::default() })
}

#[test]
fn features_that_are_off() {
    let world = World::new();
    let memory =
        |memory| core("request-stage", &Parts { memory: Some(memory), ..Parts::default() });
    let swizzle = "(func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))";
    for (what, file, said) in [
        ("two memories", with("(memory 1)"), "memories count of 2"),
        ("a 64-bit memory", memory(r#"(memory (export "memory") i64 1)"#), "memory64"),
        ("a shared memory", memory(r#"(memory (export "memory") 1 2 shared)"#), "threads"),
        ("atomics", with("(func (drop (i32.atomic.load (i32.const 0))))"), "threads"),
        ("tail calls", with("(func $t return_call $t)"), "tail calls"),
        ("pages", memory(r#"(memory (export "memory") 1 (pagesize 1))"#), "page size"),
        ("relaxed SIMD", with(swizzle), "relaxed simd"),
        ("many tables", with(&"(table 1 funcref)".repeat(3)), "tables count of 3"),
        ("a huge memory", memory(r#"(memory (export "memory") 65536)"#), "4294967296"),
        ("a huge table", with("(table 10000000 funcref)"), "10000000"),
        ("many globals", with(&"(global i64 (i64.const 1))".repeat(200_000)), "instance size"),
    ] {
        for file in [file.clone(), encoded(&file)] {
            let error = refused(&world, what, &file);
            assert!(error.message.to_lowercase().contains(said), "{what}: {error:?}");
            assert!(error.help.is_some(), "{what}: {error:?}");
        }
    }
}

#[test]
fn what_begins_larger_than_its_limit_is_no_step() {
    let world = World::new();
    for (what, file, said) in [
        (
            "a memory",
            core(
                "request-stage",
                &Parts { memory: Some(r#"(memory (export "memory") 300)"#), ..Parts::default() },
            ),
            "more memory than its limit of 16777216",
        ),
        ("a table", with("(table 20000 funcref)"), "more table than its limit of 10000"),
    ] {
        let module = world.host.load(spec(), &file).unwrap();
        let error = world.build(&module, &json!({})).err().unwrap();
        assert!(error.message.contains(said), "{what}: {error:?}");
    }
}

#[test]
fn a_stage_of_another_shape() {
    let world = World::new();
    let handle = "handle: func(call: call) -> request-verdict;";
    for (what, from, to) in [
        ("another parameter", handle, "handle: func(call: u32) -> request-verdict;"),
        ("a parameter more", handle, "handle: func(call: call, more: u8) -> request-verdict;"),
        ("no result", handle, "handle: func(call: call);"),
        ("a resource", handle, "resource r; handle: func(call: call) -> own<r>;"),
        ("a field less", "    method: option<string>,\n", ""),
        ("a field more", "    method: option<string>,\n", "method: option<string>, more: u8,"),
        ("another name", "    method: option<string>,\n", "verb: option<string>,"),
        ("a case less", "    fail(string),\n", ""),
        ("a case more", "    unavailable,\n  }", "    unavailable, more,\n  }"),
    ] {
        let file = core_of(&contract_with(from, to), "request-stage", &Parts::default());
        let module = world.host.load(spec(), &file).unwrap();
        let error = world.build(&module, &json!({})).err().unwrap_or_else(|| panic!("{what}"));
        assert!(error.message.contains("differs from the contract"), "{what}: {error:?}");
    }
}

#[test]
fn a_stage_without_its_function_is_no_stage() {
    let world = World::new();
    let handle = "handle: func(call: call) -> request-verdict;";
    for to in ["handel: func(call: call) -> request-verdict;", "type handle = u8; f: func();"] {
        let file = core_of(&contract_with(handle, to), "request-stage", &Parts::default());
        let error = refused(&world, to, &file);
        assert!(error.message.contains("no function `handle`"), "{error:?}");
    }
    // What is there beside it is nobody's concern.
    let to = "handle: func(call: call) -> request-verdict; more: func();";
    let file = core_of(&contract_with(handle, to), "request-stage", &Parts::default());
    let module = world.host.load(spec(), &file).unwrap();
    assert!(world.build(&module, &json!({})).is_ok());
}

#[test]
fn other_versions_and_other_worlds() {
    let world = World::new();
    for (to, said) in [
        ("paifang:handler@0.2.0;", "`paifang:handler/request@0.2.0`; this gateway has 0.1.0"),
        ("paifang:handler@1.0.0;", "`paifang:handler/request@1.0.0`"),
        ("paifang:handler@0.1.1-rc.1;", "another version"),
        ("paifang:handler;", "`paifang:handler/request`"),
        ("wasi:http@0.2.6;", "exports no stage of paifang:handler@0.1.0"),
        ("wasi:http@0.1.0;", "it exports `wasi:http/request@0.1.0`"),
        ("paifang:handlers@0.1.0;", "it exports `paifang:handlers/request@0.1.0`"),
    ] {
        let resolve = contract_with("paifang:handler@0.1.0;", to);
        let error = refused(&world, to, &core_of(&resolve, "request-stage", &Parts::default()));
        assert!(error.message.contains(said), "{to}: {error:?}");
        assert!(error.help.is_some(), "{to}: {error:?}");
    }
    let later = contract_with("paifang:handler@0.1.0;", "paifang:handler@0.1.1;");
    let module = world.host.load(spec(), &core_of(&later, "handler", &Parts::default())).unwrap();
    assert!(world.build(&module, &json!({})).is_ok());
}

#[tokio::test]
async fn a_stage_of_another_package_is_not_called() {
    let world = World::new();
    // It stands before ours, and traps.
    let resolve = contract_with(
        "/// All imports.",
        "package another:one@0.1.0 { interface request { handle: func(); } }
        world both { export another:one/request@0.1.0; export request; }",
    );
    let file = core_of(&resolve, "both", &Parts::default());
    let step = world.step_of(&file, spec(), &json!({}));
    let (reply, origin) = step.run(TestCall::get("/")).await;
    assert_eq!((reply.status(), origin.requests()), (200, 1));
}

#[test]
fn a_stage_in_two_versions_is_refused() {
    // The encoder names an instance once; here it has one more name.
    let mut file = encoded(&with(""));
    let mut exports = wasm_encoder::ComponentExportSection::new();
    let name = "paifang:handler/request@0.1.3";
    exports.export(name, wasm_encoder::ComponentExportKind::Instance, 1, None);
    wasm_encoder::ComponentSection::append_to_component(&exports, &mut file);
    let error = refused(&World::new(), "two versions", &file);
    assert!(error.message.contains("two versions"), "{error:?}");
}

#[test]
fn files_of_other_kinds() {
    let world = World::new();
    let elf = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let elf = &elf[..elf.len().min(1 << 20)];
    let text = wat::parse_str("(module)").map(|_| "(module (func))").unwrap();
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("an ELF", elf),
        ("WAT", text.as_bytes()),
        ("a script", b"#!/bin/sh\nexit 0\n"),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("a page", b"<!DOCTYPE html><html>404</html>"),
    ] {
        let error = refused(&world, what, bytes);
        assert!(error.message.contains("no WebAssembly"), "{what}: {error:?}");
        assert!(error.help.is_some(), "{what}");
    }
    // Code that wasmtime has compiled is an ELF too, and never taken.
    let engine = wasmtime::Engine::default();
    let compiled = engine.precompile_component(&encoded(&with(""))).unwrap();
    let error = refused(&world, "a .cwasm", &compiled);
    assert!(error.message.contains("no WebAssembly"), "{error:?}");
    assert!(world.host.load(spec(), &file("testbed-bare")).is_ok());
}
