//! Steps that send calls to other upstreams: what they are told, and what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::testing::Workshop;

const CONFIG: &str = "\
version: 1
listeners: [ { name: plain, address: 127.0.0.1:0 } ]
upstreams:
  orders: { endpoints: [ { address: 127.0.0.1:7001 } ] }
  canary: { endpoints: [ { address: 127.0.0.1:7002 } ] }
  shadow: { endpoints: [ { address: 127.0.0.1:7003 } ] }
apis:
  - id: a
    match: { path: /a }
    upstream: orders
    handlers:
      - { id: one, route: { to: [ canary, shadow ] } }
      - { id: off, route: { to: [ orders ] }, enabled: false }
      - { id: two, route: { to: [ shadow ], asks: true, override: true } }
";

#[test]
fn a_step_is_told_where_calls_go_that_come_to_it() {
    let snapshot = Workshop::new(CONFIG).build(None).unwrap();
    let chain = &snapshot.api("a").unwrap().api.chain;
    let told: Vec<_> = chain.steps().iter().map(|step| &*step.states[0].fingerprint).collect();
    assert_eq!(told, ["orders, own from 0", "orders canary shadow, own from 2"]);
    let routes: Vec<_> = chain.routes().iter().map(|name| &**name).collect();
    assert_eq!(routes, ["canary", "shadow", "shadow"]);
    let text = crate::explain::api(&snapshot, "a").unwrap().to_string();
    assert!(text.contains("       routes to   canary, shadow\n"), "{text}");
}

#[test]
fn two_that_choose_are_refused_unless_the_lower_one_overrides() {
    let told = Workshop::new(CONFIG.replace(", override: true", "")).wrong();
    assert!(told.contains("`one` and `two` both write the slot `upstream`"), "{told}");
}

#[test]
fn an_upstream_that_is_not_there_is_told_at_its_place() {
    let refused = |old: &str, new: &str| {
        let config = CONFIG.replace(old, new);
        Workshop::new(config).build(None).unwrap_err().render()
    };
    // The step itself has looked.
    let told = refused("[ shadow ], asks", "[ shado ], asks");
    assert!(
        told.contains("there is no upstream `shado`") && told.contains("gateway.yaml:14:35"),
        "{told}"
    );
    // It has not, and is held to it all the same.
    let told = refused("[ canary, shadow ]", "[ canary, shado ]");
    assert!(told.contains("`route` sends calls to `shado`, which is no upstream"), "{told}");
}

#[test]
fn an_api_is_built_again_when_an_upstream_that_it_sends_to_goes() {
    let mut shop = Workshop::new(CONFIG);
    let before = shop.build(None).unwrap();
    let same = shop.build(Some(&before)).unwrap();
    assert_eq!(same.built(), 0);
    let gone = CONFIG.replace("  shadow:", "  other:");
    shop.files.write("gateway.yaml", gone);
    let told = shop.build(Some(&before)).unwrap_err().render();
    assert!(told.contains("there is no upstream `shadow`"), "{told}");
}
