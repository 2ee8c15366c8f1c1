//! Compiling: what is refused, what is taken over, what a snapshot gives.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use http::{HeaderMap, Method};
use paifang_pipeline::ports::{BoxFuture, Spawn};

use crate::route::{Outcome, Request};
use crate::snapshot::Snapshot;
use crate::testing::Workshop;

struct NoSpawn;
impl Spawn for NoSpawn {
    fn spawn(&self, _: BoxFuture<()>) {}
}

fn ids(snapshot: &Snapshot, api: &str) -> Vec<String> {
    let served = snapshot.api(api).unwrap();
    served.api.chain.steps().iter().map(|step| step.id.to_string()).collect()
}

#[test]
fn chains_are_written_out_in_order_with_defaults_in_front() {
    let snapshot = Workshop::with(
        "defaults: { timeout: 3s, handlers: [ limit: { rate: 9/s } ] }
chains:
  outer: [ { chain: inner }, { auth: {} } ]
  inner: [ { limit: { rate: 1/s }, id: inner } ]
apis:
  - id: a
    match: { path: /a }
    handlers: [ { chain: outer }, { chain: inner, id: again }, { auth: { override: true }, id: own } ]
    upstream: orders
    timeout: 1s
  - { id: b, match: { path: /b }, handlers: [ answer: {} ] }
",
    )
    .build(None)
    .unwrap();
    assert_eq!(ids(&snapshot, "a"), ["limit", "inner", "auth", "again.inner", "own"]);
    assert_eq!(ids(&snapshot, "b"), ["limit", "answer"]);
    assert_eq!(snapshot.fallback().api.chain.steps().len(), 1);
    let a = &snapshot.api("a").unwrap().api;
    assert_eq!(a.limits.timeout.as_secs(), 1);
    assert_eq!(a.upstream.as_deref(), Some("orders"));
    assert_eq!(a.chain.steps()[3].states[0].key.as_str(), "step/a/again.inner");
    assert_eq!(snapshot.api("b").unwrap().api.limits.timeout.as_secs(), 3);
}

#[test]
fn overrides_merge_into_the_chain_s_config() {
    let snapshot = Workshop::with(
        "chains: { c: [ { limit: { rate: 1/s, share: all } } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: c, with: { limit: { rate: 5/s } } } ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ { chain: c, with: { limit: { share: null } } } ] }
",
    )
    .build(None)
    .unwrap();
    let state = |id: &str| snapshot.api(id).unwrap().api.chain.steps()[0].states[0].clone();
    assert_eq!((state("a").key.as_str(), &*state("a").fingerprint), ("share/all", "5/s"));
    assert_eq!((state("b").key.as_str(), &*state("b").fingerprint), ("step/b/limit", "1/s"));
}

#[test]
fn what_is_switched_off_is_left_out() {
    let snapshot = Workshop::with(
        "chains: { c: [ { auth: {} } ] }
apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ { limit: { rate: 1/s }, enabled: false }, { chain: c, enabled: false } ] }
  - { id: b, match: { path: /b }, state: offline, handlers: [ auth: {} ] }
",
    )
    .build(None)
    .unwrap();
    assert!(ids(&snapshot, "a").is_empty());
    assert!(snapshot.api("b").unwrap().offline);
    assert!(ids(&snapshot, "b").is_empty(), "an offline API runs the steps of defaults only");
}

