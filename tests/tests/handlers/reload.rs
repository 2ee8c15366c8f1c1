//! Hot reload: a module is replaced again and again while calls go on, and none of them fails.

use crate::support::{another, config, module};
use paifang_tests::harness::{Client, Setup, soon};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
};

const RELOADS: u8 = 12;
const CALLERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_are_replaced_under_load_without_a_failed_call() {
    let yaml = |number: u8| {
        config(
            "  bed: { file: bed.wasm, reuse: 100, grants: [ log, clock, random, kv, crypto, metrics ] }",
            &format!(
                "apis:\n  - id: a\n    match: {{ path: / }}\n    handlers:\n      \
                 - bed: {{ request: [ {{ answer: {{ status: 200, body: \"release {number}\" }} }} ] }}\n      - respond: {{}}\n"
            ),
        )
    };
    let bytes = module("testbed-head-only");
    let running = Setup::new(yaml(0)).file("bed.wasm", bytes.clone()).start().await;
    let address = running.address();
    let over = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (over, calls) = (over.clone(), calls.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !over.load(SeqCst) {
                    let answer = client.get("/").await;
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    assert!(answer.text().starts_with("release "), "{answer:?}");
                    calls.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for number in 1..=RELOADS {
        let before = calls.load(SeqCst);
        running.files.write("bed.wasm", another(bytes.clone(), number));
        running.reload(yaml(number)).await.unwrap();
        // Calls go on between two releases.
        soon(async {
            while calls.load(SeqCst) < before + 20 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    over.store(true, SeqCst);
    for caller in callers {
        soon(caller).await.unwrap();
    }
    let last = running.connect().await.get("/").await;
    assert_eq!(last.text(), format!("release {RELOADS}"));
    running.stop().await;
}

#[tokio::test]
async fn values_outlive_a_release_that_replaces_the_module() {
    let yaml = config(
        "  bed: { file: bed.wasm, grants: [ log, clock, random, kv, crypto, metrics ] }",
        "apis:\n  - id: a\n    match: { path: / }\n    handlers:\n      \
         - bed: { request: [ { kv_add: { key: n, delta: 1 } }, tell ] }\n      - respond: {}\n",
    );
    let bytes = module("testbed-sync");
    let running = Setup::new(yaml).file("bed.wasm", bytes.clone()).start().await;
    let mut client = running.connect().await;
    let first = client.get("/").await.text().to_owned();
    running.files.write("bed.wasm", another(bytes, 1));
    running.gateway.reload().await.unwrap();
    let second = client.get("/").await.text().to_owned();
    assert_ne!(first, second);
    assert!(first.contains('1') && second.contains('2'), "{first} then {second}");
    running.stop().await;
}
