//! What opens a store, what keeps it, and what is wrong with one.

use crate::testing::Workshop;

const STORES: &str = "\
stores:
  shared: { redis: { addresses: [ 127.0.0.1:6379 ], password: { env: REDIS } } }
apis:
  - { id: a, match: { path: /a }, handlers: [ limit: { rate: 1/s, store: shared } ], upstream: orders }
";

fn shop(text: &str) -> Workshop {
    let mut shop = Workshop::with(text);
    shop.env.insert("REDIS".into(), "secret".into());
    shop
}

fn opened(shop: &Workshop) -> Vec<String> {
    shop.opener.as_ref().unwrap().0.lock().unwrap().clone()
}

#[test]
fn a_store_is_opened_once_and_again_when_its_secret_changes() {
    let mut shop = shop(STORES);
    let first = shop.build(None).unwrap();
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!(opened(&shop), ["shared secret"]);
    assert_eq!(second.built(), 0);
    shop.env.insert("REDIS".into(), "rotated".into());
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(opened(&shop), ["shared secret", "shared rotated"]);
    assert_eq!(third.built(), 1, "what was built with the old one is built anew");
}

#[test]
fn names_that_are_not_there_are_told() {
    let wrong = shop(&STORES.replace("store: shared", "store: shard")).wrong();
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    assert!(wrong.contains("there is no store `shard`"), "{wrong}");
    let wrong = Workshop::with(STORES).wrong();
    assert!(wrong.contains("`REDIS`"), "{wrong}");
    let wasm = "wasm:\n  w: { file: w.wasm, grants: [ kv ], store: shard }\n";
    let wrong = shop(&format!("{STORES}{wasm}")).wrong();
    assert!(wrong.contains("there is no store `shard`"), "{wrong}");
    let wasm = "wasm:\n  w: { file: w.wasm, store: shared }\n";
    let wrong = shop(&format!("{STORES}{wasm}")).wrong();
    assert!(wrong.contains("`w` keeps no values in a store"), "{wrong}");
    let mut none = shop(STORES);
    none.opener = None;
    assert!(none.wrong().contains("this build has no stores"));
}

#[test]
fn what_cannot_be_is_refused_at_its_place() {
    for (from, to, said) in [
        ("[ 127.0.0.1:6379 ]", "[]", "the store `shared` has 0 addresses, not 1 to 64"),
        ("[ 127.0.0.1:6379 ]", "[ a:1, a:1 ]", "`a:1` stands here twice"),
        ("password:", "cluster: true, database: 3, password:", "expected 0 to 0, found 3"),
        ("password:", "prefix: 'a{b}', password:", "not `a{b}`"),
        ("password:", "command_timeout: 1m, password:", "expected 1ms to 10s, found 1m"),
        ("password:", "queue: 0, password:", "expected 1 to 1000000, found 0"),
        ("password:", "gateways: 0, password:", "expected 1 to 10000, found 0"),
        ("password:", "tls: { client_cert: a }, password:", "come together"),
        ("password:", "tls: { ca: nowhere.pem }, password:", "cannot read nowhere.pem"),
        ("{ env: REDIS }", "abc", "secret"),
    ] {
        let wrong = shop(&STORES.replace(from, to)).wrong();
        assert!(wrong.contains(said), "{to}: {wrong}");
    }
}
