//! The shop as its description has it: imported, served before a real server, and asked beside it.

use super::peer::echo;
use paifang_config::source::RealFiles;
use paifang_import::{Fate, Imported, Options, openapi};
use paifang_tests::{
    harness::{Message, Recorder, Running, Setup, connect_from},
    tidy::root,
};
use std::{fs, net::SocketAddr};
use tempfile::TempDir;

const KEY: &str = "x-api-key: client-0123456789abcdef0123456789";
/// `client:open-sesame-0123456789`.
const CLIENT: &str = "authorization: Basic Y2xpZW50Om9wZW4tc2VzYW1lLTAxMjM0NTY3ODk=";

struct Shop {
    gateway: Running,
    behind: [Recorder; 2],
    imported: Imported,
    _folder: TempDir,
}

impl Shop {
    /// As it was imported; `ready`: with the APIs online whose keys are there.
    async fn open(ready: bool) -> Self {
        let behind = [echo("shop").await, echo("other").await];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shop.yaml");
        let text = fs::read_to_string(root().join("tests/data/openapi/shop.yaml")).unwrap();
        let text = text
            .replace("@UPSTREAM@", &behind[0].address().to_string())
            .replace("@OTHER@", &behind[1].address().to_string());
        fs::write(&file, &text).unwrap();
        let imported = openapi::import(&file, &RealFiles, Options::default())
            .unwrap_or_else(|fault| panic!("{fault}"));
        let mut yaml = imported.yaml.replace("\"0.0.0.0:8080\"", "\"127.0.0.1:0\"");
        if ready {
            yaml = yaml.replace("state: offline", "state: online");
        }
        let gateway = Setup::new(yaml)
            .file(&file, text)
            .variable("OPENAPI_CLIENT_KEY", KEY.split_once(": ").unwrap().1)
            .variable("OPENAPI_STAFF_PASSWORD", "open-sesame-0123456789")
            .start()
            .await;
        Self { gateway, behind, imported, _folder: folder }
    }

    async fn ask(&self, line: &str, fields: &[&str], body: &str) -> Message {
        ask(self.gateway.listener("http"), line, fields, body).await
    }

