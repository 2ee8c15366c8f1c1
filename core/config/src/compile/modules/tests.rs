//! Modules become kinds of steps; what is wrong with one is told once; what did not change stays.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use crate::diff::diff;
use crate::testing::{BASE, Workshop};

const RISK: &str = "wasm: { risk: { file: risk.wasm } }
chains: { secured: [ { risk: { threshold: 80 } } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: secured } ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ { answer: {}, when: { method: [ GET ] } } ] }
";

fn shop(rest: &str, modules: &[(&str, &str)]) -> Workshop {
    let shop = Workshop::with(rest);
    for (path, text) in modules {
        shop.files.write(*path, *text);
    }
    shop
}

fn told(shop: &Workshop) -> Vec<String> {
    shop.host.as_ref().unwrap().told()
}

#[test]
fn a_module_is_a_kind_of_step_like_any_other() {
    let mut shop = shop(
        "wasm: { risk: { file: risk.wasm }, gatekeeper: { file: sub/../gate.wasm } }
apis:
  - { id: a, match: { path: /a }, handlers: [ { risk: {}, when: { method: [ GET ] } }, gatekeeper: {} ] }
",
        &[("risk.wasm", "module"), ("gate.wasm", "module that answers")],
    );
    let snapshot = shop.build(None).unwrap();
    let kinds: Vec<&str> =
        snapshot.api("a").unwrap().api.chain.steps().iter().map(|step| &*step.kind).collect();
    assert_eq!(kinds, ["risk", "gatekeeper"]);
    assert_eq!(told(&shop), ["risk", "gatekeeper"]);
    let names: Vec<&str> = snapshot.modules().map(|(name, _)| name).collect();
    assert_eq!(names, ["risk", "gatekeeper"]);
}

#[test]
fn everything_wrong_is_told_together_and_steps_of_a_wrong_module_say_nothing_more() {
    let text = "wasm:
  absent: { file: none.wasm }
  large: { file: large.wasm }
  other: { file: risk.wasm, sha256: 0000000000000000000000000000000000000000000000000000000000000000 }
  broken: { file: broken.wasm, limits: { memory: 1MiB } }
  text: { file: text.wasm }
  auth: { file: risk.wasm }
  fine: { file: risk.wasm }
apis:
  - { id: a, match: { path: /a }, handlers: [ absent: {}, large: {}, other: {}, broken: {}, text: {} ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ fine: { threshold: high }, abset: {} ] }
";
    let mut shop = shop(
        text,
        &[("risk.wasm", "module"), ("broken.wasm", "broken"), ("text.wasm", "something else")],
    );
    shop.files.write("large.wasm", vec![b'x'; (64 << 20) + 1]);
    let sha256 = crate::yaml::Digest::of_bytes(b"module");
    assert_eq!(
        shop.wrong(),
        format!(
            "\
gateway.yaml:5:19: no such file: none.wasm
gateway.yaml:6:18: large.wasm has more than 64MiB
gateway.yaml:7:37: risk.wasm is not the file that was locked: its sha256 is {sha256}, not {zeros} \
             (if the file is meant to be another one, `paifang lock` writes its sha256)
gateway.yaml:8:50: it needs at least 32MiB (write memory: 32MiB)
gateway.yaml:9:17: it is no component
gateway.yaml:10:3: there is a native handler `auth` already (give this one another name)
gateway.yaml:14:84: expected a number
gateway.yaml:14:92: there is no handler `abset` (did you mean `absent`?)",
            zeros = "0".repeat(64)
        )
    );
}

#[test]
fn without_a_host_every_entry_is_an_error() {
    let mut shop = shop(RISK, &[]);
    shop.host = None;
    assert_eq!(
        shop.wrong(),
        "gateway.yaml:4:9: the handler `risk` cannot run: this build has no WASM host \
         (remove the entry and the steps that use it)"
    );
}

#[test]
fn a_listener_s_steps_wait_for_their_module_too() {
    let mut shop = Workshop::new(
        "version: 1
listeners: [ { name: plain, address: 127.0.0.1:0, accept: [ risk: {} ] } ]
wasm: { risk: { file: none.wasm } }
",
    );
    assert_eq!(shop.wrong(), "gateway.yaml:3:23: no such file: none.wasm");
    shop.files.write("none.wasm", "module");
    assert!(shop.wrong().contains("`risk` is for calls, not for connections"));
}

