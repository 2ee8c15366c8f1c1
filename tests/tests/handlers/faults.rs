//! Handlers that misbehave: their own call ends, and no other.

use crate::support::{config, module};
use paifang_tests::harness::{Setup, soon};

fn yaml(request: &str) -> String {
    config(
        "  bed: { file: bed.wasm, breaker: off, grants: [ log, clock, random, kv, crypto, metrics ] }\n  \
         fine: { file: bed.wasm, grants: [ log, clock, random, kv, crypto, metrics ] }",
        &format!(
            "apis:\n  - id: bad\n    match: {{ path: /bad }}\n    handlers: [ bed: {{ request: [ {request} ] }}, respond: {{ body: x }} ]\n  \
             - id: good\n    match: {{ path: /good }}\n    handlers: [ fine: {{ request: [ {{ set: [ x-a, \"1\" ] }} ] }}, respond: {{ body: good }} ]\n"
        ),
    )
}

#[tokio::test]
async fn each_fault_ends_its_own_call() {
    let faults = [
        ("loop", "PF-5001"),
        ("recurse", "PF-5000"),
        ("recurse_wide", "PF-5000"),
        ("exhaust", "PF-5001"),
        ("panic", "PF-5000"),
        ("trap", "PF-5000"),
        ("{ set: [ connection, close ] }", "PF-5000"),
        ("{ set: [ \":path\", / ] }", "PF-5000"),
        ("{ set_bytes: [ x-a, \"610d0a62\" ] }", "PF-5000"),
        ("{ set_many: 1000 }", "PF-5000"),
        ("{ path: /a/../b }", "PF-5000"),
        ("{ need_body: x }", "PF-5000"),
    ];
    let apis: String = faults
        .iter()
        .enumerate()
        .map(|(n, (fault, _))| {
            format!(
                "  - id: bad{n}\n    match: {{ path: /bad/{n} }}\n    \
                 handlers: [ bed: {{ request: [ {fault} ] }}, respond: {{ body: x }} ]\n"
            )
        })
        .collect();
    let yaml = format!("{}{apis}", yaml("panic"));
    let running = Setup::new(yaml).file("bed.wasm", module("testbed-head-only")).start().await;
    let (mut bad, mut good) = (running.connect().await, running.connect().await);
    for (n, (fault, code)) in faults.iter().enumerate() {
        for _ in 0..2 {
            let path = format!("/bad/{n}");
            let (answer, fine) = tokio::join!(soon(bad.get(&path)), soon(good.get("/good")));
            assert_eq!(answer.code(), *code, "{fault}: {answer:?}");
            assert_eq!((fine.status(), fine.text()), (200, "good"), "beside {fault}");
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn a_release_with_a_bad_module_is_refused_and_the_old_one_serves() {
    let whole = module("testbed-head-only");
    let running =
        Setup::new(yaml("{ set: [ x-a, \"1\" ] }")).file("bed.wasm", whole.clone()).start().await;
    let mut client = running.connect().await;
    let bad: [(&str, Vec<u8>); 4] = [
        ("truncated", whole[..whole.len() / 2].to_vec()),
        ("no wasm at all", b"hello".to_vec()),
        ("an empty file", Vec::new()),
        ("a core module of nobody's", b"\0asm\x01\0\0\0".to_vec()),
    ];
    for (what, bytes) in bad {
        running.files.write("bed.wasm", bytes);
        let refused = running.gateway.reload().await.unwrap_err();
        let details = refused.details().unwrap_or_default();
        assert!(details.contains("file: bed.wasm"), "{what}: {details}");
        assert_eq!(client.get("/good").await.text(), "good", "after {what}");
    }
    running.files.write("bed.wasm", whole);
    let wants = yaml("{ set: [ x-a, \"1\" ] }")
        .replace("bed.wasm, breaker: off", &format!("bed.wasm, sha256: {}", "0".repeat(64)));
    let refused = running.reload(wants).await.unwrap_err();
    assert!(refused.details().unwrap_or_default().contains("paifang lock"), "{refused:?}");
    assert_eq!(client.get("/good").await.text(), "good");
    running.stop().await;
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_named_at_its_line() {
    let yaml = config(
        "  bed: { file: bed.wasm, grants: [ log, clock ] }",
        "apis: [ { id: a, match: { path: / }, handlers: [ bed: {}, respond: {} ] } ]\n",
    );
    let failed = Setup::new(yaml).file("bed.wasm", module("testbed-sync")).try_start().await;
    let Err(paifang::StartError::Release(failed)) = failed else { panic!("it started") };
    let details = failed.details().unwrap_or_default();
    assert!(details.contains("`kv`") && details.contains("not granted"), "{details}");
    assert!(details.contains("grants: [ log, clock ]"), "{details}");
}
