//! Watching files: what is written goes live by itself, what is only touched does not.

use crate::support::{Folder, HEAD, ask, says};
use paifang::Gateway;
use paifang_tests::harness::soon;
use std::{fs, time::Duration};

const WATCH: &str = "reload: { watch: true, debounce: 20ms }\ninclude: [ 'apis/*.yaml' ]\n";

fn api(path: &str, text: &str) -> String {
    format!(
        "apis: [ {{ id: \"{text}\", match: {{ path: {path} }}, handlers: [ respond: {{ status: 200, body: {text} }} ] }} ]\n"
    )
}

async fn release(gateway: &Gateway) -> u64 {
    ask(gateway, "GET", "/v1/status").await.json["release"].as_u64().unwrap()
}

/// Waits until the gateway's status holds this.
async fn status(gateway: &Gateway, holds: impl Fn(&serde_json::Value) -> bool) {
    soon(async {
        while !holds(&ask(gateway, "GET", "/v1/status").await.json) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn said(gateway: &Gateway, text: &str) {
    soon(async {
        while says(gateway).await != text {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn files_that_change_or_come_go_live_by_themselves() {
    let folder = Folder::new(&format!("{HEAD}{WATCH}"));
    folder.write("apis/one.yaml", &api("/", "one"));
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "one");
    folder.write("apis/one.yaml", &api("/", "two"));
    said(&gateway, "two").await;
    // A file that an include matches.
    fs::remove_file(folder.path("apis/one.yaml")).unwrap();
    folder.write("apis/other.yaml", &api("/", "three"));
    said(&gateway, "three").await;
    // Broken: told, and the release before serves.
    folder.write("apis/other.yaml", "apis: [ { id: x } ]\n");
    status(&gateway, |status| status["last_failure"].is_string()).await;
    assert_eq!(says(&gateway).await, "three");
    // Back to what serves already: no new release, and no failure any more.
    let before = release(&gateway).await;
    folder.write("apis/other.yaml", &api("/", "three"));
    status(&gateway, |status| status["last_failure"].is_null()).await;
    assert_eq!(release(&gateway).await, before);
    gateway.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn what_is_touched_only_makes_no_release() {
    let folder = Folder::new(&format!("{HEAD}{WATCH}"));
    folder.write("apis/one.yaml", &api("/", "one"));
    folder.write("apis/two.yaml", &api("/two", "two"));
    let gateway = folder.start().await;
    for _ in 0..3 {
        folder.write("apis/one.yaml", &api("/", "one"));
        folder.write("apis/noise.log", "a line\n");
    }
    // A change that does go live is noticed after all of those.
    folder.write("apis/two.yaml", &api("/two", "second"));
    status(&gateway, |status| status["release"] != 1).await;
    assert_eq!(release(&gateway).await, 2);
    gateway.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn secrets_and_certificates_are_watched_too() {
    let pki = paifang_tests::harness::Pki::default();
    let pair = pki.server(&["a.example"]);
    let yaml = format!(
        "{HEAD}reload: {{ watch: true, debounce: 20ms }}
apps: {{ wallet: {{ keys: [ {{ id: k, secret: {{ file: secrets/k }} }} ] }} }}
apis: [ {{ id: a, match: {{ path: / }}, handlers: [ key_auth: {{}}, respond: {{ status: 200 }} ] }} ]\n"
    )
    .replace(
        " } ]\nadmin",
        " }, { name: secure, address: \"127.0.0.1:0\", tls: { certificates: [ { cert: tls/cert, key: tls/key } ] } } ]\nadmin",
    );
    let folder = Folder::new(&yaml);
    folder.write("secrets/k", "the-first-secret-0123456789abcdef");
    folder.write("tls/cert", &pair.cert);
    folder.write("tls/key", &pair.key);
    let gateway = folder.start().await;
    folder.write("secrets/k", "the-second-secret-0123456789abcdef");
    status(&gateway, |status| status["release"] == 2).await;
    let next = pki.server(&["a.example"]);
    // Between the two files the pair does not fit, which may be noticed and refused.
    folder.write("tls/cert", &next.cert);
    folder.write("tls/key", &next.key);
    status(&gateway, |status| status["release"] == 3 && status["last_failure"].is_null()).await;
    gateway.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn watching_begins_and_ends_with_the_release_that_says_so() {
    let folder = Folder::new(&format!("{HEAD}include: [ 'apis/*.yaml' ]\n"));
    folder.write("apis/one.yaml", &api("/", "one"));
    let gateway = folder.start().await;
    folder.write("paifang.yaml", &format!("{HEAD}{WATCH}"));
    gateway.reload().await.unwrap();
    folder.write("apis/one.yaml", &api("/", "two"));
    said(&gateway, "two").await;
    // The last thing that is watched: the end of watching.
    folder.write("paifang.yaml", &format!("{HEAD}include: [ 'apis/*.yaml' ]\n"));
    let before = release(&gateway).await;
    status(&gateway, |status| status["release"].as_u64() > Some(before)).await;
    let before = release(&gateway).await;
    folder.write("apis/one.yaml", &api("/", "three"));
    gateway.reload().await.unwrap();
    assert_eq!((says(&gateway).await, release(&gateway).await), ("three".to_owned(), before + 1));
    gateway.stop(Duration::ZERO).await;
}
