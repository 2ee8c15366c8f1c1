//! Differences, in full.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::diff::diff;
use crate::testing::Workshop;

const OLD: &str = "defaults: { handlers: [ auth: {} ] }
chains: { c: [ { limit: { rate: 1/s } } ] }
apps: { wallet: { keys: [ { id: k1, secret: { env: K1 } } ] } }
apis:
  - { id: same, match: { path: /same }, upstream: orders }
  - { id: gone, match: { path: /gone }, upstream: orders, handlers: [ limit: { rate: 3/s } ] }
  - { id: chained, match: { path: /c }, upstream: orders, handlers: [ { chain: c } ] }
  - { id: moved, match: { path: /m }, upstream: orders, handlers: [ { limit: { rate: 1/s } }, { answer: {} } ] }
";

#[test]
fn the_difference_is_told_field_by_field() {
    let mut shop = Workshop::with(OLD);
    shop.env.insert("K1".into(), "one".into());
    let old = shop.build(None).unwrap();
    assert_eq!(diff(&old, &shop.build(Some(&old)).unwrap()).to_string(), "no difference\n");
    shop.env.insert("K1".into(), "two".into());
    shop.files.write(
        "gateway.yaml",
        "version: 1
listeners:
  - { name: plain, address: 127.0.0.1:0, limits: { idle: 10s } }
  - { name: more, address: 127.0.0.1:0 }
upstreams: { orders: { endpoints: [ { address: 127.0.0.1:7001, weight: 2 } ] } }
log: { level: debug }
defaults: { handlers: [ auth: {} ] }
chains: { c: [ { limit: { rate: 2/s } } ] }
apps: { wallet: { keys: [ { id: k1, secret: { env: K1 } } ] } }
apis:
  - { id: same, match: { path: /same }, upstream: orders }
  - { id: new, match: { path: /new }, upstream: orders }
  - { id: chained, match: { path: /c }, upstream: orders, handlers: [ { chain: c } ], timeout: 1s }
  - { id: moved, match: { path: /m }, upstream: orders, handlers: [ { answer: {} }, { limit: { rate: 1/s } } ] }
",
    );
    let new = shop.build(Some(&old)).unwrap();
    let told = diff(&old, &new);
    assert_eq!(
        told.to_string(),
        "\
- api gone
+ api new
~ api chained
    timeout: 30s -> 1s
    steps.limit.config.rate: 1/s -> 2/s
~ api moved
    order: [auth, limit, answer] -> [auth, answer, limit]
~ upstream orders
    endpoints: [{ address: \"127.0.0.1:7001\", weight: 1 }] -> [{ address: \"127.0.0.1:7001\", weight: 2 }]
+ listener more
~ listener plain
    limits.idle: 1m15s -> 10s
~ app wallet
    keys.k1.secret: another value
~ settings
    log.level: info -> debug
! state step/chained/limit begins anew (step limit of chained)
! state step/gone/limit is dropped (step limit of gone)
"
    );
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!(json["changes"][2]["fields"][0]["after"], "1s");
    assert!(!json.to_string().contains("two"));
}
