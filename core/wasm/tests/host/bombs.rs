//! Small files that would cost the compiler minutes or gigabytes: refused before it begins.

use crate::{
    files::with_section,
    made::{Parts, core, encoded, refused},
    world::{World, spec},
};
use paifang_wasm::cases;
use serde_json::json;
use std::{fmt::Write, time::Instant};

/// A stage with these fields beside it.
fn with(fields: &str) -> Vec<u8> {
    core("request-stage", &Parts { fields, ..Parts::default() })
}

/// A component of nothing but this.
fn component(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).unwrap()
}

/// Components that instantiate one another so often, so deep.
fn multiplied(times: usize, deep: usize) -> Vec<u8> {
    let mut inner = "(component $c (core module $m) (core instance (instantiate $m)))".to_owned();
    for _ in 1..deep {
        inner = format!("(component $c {inner} {})", "(instance (instantiate $c))".repeat(times));
    }
    component(&format!("{inner} (instance (instantiate $c))"))
}

/// A function whose loops go through many locals.
fn tangled(locals: usize, loops: usize) -> String {
    let mut text = format!("(func (param i32) (local {})", "i32 ".repeat(locals));
    for n in 0..loops {
        write!(
            text,
            "(loop (br_if 0 (local.tee {} (i32.add (local.get {}) (local.get {})))))",
            n * 7 % locals + 1,
            n % locals,
            n * 13 % locals
        )
        .unwrap();
    }
    text + ")"
}

#[test]
fn what_would_take_the_compiler_too_long() {
    let world = World::new();
    let wide = format!(
        "(type $w (func (param {0}) (result {0}))) (func {1} {2} {3})",
        "i32 ".repeat(900),
        "(i32.const 1)".repeat(900),
        "loop (type $w) end ".repeat(5_000),
        "drop ".repeat(900)
    );
    for (what, file, said) in [
        ("a tangle", with(&tangled(1_000, 3_000)), "1001 locals"),
        ("wide blocks", with(&wide), "branches"),
        ("long code", with(&format!("(func {})", "nop ".repeat(300_000))), "a function of"),
        ("functions", with(&"(func)".repeat(50_001)), "50000 functions"),
        ("components that multiply", multiplied(200, 5), "100 instances"),
        ("a little less", multiplied(5, 5), "100 instances"),
        ("components within components", component(&nested(9)), "within one another"),
        (
            "a component that is imported",
            component(r#"(import "c" (component))"#),
            "whole components",
        ),
        (
            "a component from outside",
            component("(component $a) (component (alias outer 1 $a (component)))"),
            "whole components",
        ),
        ("core instances", component(&instances(50)), "core module instances"),
        ("a long file", vec![0; (64 << 20) + 1], "67108865 bytes"),
    ] {
        let error = refused(&world, what, &file);
        assert!(error.message.contains(said), "{what}: {error:?}");
        assert!(error.help.is_some(), "{what}: {error:?}");
    }
}

fn nested(deep: usize) -> String {
    (0..deep).fold(String::new(), |inner, _| format!("(component {inner})"))
}

fn instances(count: usize) -> String {
    format!("(core module $m) {}", "(core instance (instantiate $m))".repeat(count))
}

#[test]
fn what_is_large_and_honest_is_taken() {
    let world = World::new();
    for (what, file) in [
        ("locals", with(&tangled(1_000, 300))),
        ("loops", with(&tangled(10, 3_000))),
        ("code", with(&format!("(func {})", "nop ".repeat(200_000)))),
        ("functions", with(&"(func)".repeat(5_000))),
        ("types", with(&"(type (func (param i32)))".repeat(50_000))),
        (
            "exports",
            with(&(0..5_000).fold("(func $e)".to_owned(), |text, n| {
                text + &format!("(export \"{n}\" (func $e))")
            })),
        ),
        ("segments", with(&"(data (i32.const 0) \"x\")".repeat(5_000))),
    ] {
        let module = world.host.load(spec(), &file).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        let built = world.build(&module, &json!({}));
        assert!(built.is_ok(), "{what}: {:?}", built.err());
    }
}

#[test]
fn sections_that_are_malformed_or_huge() {
    let world = World::new();
    let file = encoded(&with(""));
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let twice = with_section(&file, "paifang:schema", b"{}");
    // YAML that is small and becomes large.
    let mut laughs = "- name: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, next) in "abcdefghi".chars().zip("bcdefghij".chars()) {
        let many = vec![format!("*{one}"); 9].join(", ");
        writeln!(laughs, "- {next}: &{next} [{many}]").unwrap();
    }
    for (section, data, said) in [
        ("paifang:schema", vec![b' '; (1 << 20) + 1], "1048577 bytes"),
        ("paifang:probes", vec![b' '; (1 << 20) + 1], "1048577 bytes"),
        ("paifang:schema", b"".to_vec(), "schema"),
        ("paifang:schema", b"\xff\xfe".to_vec(), "schema"),
        ("paifang:schema", deep.clone().into_bytes(), "schema"),
        ("paifang:schema", b"[]".to_vec(), "schema"),
        ("paifang:schema", br#"{"$ref":"https://example.com/x"}"#.to_vec(), "schema"),
        ("paifang:schema", br#"{"$ref":"file:///etc/passwd"}"#.to_vec(), "schema"),
        ("paifang:schema", br#"{"pattern":"("}"#.to_vec(), "schema"),
        ("paifang:schema", br#"{"pattern":"((a{999}){999}){999}"}"#.to_vec(), "schema"),
        ("paifang:probes", b"".to_vec(), "probes"),
        ("paifang:probes", b"\xff\xfe".to_vec(), "UTF-8"),
        ("paifang:probes", deep.into_bytes(), "probes"),
        ("paifang:probes", laughs.into_bytes(), "probes"),
        ("paifang:probes", "- { name: x, request: {} }\n".repeat(1_001).into_bytes(), "1000"),
    ] {
        let error = refused(&world, said, &with_section(&file, section, &data));
        assert!(error.message.contains(said), "{section}: {error:?}");
    }
    let error = refused(&world, "twice", &with_section(&twice, "paifang:schema", b"{}"));
    assert!(error.message.contains("twice"), "{error:?}");
    // The like where one of them stands in the core module within.
    let inner = encoded(&with_section(&with(""), "paifang:probes", b"[]"));
    let error = refused(&world, "twice", &with_section(&inner, "paifang:probes", b"[]"));
    assert!(error.message.contains("twice"), "{error:?}");
    assert!(world.host.load(spec(), &file).is_ok());
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let world = World::new();
    let file = with("");
    for schema in [
        r##"{"$ref":"#"}"##,
        r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##,
        r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
        r##"{"not":{"$ref":"#"}}"##,
    ] {
        let file = with_section(&file, "paifang:schema", schema.as_bytes());
        // Whether it is taken is the schema's affair; that it ends is ours.
        if let Ok(module) = world.host.load(spec(), &file) {
            let _ = world.build(&module, &json!({ "a": 1 }));
        }
    }
}

#[test]
fn probes_have_an_end() {
    let world = World::new();
    let module = world.host.load(spec(), &with("")).unwrap();
    let case = &cases::parse("- { name: long, request: {}, repeat: 10000 }").unwrap()[0];
    let verdict = cases::run_until(&module, case, Instant::now());
    let cases::Verdict::Failed(why) = verdict else { panic!("it passed") };
    assert!(why[0].contains("too long"), "{why:?}");
}
