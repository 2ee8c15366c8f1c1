//! docs/admin.md lists every path of the admin API, and each answers.

use std::{collections::BTreeMap, fs, time::Duration};

use paifang::Gateway;
use paifang_tests::{
    http::send,
    table::{Table, hold, tables},
    tidy::root,
};

const PAGE: &str = "docs/admin.md";
const ROUTES: &str = "core/gateway/src/admin/routes.rs";
const CONFIG: &str = r#"
version: 1
listeners: [ { name: public, address: "127.0.0.1:0" } ]
admin: { address: "127.0.0.1:0" }
apis: [ { id: fixed, match: { path: /fixed }, handlers: [ respond: { status: 204 } ] } ]
plans: { calm: { changes: [ { add: { shed: { share: 1% } } } ] } }
"#;

/// Method and path of each route, in the order of the code.
fn routes() -> Vec<(String, String)> {
    let code = fs::read_to_string(root().join(ROUTES)).unwrap_or_default();
    let mut all = Vec::new();
    for route in code.split(".route(\"").skip(1) {
        let Some((path, handlers)) = route.split_once("\", ") else { continue };
        let line = handlers.lines().next().unwrap_or_default();
        for method in ["get", "post", "put"].iter().filter(|m| line.contains(&format!("{m}("))) {
            all.push((method.to_uppercase(), path.to_owned()));
        }
    }
    assert!(all.len() >= 10, "{ROUTES} has another shape: {all:?}");
    all
}

#[test]
fn the_page_lists_the_paths() {
    let mut untold = Vec::new();
    hold(PAGE, |_, stands| {
        let told: BTreeMap<(&str, &str), &str> = stands
            .rows
            .iter()
            .filter_map(|row| match &row[..] {
                [method, path, answer] => Some(((&**method, &**path), &**answer)),
                _ => None,
            })
            .collect();
        let mut table = Table::new(&["method", "path", "answer"]);
        for (method, path) in routes() {
            let path = format!("`{path}`");
            let answer = told.get(&(&*method, &*path)).copied().unwrap_or_default().to_owned();
            if answer.is_empty() {
                untold.push(format!("{method} {path}"));
            }
            table.rows.push(vec![method, path, answer]);
        }
        table
    });
    assert!(untold.is_empty(), "{PAGE} does not say what these answer: {untold:?}");
}

#[tokio::test]
async fn every_path_answers_as_its_method_says() {
    let gateway = match Gateway::builder().yaml(CONFIG).start().await {
        Ok(gateway) => gateway,
        Err(cause) => panic!("{cause}"),
    };
    let Some(admin) = gateway.admin_address() else { panic!("no admin API") };
    let page = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let rows = tables(&page).into_iter().flat_map(|(_, table)| table.rows);
    for row in rows {
        let [method, path, _] = &row[..] else { panic!("{row:?}") };
        let path = path
            .trim_matches('`')
            .replace("{id}", "fixed")
            .replace("{number}", "7")
            .replace("{name}", "calm")
            .replace("{file}", "main.js");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        let answer = send(admin, &request).await;
        let expected: &[u16] = match &*path {
            // Nothing is kept, nothing is asked, and this process has no log of the gateway's and is none
            // of its own.
            "/v1/releases/7/rollback" | "/v1/releases/7/diff" => &[404],
            "/" | "/console" => &[303],
            "/v1/cache/purge" => &[400],
            "/v1/explain" => &[422],
            // Numbers alone name connections.
            "/v1/mmtp/connections/fixed/close" => &[400],
            "/v1/log-level" => &[501, 422],
            "/v1/upgrade" => &[501],
            _ => &[200],
        };
        assert!(
            expected.contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
    }
    gateway.stop(Duration::from_secs(5)).await;
}
