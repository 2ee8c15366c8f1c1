//! What people are told.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use http::{HeaderMap, HeaderValue, Method};

use super::{Asked, Outcome, api, request};
use crate::testing::Workshop;

const CONFIG: &str = "defaults: { timeout: 3s, handlers: [ limit: { rate: 9/s } ] }
chains:
  secured:
    - auth: {}
    - limit: { rate: 1/s, share: all }
      id: second
      on_failure: open
apis:
  - id: orders.create
    match: { host: api.example.com, method: POST, path: \"/v1/{shop}\" }
    handlers:
      - chain: secured
        with: { second: { rate: 5/s } }
      - limit: { rate: 7/s }
        id: partners
        when: { header: { x-channel: partner } }
      - answer: { status: 201 }
        enabled: false
    upstream: orders
    body_limit: 2MiB
  - id: orders.any
    match: { path_prefix: /v1 }
    upstream: orders
";

#[test]
fn an_api_is_told_with_the_place_of_everything() {
    let mut shop = Workshop::with(CONFIG);
    shop.files.write("prod.yaml", "chains: null\n");
    shop.overlays = Vec::new();
    let snapshot = shop.build(None).unwrap();
    let text = api(&snapshot, "orders.create").unwrap().to_string();
    assert_eq!(
        text,
        "\
API orders.create  (gateway.yaml:12)
  match.host           [api.example.com]
  match.method         [POST]
  match.path           \"/v1/{shop}\"
  upstream             orders
  timeout              3s           gateway.yaml:4
  body_limit           2MiB         gateway.yaml:23
  response_body_limit  1MiB         built in
  steps, top to bottom:
    1. limit
       written at  gateway.yaml:4  in `defaults`
       stages      request, log
       config      { rate: 9/s }
       on failure  closed
       state       step/orders.create/limit
    2. auth
       written at  gateway.yaml:7  through the chain at gateway.yaml:15
       stages      request
       on failure  closed
    3. second (limit)
       written at  gateway.yaml:9  through the chain at gateway.yaml:15
       stages      request, log
       config      { rate: 5/s, share: all }
       overridden  /rate at gateway.yaml:16, instead of gateway.yaml:8
       on failure  open
       state       share/all
    4. partners (limit)
       written at  gateway.yaml:18
       stages      request, log
       config      { rate: 7/s }
       when        { header: { x-channel: partner } }
       on failure  closed
       state       step/orders.create/partners
    5. answer  off
       written at  gateway.yaml:20
       config      { status: 201 }
       on failure  closed
"
    );
    assert!(api(&snapshot, "none").is_none());
    assert_eq!(api(&snapshot, "-").unwrap().steps.len(), 1);
}

#[test]
fn overlays_are_told_as_overriding_places() {
    let mut shop = Workshop::with(
        "apis:
  - { id: a, match: { path: /a }, upstream: orders, timeout: 1s }
chains: { c: [] }
defaults: { handlers: [ limit: { rate: 1/s } ] }
",
    );
    shop.files.write("prod.yaml", "apis: [ { id: a, timeout: 2s } ]\n");
    shop.overlays = vec!["prod.yaml"];
    let snapshot = shop.build(None).unwrap();
    let explained = api(&snapshot, "a").unwrap();
    let timeout = &explained.settings[0];
    assert_eq!(
        (timeout.value.as_str(), timeout.from.as_deref()),
        (Some("2s"), Some("prod.yaml:1"))
    );
}

#[test]
fn secrets_stay_references() {
    let mut shop = Workshop::with(
        "apis: [ { id: a, match: { path: /a }, upstream: orders, handlers: [ auth: { secret: { env: S } } ] } ]
",
    );
    shop.env.insert("S".into(), "hunter2".into());
    let snapshot = shop.build(None).unwrap();
    let json = serde_json::to_string(&api(&snapshot, "a").unwrap()).unwrap();
    assert!(json.contains(r#""secret":{"env":"S"}"#) && !json.contains("hunter2"), "{json}");
}

#[test]
fn a_text_under_a_key_that_sounds_secret_is_hidden() {
    let shown = super::redacted(serde_json::json!({
        "client_secret": "hunter2", "Password": "x", "secret": { "env": "A" }, "n": [ { "secret": "y" } ]
    }));
    assert_eq!(
        shown,
        serde_json::json!({
            "client_secret": "***", "Password": "***", "secret": { "env": "A" }, "n": [ { "secret": "***" } ]
        })
    );
}

#[test]
fn a_request_is_told_who_wins_and_who_loses_why() {
    let snapshot = Workshop::with(CONFIG).build(None).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("API.example.com:8443"));
    let ask = |method: Method, target: &str| {
        request(&snapshot, &Asked { method: &method, target, listener: None, headers: &headers })
    };
    let won = ask(Method::POST, "/v1//x/../shop%2e?a=b");
    assert_eq!(won.path.as_deref(), Some("/v1/shop."));
    assert_eq!(won.outcome, Outcome::Api("orders.create".into()));
    assert_eq!(won.params, [("shop".to_owned(), "shop.".to_owned())]);
    let text = won.to_string();
    let head: String = text.split_inclusive('\n').take(7).collect();
    assert_eq!(
        head,
        "\
POST /v1/shop. at api.example.com
goes to orders.create
  {shop} = shop.

> orders.create  answers  (gateway.yaml:12)
  orders.any  outranked: another route names the host more exactly (`orders.create`)  (gateway.yaml:24)

"
    );
    assert!(text.contains("3. second (limit)"), "{text}");

    let other = ask(Method::GET, "http://other.example/v1/shop");
    assert_eq!(other.outcome, Outcome::Api("orders.any".into()));
    assert!(other.candidates.iter().any(|candidate| candidate.why.starts_with("host:")));
    assert_eq!(ask(Method::GET, "/v2").outcome, Outcome::NotFound);
    assert!(matches!(ask(Method::GET, "/%zz").outcome, Outcome::Refused(_)));
}

#[test]
fn a_method_that_nobody_takes_is_told_with_those_that_are_taken() {
    let snapshot = Workshop::with(
        "apis: [ { id: a, match: { method: [ PUT ], path: /a }, upstream: orders } ]\n",
    )
    .build(None)
    .unwrap();
    let asked =
        Asked { method: &Method::GET, target: "/a", listener: None, headers: &HeaderMap::new() };
    let told = request(&snapshot, &asked);
    assert_eq!(told.outcome, Outcome::MethodNotAllowed(vec!["PUT".into()]));
    assert_eq!(told.api.unwrap().id, "-");
}
