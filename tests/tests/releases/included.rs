//! `$include`: the content of a file is part of the release, told with its lines, kept and watched.

use crate::support::{Folder, HEAD, ask};
use paifang::Gateway;
use paifang_tests::harness::{Client, soon};
use std::time::Duration;

const CONFIG: &str = "reload: { watch: true, debounce: 20ms }
releases: { directory: kept, keep: 3 }
apis:
  - { id: hello, match: { path: / }, handlers: [ validate: { query: { $include: specs/query.yaml } }, respond: { status: 200, body: ok } ] }
";

/// A schema for the query that needs this parameter.
fn needs(name: &str) -> String {
    format!("# What the query is.\nrequired:\n  - {name}\n")
}

async fn takes(gateway: &Gateway, query: &str) -> bool {
    let mut client = Client::connect(gateway.address("public").unwrap()).await;
    client.get(&format!("/?{query}=1")).await.status() == 200
}

async fn comes_to(gateway: &Gateway, query: &str) {
    soon(async {
        while !takes(gateway, query).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn content_of_a_file_goes_live_is_kept_and_comes_back() {
    let folder = Folder::new(&format!("{HEAD}{CONFIG}"));
    folder.write("specs/query.yaml", &needs("one"));
    let gateway = folder.start().await;
    assert!(takes(&gateway, "one").await && !takes(&gateway, "two").await);
    folder.write("specs/query.yaml", &needs("two"));
    comes_to(&gateway, "two").await;
    assert!(!takes(&gateway, "one").await);
    // What is wrong in it is told with its own line, and nothing changes.
    folder.write("specs/query.yaml", "required: []\n\nproperties:\n  two: { type: nothing }\n");
    soon(async {
        loop {
            let status = ask(&gateway, "GET", "/v1/status").await.json;
            match status["last_failure"].as_str() {
                Some(failure) if failure.contains("query.yaml:4:") => break,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    assert!(takes(&gateway, "two").await);
    // The first release holds the file as it was.
    assert_eq!(ask(&gateway, "POST", "/v1/releases/1/rollback").await.status, 200);
    assert!(takes(&gateway, "one").await && !takes(&gateway, "two").await);
    gateway.stop(Duration::ZERO).await;
    // Over a restart too, from the disk.
    let gateway = folder.start().await;
    assert!(takes(&gateway, "one").await && !takes(&gateway, "two").await);
    gateway.stop(Duration::ZERO).await;
}
