//! What kept releases have changed, as the admin API tells it.

use crate::support::{Folder, ask};
use serde_json::{Value, json};

fn config(rate: &str, extra: &str) -> String {
    format!(
        "version: 1
listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]
admin: {{ address: \"127.0.0.1:0\" }}
releases: {{ directory: releases }}
apps: {{ wallet: {{ keys: [ {{ id: k1, secret: {{ file: secret }} }} ] }} }}
apis:
  - id: hello
    match: {{ path: / }}
    handlers: [ throttle: {{ rate: {rate} }}, key_auth: {{}}, respond: {{ status: 200 }} ]
{extra}"
    )
}

#[tokio::test]
async fn kept_releases_are_compared_with_each_other_and_with_the_live_one() {
    let folder = Folder::new(&config("1/s", ""));
    folder.write("secret", "hunter2-of-the-first-release");
    let gateway = folder.start().await;
    let more = "  - { id: more, match: { path: /more }, handlers: [ respond: { status: 204 } ] }\n";
    folder.write("paifang.yaml", &config("2/s", ""));
    gateway.reload().await.unwrap();
    folder.write("secret", "hunter3-of-the-third-release");
    folder.write("paifang.yaml", &config("3/s", more));
    gateway.reload().await.unwrap();

    let told = |path: &'static str| {
        let gateway = &gateway;
        async move {
            let told = ask(gateway, "GET", path).await;
            assert!(!told.message.text().contains("hunter"), "{path}: {told:?}");
            told
        }
    };
    let rate = |told: &Value| {
        let mut changes = told["changes"].as_array().unwrap().iter();
        let field = &changes.find(|change| change["name"] == "hello").unwrap()["fields"][0];
        assert_eq!(field["path"], "steps.throttle.config.rate", "{told}");
        json!([told["from"], field["before"], told["to"], field["after"]])
    };
    let second = told("/v1/releases/2/diff").await.json;
    assert_eq!(rate(&second), json!([1, "1/s", 2, "2/s"]));
    assert_eq!(second["changes"].as_array().unwrap().len(), 1, "{second}");
    let third = told("/v1/releases/3/diff").await.json;
    assert_eq!(rate(&third), json!([2, "2/s", 3, "3/s"]));
    assert_eq!(third["changes"][1]["name"], "more");
    assert_eq!(third["changes"][1]["what"], "added");
    let both = told("/v1/releases/3/diff?with=1").await.json;
    assert_eq!(rate(&both), json!([1, "1/s", 3, "3/s"]));
    // What going back would bring; the live one is told by its own number.
    let back = told("/v1/releases/1/diff?with=live").await.json;
    assert_eq!(rate(&back), json!([3, "3/s", 1, "1/s"]));
    assert!(back["text"].as_str().unwrap().contains("- api more"), "{back}");
    let none = told("/v1/releases/3/diff?with=live").await.json;
    assert_eq!((&none["changes"], &none["text"]), (&json!([]), &json!("no difference\n")));

    let oldest = told("/v1/releases/1/diff").await;
    assert_eq!(
        (oldest.status, &oldest.json["error"]),
        (404, &json!("no release before release 1 is kept"))
    );
    assert_eq!(told("/v1/releases/1/diff?with=9").await.status, 404);
    let listed = told("/v1/releases").await.json;
    let live: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().map(|item| &item["live"]).collect();
    assert_eq!(live, [true, false, false]);

    // Comparing changes nothing, nor does what cannot be compared any more.
    std::fs::remove_file(folder.path("secret")).unwrap();
    let refused = told("/v1/releases/2/diff").await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let status = told("/v1/status").await.json;
    assert_eq!(status["release"], 3);
    assert_eq!(status["last_failure"], Value::Null);
    gateway.stop(std::time::Duration::from_secs(5)).await;
}
