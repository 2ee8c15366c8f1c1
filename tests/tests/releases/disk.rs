//! Releases on disk: kept without secrets, listed, gone back to, pruned.

use crate::support::{Folder, HEAD, ask, saying, says};
use paifang::{Gateway, StartError};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};

const KEPT: &str = "releases: { directory: kept, keep: 3 }\n";

fn kept(text: &str) -> String {
    saying(text) + KEPT
}

async fn stop(gateway: Gateway) {
    assert_eq!(gateway.stop(Duration::from_secs(30)).await, 0, "connections were cut");
}

/// The releases that are listed: number and marks.
async fn listed(gateway: &Gateway) -> Vec<(u64, String)> {
    let told = ask(gateway, "GET", "/v1/releases").await;
    assert_eq!(told.status, 200, "{told:?}");
    let numbers = told.json["items"].as_array().unwrap().iter();
    let numbers = numbers.map(|release| release["number"].as_u64().unwrap());
    let marks = told.text().lines().map(|line| {
        let marks = ["last good", "pinned", "live", "damaged"].into_iter();
        marks.filter(|mark| line.contains(mark)).collect::<Vec<_>>().join(", ")
    });
    numbers.zip(marks).collect()
}

/// Every file beneath a folder, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_secret_and_no_variable_is_written() {
    let yaml = format!(
        "{HEAD}{KEPT}apps:
  wallet: {{ keys: [ {{ id: k1, secret: {{ env: K1 }} }}, {{ id: k2, secret: {{ file: k2 }} }} ] }}
apis:
  - {{ id: hello, match: {{ path: / }}, handlers: [ key_auth: {{}}, respond: {{ status: 200, body: \"${{GREETING}}\" }} ] }}
"
    );
    let secrets = ["env-secret-0123456789abcdef", "file-secret-0123456789abcdef", "variable-value"];
    let folder = Folder::new(&yaml).variable("K1", secrets[0]).variable("GREETING", secrets[2]);
    folder.write("k2", secrets[1]);
    let gateway = folder.start().await;
    gateway.reload().await.unwrap();
    let written = files(&folder.path("kept"));
    assert!(written.iter().any(|(_, bytes)| holds(bytes, "secret: { env: K1 }")), "no config kept");
    for (name, bytes) in &written {
        for secret in secrets {
            assert!(!holds(bytes, secret), "{name} holds {secret}");
        }
    }
    // Nor does anything that can be asked for tell them.
    let paths =
        ["/v1/status", "/v1/apis", "/v1/apis/hello", "/v1/releases", "/v1/diff", "/metrics"];
    for path in paths {
        let told = ask(&gateway, "GET", path).await;
        assert_eq!(told.status, 200, "{path}");
        for secret in &secrets[..2] {
            assert!(!holds(&told.message.body, secret), "{path} tells {secret}");
        }
    }
    stop(gateway).await;
}

#[tokio::test]
async fn a_rollback_pins_over_restarts_until_a_reload() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    for text in ["two", "three"] {
        folder.write("paifang.yaml", &kept(text));
        gateway.reload().await.unwrap();
    }
    let marks = |list: &[(u64, &str)]| -> Vec<(u64, String)> {
        list.iter().map(|(number, marks)| (*number, (*marks).to_owned())).collect()
    };
    let fresh = [(3, "last good, live"), (2, ""), (1, "")];
    assert_eq!(listed(&gateway).await, marks(&fresh));

    let report = ask(&gateway, "POST", "/v1/releases/1/rollback").await;
    assert_eq!((report.status, says(&gateway).await), (200, "one".to_owned()), "{report:?}");
    assert_eq!(report.json["release"], 4, "numbers only grow");
    let pinned = [(3, ""), (2, ""), (1, "last good, pinned, live")];
    assert_eq!(listed(&gateway).await, marks(&pinned));
    stop(gateway).await;

    for restart in 0..2 {
        let gateway = folder.start().await;
        assert_eq!(says(&gateway).await, "one", "restart {restart}");
        let status = ask(&gateway, "GET", "/v1/status").await;
        assert_eq!(
            (&status.json["pinned"], &status.json["cause"]["rollback"]),
            (&1.into(), &1.into())
        );
        assert!(status.text().contains("pinned to release 1"), "{}", status.text());
        assert_eq!(listed(&gateway).await, marks(&pinned));
        stop(gateway).await;
    }

    let gateway = folder.start().await;
    gateway.reload().await.unwrap();
    assert_eq!(says(&gateway).await, "three");
    assert_eq!(ask(&gateway, "GET", "/v1/status").await.json["pinned"], Value::Null);
    stop(gateway).await;
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "three", "nothing is pinned any more");
    stop(gateway).await;
}

#[tokio::test]
async fn a_release_that_is_not_there_is_no_release_to_go_back_to() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    let told = ask(&gateway, "POST", "/v1/releases/7/rollback").await;
    let error = told.json["error"].as_str().unwrap();
    assert_eq!(told.status, 404, "{told:?}");
    assert!(error.contains("release 7") && error.contains("paifang releases"), "{error}");
    assert_eq!(says(&gateway).await, "one");
    stop(gateway).await;

    let none_kept = Folder::new(&saying("one"));
    let gateway = none_kept.start().await;
    assert_eq!(ask(&gateway, "POST", "/v1/releases/1/rollback").await.status, 404);
    let told = ask(&gateway, "GET", "/v1/releases").await;
    assert!(told.text().contains("name a directory in `releases:`"), "{}", told.text());
    stop(gateway).await;
}

#[tokio::test]
async fn a_release_that_was_tampered_with_is_refused() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    folder.write("paifang.yaml", &kept("two"));
    gateway.reload().await.unwrap();
    let stored = folder.path("kept/00000001/files/0000");
    let text = fs::read_to_string(&stored).unwrap().replace("one", "six");
    fs::write(&stored, text).unwrap();
    let told = ask(&gateway, "POST", "/v1/releases/1/rollback").await;
    assert_eq!(told.status, 500, "{told:?}");
    assert!(told.json["error"].as_str().unwrap().contains("damaged"), "{told:?}");
    assert_eq!(says(&gateway).await, "two");
    stop(gateway).await;
}