#[test]
fn every_mistake_of_a_step_is_told_where_it_stands() {
    let wrong = Workshop::with(
        "chains: { c: [ { limit: { rate: 1/s } } ] }
apis:
  - id: a
    match: { path: /a }
    upstream: orders
    handlers:
      - limt: { rate: 1/s }
      - limit: { rat: 1/s }
      - limit: {}
        id: second
      - limit: { rate: [ 1 ] }
        id: third
      - answer: { status: 99 }
      - answer: { status: many }
        id: fifth
      - auth: { secret: hunter2 }
      - auth: { secret: { env: NONE }, override: true }
        id: later
      - chain: c
        id: x
        with: { limit: { rate: fast } }
      - gate: {}
",
    )
    .wrong();
    assert_eq!(
        wrong,
        "\
gateway.yaml:10:9: there is no handler `limt` (did you mean `limit`?)
gateway.yaml:11:18: unknown key `rat` (did you mean `rate`?)
gateway.yaml:13:13: the key `rate` is missing
gateway.yaml:14:18: expected a rate such as `200/s`, `10/m` or `1000/h`, found a list
gateway.yaml:16:27: expected 200 to 599 (say 200)
gateway.yaml:17:27: expected a whole number from 0 to 65535, found `many`
gateway.yaml:19:25: expected a reference to a secret, found something else (write { env: NAME } or { file: path }; secrets do not stand in config)
gateway.yaml:20:17: the variable `NONE` with the secret is not set
gateway.yaml:24:32: `fast` is no rate; write it like `200/s`, `10/m`, `1000/h` or `5/d`
gateway.yaml:25:9: `gate` is for connections, not for calls (move it to a listener's `accept`)"
    );
}

#[test]
fn two_writers_of_a_slot_need_an_override() {
    let apis = |second: &str| {
        format!(
            "apis:
  - id: a
    match: {{ path: /a }}
    upstream: orders
    handlers:
      - auth: {{}}
      - auth: {second}
        id: second
"
        )
    };
    let wrong = Workshop::with(&apis("{}")).wrong();
    assert!(wrong.contains("11:13: `auth` and `second` both write the slot `identity`"), "{wrong}");
    Workshop::with(&apis("{ override: true }")).build(None).unwrap();
}

#[test]
fn ids_are_unique_in_an_api() {
    let mut shop = Workshop::with(
        "chains: { c: [ { auth: {} } ] }
apis: [ { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: c }, { chain: c } ] } ]
",
    );
    let wrong = shop.build(None).unwrap_err();
    let first = &wrong.as_slice()[0];
    assert_eq!(first.message, "two steps have the id `auth`");
    assert_eq!(first.related.len(), 4, "the API and both uses of the chain are named");
}

#[test]
fn an_api_must_be_answered() {
    let wrong = Workshop::with(
        "apis:
  - { id: a, match: { path: /a }, handlers: [ limit: { rate: 1/s } ] }
  - { id: b, match: { path: /b }, handlers: [ { answer: {}, when: { method: [ GET ] } } ] }
  - { id: c, match: { path: /c }, handlers: [ { answer: {}, enabled: false } ] }
  - { id: d, match: { path: /d }, handlers: [ answer: {} ] }
",
    )
    .wrong();
    let lines: Vec<&str> = wrong.lines().collect();
    assert_eq!(lines.len(), 3, "{wrong}");
    assert!(lines.iter().all(|line| line.contains("nothing answers the API")), "{wrong}");
}

#[test]
fn chains_that_multiply_are_stopped() {
    let mut text = String::from("chains:\n  c0: [ { auth: {} } ]\n");
    for n in 1..30 {
        text.push_str(&format!(
            "  c{n}: [ {{ chain: c{0}, id: l }}, {{ chain: c{0}, id: r }} ]\n",
            n - 1
        ));
    }
    text.push_str("apis: [ { id: a, match: { path: /a }, upstream: orders, handlers: [ { chain: c29 } ] } ]\n");
    let wrong = Workshop::with(&text).wrong();
    assert!(wrong.contains("has more than 64 steps"), "{wrong}");
}

