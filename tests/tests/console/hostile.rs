//! Script in every text that a gateway can tell: it is shown, and never run.

use crate::support::{ADMIN, Desk, config};
use paifang_tests::{
    harness::Server,
    http::{Answer, get},
};
use serde_json::{Value, json};
use std::net::SocketAddr;

const SCRIPT: &str = "\"'><img src=x onerror=\"window.__pwned=1\"><script>window.__pwned=2</script>\
     <svg onload=window.__pwned=3>";

/// Puts the script behind every text of an answer.
fn poisoned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}{SCRIPT}")),
        Value::Array(items) => items.into_iter().map(poisoned).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| match key.as_str() {
                // By this the page knows whether it may change anything.
                "state" if value == "serving" => (key, value),
                // These are keyed by what others have named.
                "errors_total" => (key, json!({ SCRIPT: 3 })),
                _ => (key, poisoned(value)),
            })
            .collect(),
        other => other,
    }
}

fn plans() -> Value {
    json!({
        "items": [{ "name": "shed", "about": "less", "on": false, "since_unix_seconds": 1, "changes": ["one"], "apis": 2 }],
        "history": [{ "unix_seconds": 2, "plan": "shed", "action": "on", "reason": "why", "release": 3, "by": "who" }],
        "text": "plans",
    })
}

fn rehearsal() -> Value {
    let field = json!({ "path": "a.b", "before": "c", "after": "d" });
    let changes = json!([{ "section": "api", "name": "x", "what": "changed", "fields": [field] }]);
    let states = json!([{ "key": "k", "api": "a", "step": "s", "reset": true }]);
    let step = json!({ "id": "one", "kind": "two", "what": "replaced", "by": "three" });
    json!({
        "plan": "shed",
        "to": "on",
        "apis": 1,
        "rate": 1.0,
        "shed_rate": 0.5,
        "diff": { "from": 1, "to": 2, "changes": changes, "states": states },
        "effects": [{ "api": "x", "rate": 1.0, "shed_rate": 0.5, "steps": [step] }],
        "text": "rehearsed",
    })
}

/// What a hostile gateway answers where an honest one stands behind it.
async fn answer(honest: SocketAddr, method: &str, target: &str) -> (u16, Value) {
    // Names that come back are poisoned by now.
    let target = match target {
        api if api.starts_with("/v1/apis/") => "/v1/apis/orders.read",
        api if api.starts_with("/v1/stats/apis/") => "/v1/stats/apis/orders.read",
        other => other,
    };
    match (method, target) {
        ("GET", "/v1/plans") => (200, poisoned(plans())),
        ("GET", plan) if plan.starts_with("/v1/plans/") => (200, poisoned(rehearsal())),
        ("GET", _) => {
            let Answer { status, body, .. } = get(honest, target).await;
            let mut told = serde_json::from_str(&body).unwrap();
            if target == "/v1/status" {
                trouble(&mut told);
            }
            (status, poisoned(told))
        }
        ("POST", "/v1/explain") => {
            let candidates = json!([{ "api": "a", "wins": true, "why": "so", "place": "here:1" }]);
            let told = json!({ "method": "GET", "host": "h", "path": "/p", "outcome": { "api": "a" },
                "params": [["n", "v"]], "candidates": candidates, "text": "t" });
            (200, poisoned(told))
        }
        _ => (422, poisoned(json!({ "error": "refused", "details": "because" }))),
    }
}

/// Everything that can be wrong is.
fn trouble(status: &mut Value) {
    let store = json!({ "name": "s", "ranges": 2, "ranges_up": 0, "trouble": "away" });
    let held = json!({ "release": 1, "replaced_seconds_ago": 3, "calls": 1, "ending": true });
    let step = json!({ "plugin": "p", "name": "n", "upstream": "u", "state": "open" });
    for (name, value) in [
        ("troubles", json!([step])),
        ("plans", json!(["shed"])),
        ("last_failure", json!("broken")),
        ("not_kept", json!("disk")),
        ("upgrade_failure", json!("failed")),
        ("stores", json!([store])),
        ("held", json!([held])),
    ] {
        status[name] = value;
    }
}

