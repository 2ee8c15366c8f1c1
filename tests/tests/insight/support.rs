//! What these tests share: asking the admin API, and waiting for what it comes to say.

use paifang::Gateway;
use paifang_tests::{
    harness::soon,
    http::{Answer, get},
};
use serde_json::Value;
use std::time::Duration;

/// The head of a config with an admin API.
pub(crate) const HEAD: &str = "version: 1
listeners: [ { name: public, address: \"127.0.0.1:0\" } ]
admin: { address: \"127.0.0.1:0\" }
";

/// Asks the admin API.
pub(crate) async fn ask(gateway: &Gateway, path: &str) -> Answer {
    get(gateway.admin_address().expect("no admin API"), path).await
}

/// What the admin API says.
pub(crate) async fn told(gateway: &Gateway, path: &str) -> Value {
    let answer = ask(gateway, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).expect("no JSON")
}

/// What it says once that holds.
pub(crate) async fn comes_to(
    gateway: &Gateway,
    path: &str,
    holds: impl Fn(&Value) -> bool,
) -> Value {
    soon(async {
        loop {
            let value = told(gateway, path).await;
            if holds(&value) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}
