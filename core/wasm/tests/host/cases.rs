//! The handlers that come with the gateway pass their own cases in this host.

use crate::world::{World, file, spec};
use paifang_wasm::{
    Spec,
    cases::{Verdict, parse, run},
};
use std::{fs, path::Path};

fn passes(handler: &str) {
    let world = World::new();
    // Loading runs its probes.
    let spec = Spec { name: handler.into(), ..spec() };
    let module = world.host.load(spec, &file(handler)).unwrap_or_else(|e| panic!("{e:?}"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-handlers").join(handler);
    let text = fs::read_to_string(source.join("tests/cases.yaml")).unwrap();
    for case in parse(&text).unwrap() {
        assert_eq!(run(&module, &case), Verdict::Passed, "{handler}: {}", case.name);
    }
}

#[test]
fn auth() {
    passes("auth");
}

#[test]
fn mock() {
    passes("mock");
}

#[test]
fn risk_score() {
    passes("risk-score");
}

#[test]
fn signature() {
    passes("signature");
}

#[test]
fn throttle() {
    passes("throttle");
}

#[test]
fn a_case_that_expects_otherwise_fails() {
    let world = World::new();
    let module = world.module("testbed-sync", spec());
    for (wrong, said) in [
        ("- { name: a, request: {}, verdict: { respond: { status: 200 } } }", "Respond"),
        ("- { name: a, request: {}, verdict: { next: { headers: { x: y } } } }", "x"),
        ("- { name: a, request: {}, verdict: fail }", "fail"),
        ("- { name: a, request: {}, kv_after: { k: v } }", "kv"),
        ("- { name: a, config: { request: [panic] }, request: {} }", "trap"),
        ("- { name: a, config: { configure: [panic] }, request: {} }", "refused"),
        ("- { name: a, request: {}, response: {}, response_verdict: fail }", "Fail"),
    ] {
        match run(&module, &parse(wrong).unwrap()[0]) {
            Verdict::Passed => panic!("{wrong} passed"),
            Verdict::Failed(why) => assert!(why.join(" ").contains(said), "{wrong}: {why:?}"),
        }
    }
    assert!(parse("").is_err() && parse("[]").is_err());
    assert!(parse("- { name: a, request: {}, unknown: 1 }").is_err());
}