/// The console's own files, and answers full of script.
async fn hostile(honest: SocketAddr) -> Server {
    Server::start(move |_, mut client| async move {
        let Some(request) = client.request().await else { return };
        let target = request.target().to_owned();
        let told = if target.starts_with("/console/") {
            let Answer { head, body, .. } = get(honest, &target).await;
            format!("{head}\r\n\r\n{body}")
        } else {
            let (status, value) = answer(honest, request.method(), &target).await;
            let body = value.to_string();
            format!(
                "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let _ = client.try_send(told).await;
    })
    .await
}

#[tokio::test]
async fn script_in_every_text_is_shown_and_not_run() {
    let mut desk = Desk::closed(ADMIN).await;
    // Two releases that differ, so that there are differences to poison.
    desk.running.reload(config(desk.up.address, ADMIN, "70/s")).await.unwrap();
    desk.call("/orders/1", 3).await;
    let server = hostile(desk.admin()).await;
    desk.browser.open(&format!("http://{}/console/", server.address)).await;
    let told = "document.querySelector('main').innerText.includes('<script>window.__pwned=2')";
    let views = ["#/", "#/apis", "#/apis/x", "#/upstreams", "#/releases", "#/plans"];
    for place in views {
        desk.go(place).await;
        desk.browser.wait("document.querySelector('main .view')").await;
        desk.browser.wait(told).await;
        match place {
            "#/apis/x" => {
                desk.browser
                    .value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
                    .await;
            }
            "#/releases" => {
                desk.press("Changes of release 2").await;
                desk.shows("steps.throttle").await;
                desk.press("Roll back to release 1").await;
                desk.press("Roll back to 1").await;
                desk.shows("refused\"'>").await;
            }
            "#/plans" => {
                let label = |verb: &str| format!("{verb} shed{SCRIPT}");
                desk.press(&label("Rehearse")).await;
                desk.shows("replaced\"'>").await;
                desk.press(&label("Switch on")).await;
                desk.shows("Reason, for the history").await;
                desk.browser.write(SCRIPT).await;
                desk.press("Switch on").await;
                desk.shows("refused\"'>").await;
            }
            _ => {}
        }
        let made = "document.querySelectorAll('main img, main script, main svg[onload], dialog img').length";
        assert_eq!(desk.browser.value(made).await, 0, "{place} made nodes of a text");
    }
    desk.go("#/explain").await;
    desk.browser.click("document.querySelector('form button')").await;
    desk.browser.wait(told).await;
    assert_eq!(desk.browser.value("window.__pwned ?? null").await, Value::Null);
    desk.is_sound().await;
}

#[tokio::test]
async fn script_in_a_config_and_in_the_address_is_shown_and_not_run() {
    let mut desk = Desk::closed(ADMIN).await;
    let yaml = config(desk.up.address, ADMIN, "9/s").replace(
        "respond: { status: 204 }",
        &format!("respond: {{ status: 200, body: {} }}", json!(SCRIPT)),
    );
    desk.running.reload(yaml.clone()).await.unwrap();
    let page = desk.page("127.0.0.1");
    desk.browser.open(&format!("{page}#/apis/ping")).await;
    desk.browser.click("[...document.querySelectorAll('summary')].at(-1)").await;
    desk.shows("window.__pwned=2").await;
    desk.go("#/releases").await;
    desk.press("Changes of release 2").await;
    desk.shows("window.__pwned=2").await;
    // As a name in the address, and in what is wrong with the files.
    desk.go("#/apis/%3Cimg%20src=x%20onerror=window.__pwned=1%3E").await;
    desk.shows("there is no API `<img").await;
    let broken = yaml.replace("upstream: up", &format!("{}: 1", json!(SCRIPT)));
    desk.running.reload(broken).await.unwrap_err();
    desk.go("#/").await;
    desk.shows("The last reload was refused.").await;
    desk.shows("onerror").await;
    assert_eq!(desk.browser.value("window.__pwned ?? null").await, Value::Null);
    desk.is_sound().await;
}