    /// What both answer, which must be the same: the server, and the gateway before it.
    async fn alike(&self, server: usize, line: &str, fields: &[&str], body: &str) {
        let address = self.behind[server].address();
        let host = format!("host: {address}");
        let both = [&[&*host][..], fields].concat();
        let direct = ask(address, line, &both, body).await;
        let ours = self.ask(line, fields, body).await;
        // The gateway says on whose behalf it asks.
        let told = |message: &Message| -> String {
            let lines = message.text().lines();
            lines.filter(|line| !line.starts_with("x-forwarded")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!((direct.status(), told(&direct)), (ours.status(), told(&ours)), "{line}");
        assert_eq!(ours.status(), 200, "{line} {}", ours.text());
    }
}

async fn ask(address: SocketAddr, line: &str, fields: &[&str], body: &str) -> Message {
    let mut client = connect_from("127.0.0.1", address).await;
    let mut text = format!("{line} HTTP/1.1\r\n");
    if !fields.iter().any(|field| field.starts_with("host: ")) {
        text.push_str("host: gateway.example\r\n");
    }
    for field in fields {
        text.push_str(&format!("{field}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    client.ask(format!("{text}\r\n{body}")).await
}

const JSON: &str = "content-type: application/json";
const FORM: &str = "content-type: application/x-www-form-urlencoded";

#[tokio::test]
async fn what_is_open_is_served_as_the_server_does() {
    let shop = Shop::open(false).await;
    shop.alike(0, "GET /v1/items", &[], "").await;
    shop.alike(0, "GET /v1/items?page=2&sort=name", &["x-client: a", "cookie: a=b"], "").await;
    shop.alike(0, "GET /v1/items/7", &[], "").await;
    shop.alike(0, "GET /v1/items/featured", &[], "").await;
    shop.alike(0, "GET /v1/items/7/small.png", &[], "").await;
    shop.alike(0, "PUT /v1/items/7/photo", &["content-type: image/png"], "not looked at").await;
    let order = "/v1/orders/6f9619ff-8b86-4011-b42d-00c04fc964ff/notes";
    shop.alike(0, &format!("POST {order}"), &[FORM], "text=hello&stars=5").await;
    shop.alike(1, "GET /health", &[], "").await;
    for (line, status) in [
        ("GET /items", 404),
        ("PATCH /v1/items", 405),
        ("GET /v1/items/7/small.jpg", 404),
        ("GET /v1/items/7/photo/x", 404),
    ] {
        assert_eq!(shop.ask(line, &[], "").await.status(), status, "{line}");
    }
}

#[tokio::test]
async fn what_asks_for_keys_is_closed_until_they_are_there() {
    let closed = Shop::open(false).await;
    let item = r#"{"name":"shoe","price":{"amount":1,"currency":"EUR"}}"#;
    let lines = [
        ("POST /v1/items", item),
        ("PUT /v1/items/7", item),
        ("DELETE /v1/items/7", ""),
        ("GET /v1/orders", ""),
        ("POST /v1/orders", r#"{"items":[1]}"#),
        ("GET /v1/staff", ""),
        ("GET /v1/staff/sessions", ""),
        ("GET /v1/basket", ""),
    ];
    assert_eq!(closed.imported.report.offline.len(), lines.len());
    let ready = Shop::open(true).await;
    for (line, body) in lines {
        // Whatever is shown, nobody comes in before somebody has said who may.
        for fields in [&[JSON][..], &[JSON, KEY], &[JSON, CLIENT]] {
            let answer = closed.ask(line, fields, body).await;
            assert!([404, 503].contains(&answer.status()), "{line} {}", answer.text());
        }
        // Nor does a stranger when it is online.
        let answer = ready.ask(line, &[JSON], body).await;
        assert_eq!(answer.status(), 401, "{line} {}", answer.text());
    }
    assert_eq!(closed.behind[0].count() + ready.behind[0].count(), 0, "somebody came in");
    ready.alike(0, "POST /v1/items", &[JSON, KEY], item).await;
    ready.alike(0, "DELETE /v1/items/7", &[KEY], "").await;
    ready.alike(0, "GET /v1/staff", &[CLIENT], "").await;
    // The step that somebody must write still stands there.
    assert_eq!(ready.ask("GET /v1/basket", &[KEY, "cookie: session=1"], "").await.status(), 401);
}

#[tokio::test]
async fn requests_are_held_against_the_description() {
    let shop = Shop::open(true).await;
    let price = r#""price":{"amount":1,"currency":"EUR"}"#;
    for (line, fields, body, status) in [
        ("GET /v1/items?page=0", &[][..], "", 400),
        ("GET /v1/items?page=x", &[], "", 400),
        ("GET /v1/items?sort=size", &[], "", 400),
        ("GET /v1/items/0", &[], "", 400),
        ("GET /v1/items/shoe", &[], "", 400),
        ("POST /v1/items", &[KEY, JSON], "{}", 400),
        ("POST /v1/items", &[KEY, JSON], "{", 400),
        ("POST /v1/items", &[KEY], "", 400),
        ("POST /v1/items", &[KEY, FORM], "name=a", 415),
        (
            "POST /v1/items",
            &[KEY, JSON],
            r#"{"name":"a","price":{"amount":-1,"currency":"EUR"}}"#,
            400,
        ),
        ("POST /v1/orders/7/notes", &[FORM], "stars=5", 400),
        ("POST /v1/orders/7/notes", &[FORM], "text=a&stars=6", 400),
        ("PUT /v1/items/x/photo", &["content-type: image/png"], "png", 400),
    ] {
        let answer = shop.ask(line, fields, body).await;
        assert_eq!(answer.status(), status, "{line} {body} {}", answer.text());
    }
    let parts = format!(r#"{{"name":"a",{price},"note":null,"parts":[{{"name":"b"}}]}}"#);
    assert_eq!(shop.ask("POST /v1/items", &[KEY, JSON], &parts).await.status(), 400);
    assert_eq!(shop.behind[0].count(), 0, "the server was asked");
    let parts = format!(r#"{{"name":"a",{price},"note":null,"parts":[{{"name":"b",{price}}}]}}"#);
    assert_eq!(shop.ask("POST /v1/items", &[KEY, JSON], &parts).await.status(), 200);
}

#[tokio::test]
async fn what_is_not_taken_is_told() {
    let shop = Shop::open(false).await;
    let report = &shop.imported.report;
    let lost: Vec<&str> = report
        .entries
        .iter()
        .filter(|entry| entry.fate == Fate::NotTaken)
        .map(|entry| entry.source.split(':').next().unwrap())
        .collect();
    let session = ["security", "session", "type", "in", "name"];
    for key in ["x-owner", "x-audit", "parameters"].iter().chain(&session) {
        assert!(lost.contains(key), "{key} is not told of\n{}", report.text());
    }
    assert_eq!(lost.len(), 9, "{lost:?}");
}
