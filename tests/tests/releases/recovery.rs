//! Starting with broken files: the last good release serves, and everybody is told.

use crate::support::{Folder, ask, details, saying, says};
use serde_json::Value;
use std::{fs, time::Duration};

const GRACE: Duration = Duration::from_secs(30);

fn kept(text: &str) -> String {
    saying(text) + "releases: { directory: kept }\n"
}

#[tokio::test]
async fn broken_files_serve_the_last_good_release_until_they_are_mended() {
    let folder = Folder::new(&kept("good"));
    folder.start().await.stop(GRACE).await;
    let broken = kept("bad").replace("respond:", "repsond:");
    folder.write("paifang.yaml", &broken);

    for restart in 0..2 {
        let gateway = folder.start().await;
        assert_eq!(says(&gateway).await, "good", "restart {restart}");
        let status = ask(&gateway, "GET", "/v1/status").await;
        assert_eq!(status.json["cause"], "recovery");
        assert!(status.text().contains("THE FILES ARE BROKEN"), "{}", status.text());
        let failure = status.json["last_failure"].as_str().unwrap();
        assert!(failure.contains("did you mean `respond`"), "{failure}");
        assert!(failure.contains("paifang.yaml:5:"), "{failure}");
        let listed = ask(&gateway, "GET", "/v1/releases").await;
        assert_eq!(listed.json["items"].as_array().unwrap().len(), 1, "{}", listed.text());
        assert!(listed.text().contains("live"), "{}", listed.text());
        gateway.reload().await.unwrap_err();
        assert_eq!(says(&gateway).await, "good");
        gateway.stop(GRACE).await;
    }

    let gateway = folder.start().await;
    folder.write("paifang.yaml", &kept("mended"));
    gateway.reload().await.unwrap();
    assert_eq!(says(&gateway).await, "mended");
    let status = ask(&gateway, "GET", "/v1/status").await;
    assert_eq!(
        (&status.json["cause"], &status.json["last_failure"]),
        (&"reload".into(), &Value::Null)
    );
    gateway.stop(GRACE).await;
    assert_eq!(says(&folder.start().await).await, "mended");
}

#[tokio::test]
async fn files_that_are_no_yaml_or_not_there_are_broken_files() {
    // Beside the config by habit: `releases` is found although nothing can be read any more.
    let folder = Folder::new(&(saying("good") + "releases: { directory: releases }\n"));
    folder.start().await.stop(GRACE).await;
    for broken in ["version: 1\nlisteners: [", "\u{0}", ""] {
        folder.write("paifang.yaml", broken);
        let gateway = folder.start().await;
        assert_eq!(says(&gateway).await, "good", "{broken:?}");
        gateway.stop(GRACE).await;
    }
    fs::remove_file(folder.path("paifang.yaml")).unwrap();
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "good");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn included_files_are_part_of_what_is_recovered() {
    let root = "version: 1\nlisteners: [ { name: public, address: \"127.0.0.1:0\" } ]\nreleases: { directory: kept }\ninclude: [ 'apis/*.yaml' ]\n";
    let api = "apis: [ { id: a, match: { path: / }, handlers: [ respond: { status: 200, body: included } ] } ]\n";
    let folder = Folder::new(root);
    folder.write("apis/a.yaml", api);
    folder.start().await.stop(GRACE).await;
    folder.write("apis/a.yaml", "apis: [ { id: a } ]\n");
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "included");
    gateway.stop(GRACE).await;
    fs::remove_dir_all(folder.path("apis")).unwrap();
    folder.write("paifang.yaml", &root.replace("version: 1", "version: 2"));
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "included", "although the files are gone");
    gateway.stop(GRACE).await;
}

#[tokio::test]
async fn a_secret_that_is_gone_fails_the_recovery_too_and_both_are_told() {
    let yaml = kept("x")
        .replace("apis:", "apps: { a: { keys: [ { id: k, secret: { file: key } } ] } }\napis:");
    let folder = Folder::new(&yaml);
    folder.write("key", "0123456789abcdef0123456789abcdef");
    folder.start().await.stop(GRACE).await;
    fs::remove_file(folder.path("key")).unwrap();
    let wrong = folder.try_start().await.unwrap_err();
    assert!(details(&wrong).contains("cannot read the secret"), "{}", details(&wrong));
}

#[tokio::test]
async fn without_a_kept_release_broken_files_start_nothing() {
    let folder = Folder::new(&kept("x").replace("respond:", "repsond:"));
    let wrong = folder.try_start().await.unwrap_err();
    assert!(details(&wrong).contains("paifang.yaml:5:"), "{}", details(&wrong));
    assert!(!folder.path("kept").exists(), "looking makes no directory");
}

#[tokio::test]
async fn a_config_that_wants_no_releases_touches_no_directory_of_that_name() {
    let folder = Folder::new(&saying("x"));
    fs::create_dir_all(folder.path("releases/.new-00000001")).unwrap();
    let gateway = folder.start().await;
    assert_eq!(says(&gateway).await, "x");
    gateway.stop(GRACE).await;
    assert!(folder.path("releases/.new-00000001").exists());
}