#[test]
fn routes_that_contradict_each_other_name_both_places() {
    let mut shop = Workshop::with(
        "apis:
  - { id: a, match: { path: \"/x/{one}\" }, upstream: orders }
  - { id: b, match: { path: \"/x/{two}\" }, upstream: orders }
",
    );
    let wrong = shop.build(None).unwrap_err();
    let first = &wrong.as_slice()[0];
    assert!(first.message.starts_with("the APIs `a` and `b` match the same requests"), "{wrong}");
    assert_eq!(first.place.as_ref().unwrap().line, 6);
    assert_eq!(first.related[0].place.line, 5);
}

#[test]
fn patterns_are_checked() {
    let wrong = Workshop::with(
        "apis:
  - { id: a, match: { path: \"x\" }, upstream: orders }
  - { id: b, match: { host: \"a.*\", path: /b }, upstream: orders }
  - { id: c, match: { method: get, path: /c }, upstream: orders }
  - { id: d, match: { method: \"G T\", path: /d }, upstream: orders }
  - { id: e, match: { header: { \"x y\": a }, path: /e }, upstream: orders }
  - { id: f, match: { header: { x: { present: false } }, path: /e }, upstream: orders }
",
    );
    let mut wrong = wrong;
    let text = wrong.wrong();
    // What a type refuses comes before what the routes refuse.
    assert!(text.contains("10:36: `present: false` is not possible here"), "{text}");
    wrong.files.write(
        "gateway.yaml",
        format!(
            "{}apis:
  - {{ id: a, match: {{ path: \"x\" }}, upstream: orders }}
  - {{ id: b, match: {{ host: \"a.*\", path: /b }}, upstream: orders }}
  - {{ id: c, match: {{ method: get, path: /c }}, upstream: orders }}
  - {{ id: d, match: {{ method: \"G T\", path: /d }}, upstream: orders }}
  - {{ id: e, match: {{ header: {{ \"x y\": a }}, path: /e }}, upstream: orders }}
",
            crate::testing::BASE
        ),
    );
    let text = wrong.wrong();
    for (line, part) in text.lines().zip([
        "5:29: `x`: a path begins with `/`",
        "6:29: `a.*`: `*` stands only",
        "7:31: methods are upper case: write GET",
        "8:31: `G T` is not a method",
        "9:40: `x y` is not a header name",
    ]) {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn requests_find_their_api() {
    let snapshot = Workshop::with(
        "apis:
  - { id: all, match: { path_prefix: / }, upstream: orders }
  - { id: one, match: { host: API.example.com, method: [ GET ], path: \"/v1/{shop}\" }, upstream: orders, operation: op.one }
",
    )
    .build(None)
    .unwrap();
    let headers = HeaderMap::new();
    let find = |host, method: &Method, path| {
        let request = Request { host, method, path, listener: None, headers: &headers };
        match snapshot.table().lookup(&request) {
            Outcome::Match(found) => {
                let index = *snapshot.table().value(found.route());
                snapshot.at(index).unwrap().api.id.to_string()
            }
            other => format!("{other:?}"),
        }
    };
    assert_eq!(find(Some("api.example.com"), &Method::GET, "/v1/a"), "one");
    assert_eq!(find(Some("api.example.com"), &Method::POST, "/v1/a"), "all");
    assert_eq!(find(None, &Method::GET, "/v1/a"), "all");
    assert_eq!(snapshot.table().by_operation("op.one"), Some(&1));
}

const TWO: &str = "apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ limit: { rate: 1/s } ] }
  - { id: b, match: { path: /b }, upstream: orders, handlers: [ { chain: c } ] }
chains: { c: [ { limit: { rate: 1/s } } ] }
";

#[test]
fn what_did_not_change_is_taken_over() {
    let mut shop = Workshop::with(TWO);
    let first = shop.build(None).unwrap();
    assert_eq!(first.built(), 2);

    // Comments and order of files move every line and change nothing.
    shop.files.write("gateway.yaml", format!("# more\n\n{}{TWO}", crate::testing::BASE));
    let second = shop.build(Some(&first)).unwrap();
    assert_eq!((second.built(), second.hash()), (0, first.hash()));
    assert!(Arc::ptr_eq(first.api("a").unwrap(), second.api("a").unwrap()));
    assert!(Arc::ptr_eq(first.fallback(), second.fallback()));

    // A chain changes the APIs that use it, and those keep their counters.
    let changed = TWO.replace("{ c: [ { limit: { rate: 1/s }", "{ c: [ { limit: { rate: 2/s }");
    shop.files.write("gateway.yaml", format!("{}{changed}", crate::testing::BASE));
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(third.built(), 1);
    assert!(Arc::ptr_eq(second.api("a").unwrap(), third.api("a").unwrap()));
    let (old, new) = (second.api("b").unwrap(), third.api("b").unwrap());
    assert!(!Arc::ptr_eq(old, new));
    assert!(Arc::ptr_eq(&old.api.stats, &new.api.stats));
    let step = |api: &Arc<crate::snapshot::ServedApi>| api.api.chain.steps()[0].stats.clone();
    assert!(Arc::ptr_eq(&step(old), &step(new)));

    // Defaults change all.
    shop.files.write(
        "gateway.yaml",
        format!("{}{TWO}defaults: {{ timeout: 1s }}\n", crate::testing::BASE),
    );
    assert_eq!(shop.build(Some(&third)).unwrap().built(), 2);
}

#[test]
fn a_secret_s_new_value_builds_what_uses_it() {
    let mut shop = Workshop::with(
        "apis:
  - { id: a, match: { path: /a }, upstream: orders, handlers: [ auth: { secret: { file: secrets/a } } ] }
  - { id: b, match: { path: /b }, upstream: orders }
",
    );
    let wrong = shop.wrong();
    assert!(wrong.contains("5:73: cannot read the secret from secrets/a"), "{wrong}");
    shop.files.write("secrets/a", "one\n");
    let first = shop.build(None).unwrap();
    assert_eq!(shop.build(Some(&first)).unwrap().built(), 0);
    shop.files.write("secrets/a", "two\n");
    assert_eq!(shop.build(Some(&first)).unwrap().built(), 1);
}

#[test]
fn apps_come_with_their_secrets_or_not_at_all() {
    let mut shop = Workshop::with(
        "apps: { wallet: { keys: [ { id: k1, secret: { env: K1 } } ] } }
admin: { address: 127.0.0.1:9900, token: { env: TOKEN } }
apis: [ { id: a, match: { path: /a }, upstream: orders } ]
",
    );
    let wrong = shop.wrong();
    assert!(wrong.contains("the variable `K1` with the secret is not set"), "{wrong}");
    assert!(wrong.contains("the variable `TOKEN` with the secret is not set"), "{wrong}");
    shop.env.insert("K1".into(), "hunter2".into());
    shop.env.insert("TOKEN".into(), "t".into());
    let first = shop.build(None).unwrap();
    assert_eq!(first.apps().get("wallet").unwrap().keys[0].secret.expose(), b"hunter2");
    assert_eq!(first.admin_token().unwrap().expose(), b"t");
    assert!(!format!("{first:?}").contains("hunter2"));
    let second = shop.build(Some(&first)).unwrap();
    assert!(Arc::ptr_eq(first.apps(), second.apps()));
    shop.env.insert("K1".into(), "hunter3".into());
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(third.apps().get("wallet").unwrap().keys[0].secret.expose(), b"hunter3");
    assert_eq!(third.built(), 1, "handlers hold apps, so they are built again");
}

#[test]
fn accept_steps_are_for_connections() {
    let text = |steps: &str| {
        format!(
            "version: 1\nlisteners:\n  - {{ name: plain, address: 127.0.0.1:0, accept: {steps} }}\n"
        )
    };
    let mut shop = Workshop::new(text("[ gate: {} ]"));
    let first = shop.build(None).unwrap();
    assert_eq!(first.accept("plain").unwrap().steps().len(), 1);
    assert!(first.accept("other").is_none());
    let second = shop.build(Some(&first)).unwrap();
    assert!(Arc::ptr_eq(first.accept("plain").unwrap(), second.accept("plain").unwrap()));
    let wrong =
        Workshop::new(text("[ { auth: {} }, { gate: {}, when: { method: [ GET ] } } ]")).wrong();
    assert!(wrong.contains("`auth` is for calls, not for connections"), "{wrong}");
    assert!(wrong.contains("there is no call yet"), "{wrong}");
}

#[test]
fn handlers_start_once_and_drain_when_they_are_gone() {
    let spawn: Arc<dyn Spawn> = Arc::new(NoSpawn);
    let text = |first: &str, second: &str| {
        format!(
            "{}apis:
  - {{ id: a, match: {{ path: /a }}, upstream: orders, handlers: [ probe: {{ name: {first} }} ] }}
  - {{ id: b, match: {{ path: /b }}, upstream: orders, handlers: [ probe: {{ name: {second} }} ] }}
",
            crate::testing::BASE
        )
    };
    let mut shop = Workshop::new(text("one", "two"));
    let life = shop.life.clone();
    let told = move || std::mem::take(&mut *life.lock().unwrap());
    let first = shop.build(None).unwrap();
    first.start(None, &spawn).unwrap();
    assert_eq!(told(), ["start one", "start two"]);
    shop.files.write("gateway.yaml", text("one", "three"));
    let second = shop.build(Some(&first)).unwrap();
    second.start(Some(&first), &spawn).unwrap();
    first.drain(Some(&second));
    assert_eq!(told(), ["start three", "drain two"]);
    shop.files.write("gateway.yaml", text("four", "broken"));
    let third = shop.build(Some(&second)).unwrap();
    assert_eq!(
        third.start(Some(&second), &spawn).unwrap_err(),
        "the step `probe` of b: it does not start"
    );
    assert_eq!(told(), ["start four", "start broken", "drain four"]);
    second.drain(None);
    assert_eq!(told(), ["drain one", "drain three"]);
}

#[test]
fn retries_fall_back_key_by_key() {
    let snapshot = Workshop::new(
        "version: 1
listeners: [ { name: plain, address: 127.0.0.1:0 } ]
defaults: { retry: { attempts: 4, statuses: [ 503 ] } }
upstreams: { orders: { endpoints: [ { address: 127.0.0.1:7001 } ], retry: { attempts: 3, body_buffer: 1KiB } } }
apis:
  - { id: a, match: { path: /a }, upstream: orders, retry: { any_method: true } }
",
    )
    .build(None)
    .unwrap();
    let retry = &snapshot.api("a").unwrap().api.retry;
    assert_eq!((retry.attempts, retry.body_bytes, retry.any_method), (3, 1024, true));
    assert_eq!(retry.statuses, [http::StatusCode::SERVICE_UNAVAILABLE]);
}