#[tokio::test]
async fn old_releases_are_removed_but_never_the_pinned_one() {
    let folder = Folder::new(&kept("1"));
    let gateway = folder.start().await;
    for number in 2..=6 {
        folder.write("paifang.yaml", &kept(&number.to_string()));
        assert_eq!(gateway.reload().await.unwrap(), number);
    }
    let numbers = async |gateway: &Gateway| {
        listed(gateway).await.into_iter().map(|(n, _)| n).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&gateway).await, [6, 5, 4]);
    assert_eq!(ask(&gateway, "POST", "/v1/releases/4/rollback").await.status, 200);
    stop(gateway).await;

    // Restarts of a pinned gateway keep what they serve, and make no releases of their own.
    let gateway = folder.start().await;
    assert_eq!((numbers(&gateway).await, says(&gateway).await), (vec![6, 5, 4], "4".to_owned()));
    folder.write("paifang.yaml", &kept("7"));
    let number = gateway.reload().await.unwrap();
    assert!(number > 6);
    assert_eq!(numbers(&gateway).await, [number, 6, 5]);
    stop(gateway).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_told_loudly_and_loses_nothing() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    // A plain file in its place: nobody can write there, whatever their rights.
    fs::rename(folder.path("kept"), folder.path("aside")).unwrap();
    fs::write(folder.path("kept"), "in the way").unwrap();
    folder.write("paifang.yaml", &kept("two"));
    let report = ask(&gateway, "POST", "/v1/reload").await;
    assert_eq!((report.status, says(&gateway).await), (200, "two".to_owned()), "it is live");
    assert!(report.json["kept"]["failed"].is_string(), "{}", report.json);
    assert!(report.text().contains("WARNING: it is not kept on disk"), "{}", report.text());
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert!(
        status.text().contains("WARNING: this release is not kept on disk"),
        "{}",
        status.text()
    );

    fs::remove_file(folder.path("kept")).unwrap();
    fs::rename(folder.path("aside"), folder.path("kept")).unwrap();
    folder.write("paifang.yaml", &kept("three"));
    assert_eq!(gateway.reload().await.unwrap(), 3);
    assert_eq!(ask(&gateway, "GET", "/v1/status").await.json["not_kept"], Value::Null);
    let numbers: Vec<u64> = listed(&gateway).await.into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, [3, 1]);
    assert_eq!(ask(&gateway, "POST", "/v1/releases/1/rollback").await.status, 200);
    assert_eq!(says(&gateway).await, "one");
    stop(gateway).await;
}

#[tokio::test]
async fn a_directory_that_can_not_be_made_keeps_no_gateway_from_starting() {
    let folder =
        Folder::new(&saying("one").replace("apis:", "releases: { directory: in/kept }\napis:"));
    fs::write(folder.path("in"), "in the way").unwrap();
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "one");
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert!(status.json["not_kept"].as_str().unwrap().contains("in/kept"), "{}", status.json);
    stop(gateway).await;
}

#[tokio::test]
async fn a_directory_belongs_to_one_gateway() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    let second = folder.try_start().await.unwrap_err();
    assert!(matches!(&second, StartError::Release(_)), "{second:?}");
    let text = second.to_string();
    assert!(text.contains("belongs to another gateway that runs"), "{text}");
    folder.write("paifang.yaml", &kept("two"));
    gateway.reload().await.unwrap();
    stop(gateway).await;
    // It is free as soon as its owner has stopped.
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "two");
    stop(gateway).await;
}

#[tokio::test]
async fn a_directory_with_releases_of_another_life_is_taken_up_where_it_ended() {
    let folder = Folder::new(&kept("one"));
    let gateway = folder.start().await;
    for _ in 0..4 {
        gateway.reload().await.unwrap();
    }
    stop(gateway).await;
    // This one begins elsewhere, and comes to the directory by a reload.
    folder.write("paifang.yaml", &saying("apart"));
    let gateway = folder.start().await;
    folder.write("paifang.yaml", &kept("back"));
    let first = ask(&gateway, "POST", "/v1/reload").await;
    assert_eq!(first.json["release"], 2);
    // Numbers that are in use there are passed over from then on.
    let second = ask(&gateway, "POST", "/v1/reload").await;
    assert_eq!(second.json["release"], 6, "{second:?}");
    assert_eq!(second.json["kept"]["as"], 6, "{second:?}");
    stop(gateway).await;
}