#[test]
fn an_api_is_built_again_when_its_module_changed_and_only_then() {
    let mut shop = shop(RISK, &[("risk.wasm", "module one"), ("moved.wasm", "module two")]);
    let first = shop.build(None).unwrap();
    assert_eq!((told(&shop), first.built()), (vec!["risk".to_owned()], 2));

    let second = shop.build(Some(&first)).unwrap();
    assert_eq!((told(&shop), second.built(), second.hash()), (vec![], 0, first.hash()));

    // Other bytes.
    shop.files.write("risk.wasm", "module two");
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!((told(&shop).len(), third.built()), (1, 1));
    assert_ne!(third.hash(), second.hash());
    assert!(Arc::ptr_eq(second.api("b").unwrap(), third.api("b").unwrap()));

    // The same bytes elsewhere, now locked: nothing that runs is another.
    let sha256 = crate::yaml::Digest::of_bytes(b"module two");
    let locked = RISK
        .replace("file: risk.wasm", &format!("file: moved.wasm, sha256: {sha256}, limits: {{}}"));
    shop.files.write("gateway.yaml", format!("{BASE}{locked}"));
    let fourth = shop.build(Some(&third)).unwrap();
    assert_eq!((told(&shop), fourth.built()), (vec![], 0));
    assert_eq!(fourth.module("risk").unwrap().file.to_str(), Some("moved.wasm"));

    // Another limit.
    shop.files.write(
        "gateway.yaml",
        format!("{BASE}{}", locked.replace("limits: {}", "limits: { cpu: 20ms }")),
    );
    let fifth = shop.build(Some(&fourth)).unwrap();
    assert_eq!((told(&shop).len(), fifth.built()), (1, 1));

    // The wrong file is refused, whatever was built before.
    shop.files.write("moved.wasm", "module three");
    assert!(shop.build(Some(&fifth)).unwrap_err().to_string().contains("not the file"));
    assert_eq!(told(&shop), Vec::<String>::new());
}

#[test]
fn modules_of_defaults_and_of_chains_inside_chains_count() {
    let text = "wasm: { deep: { file: deep.wasm }, all: { file: all.wasm } }
defaults: { handlers: [ all: {} ] }
chains: { outer: [ { chain: inner } ], inner: [ { deep: {} } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: outer } ] }
  - { id: b, match: { path: /b }, upstream: orders }
";
    let mut shop = shop(text, &[("deep.wasm", "module"), ("all.wasm", "module")]);
    let first = shop.build(None).unwrap();
    shop.files.write("deep.wasm", "module two");
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!(second.built(), 1);
    assert!(Arc::ptr_eq(first.fallback(), second.fallback()));
    shop.files.write("all.wasm", "module two");
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(third.built(), 2);
    assert!(!Arc::ptr_eq(second.fallback(), third.fallback()));
}

#[test]
fn a_module_is_found_beside_the_file_that_names_it() {
    let mut shop = Workshop::with("include: [ apis/*.yaml ]\n");
    shop.files.write("apis/a.yaml", "wasm: { risk: { file: risk.wasm, reuse: 10 } }\n");
    shop.files.write("apis/risk.wasm", "module");
    assert!(shop.build(None).unwrap().module("risk").is_some());
    shop.files.write("over/prod.yaml", "wasm: { risk: { file: risk.wasm } }\n");
    shop.files.write("over/risk.wasm", "module of the overlay");
    shop.overlays = vec!["over/prod.yaml"];
    let module = shop.build(None).unwrap().module("risk").unwrap().clone();
    assert_eq!(module.file.to_str(), Some("over/risk.wasm"));
}

#[test]
fn the_difference_names_entries_and_what_their_files_are() {
    let mut shop = shop(RISK, &[("risk.wasm", "module one"), ("new.wasm", "module")]);
    let first = shop.build(None).unwrap();
    shop.files.write("risk.wasm", "module two");
    let text = RISK.replace(
        "risk.wasm }",
        "risk.wasm, grants: [ kv, http: [ orders ] ], breaker: off }, new: { file: new.wasm }",
    );
    shop.files.write("gateway.yaml", format!("{BASE}{text}"));
    let second = shop.build(Some(&first)).unwrap();
    let digest = |text: &str| crate::yaml::Digest::of_bytes(text.as_bytes()).to_string();
    assert_eq!(
        diff(&first, &second).to_string(),
        format!(
            "\
+ wasm new
~ wasm risk
    grants: [] -> [kv, {{ http: [orders] }}]
    breaker: {{ failures: 50%, calls: 20, window: 10s, backoff: 1s, backoff_max: 1m }} -> off
    sha256: {} -> {}
",
            digest("module one"),
            digest("module two")
        )
    );
}

#[test]
fn a_step_is_explained_with_its_module() {
    let mut shop = shop(RISK, &[("risk.wasm", "module")]);
    let snapshot = shop.build(None).unwrap();
    let explained = crate::explain::api(&snapshot, "a").unwrap();
    let text = explained.to_string();
    let sha256 = crate::yaml::Digest::of_bytes(b"module");
    let step = format!(
        "    1. risk
       written at  gateway.yaml:5  through the chain at gateway.yaml:7
       module      risk.wasm
       sha256      {sha256}
       exports     request
       limits      cpu 10ms
       stages      request
       config      {{ threshold: 80 }}
"
    );
    assert!(text.contains(&step), "{text}");
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["steps"][0]["module"]["about"][0][0], "exports");
}

#[test]
fn the_schema_of_a_config_knows_the_kinds_of_its_modules() {
    let mut shop = shop(RISK, &[("risk.wasm", "module")]);
    let snapshot = shop.build(None).unwrap();
    let schema = crate::schema::with_modules(&shop.registry, &snapshot);
    let forms = schema["$defs"]["Step"]["oneOf"].as_array().unwrap();
    let has = |kind: &str| forms.iter().any(|form| form["required"][0] == kind);
    assert!(has("risk") && has("answer"), "{forms:?}");
}
