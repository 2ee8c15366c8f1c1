//! What is taken of routes and plugins, and what is not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use paifang_config::source::MemoryFiles;

use crate::{Fate, Fault, Imported, Options};

fn try_import(text: &str, options: Options) -> Result<Imported, Fault> {
    let files = MemoryFiles::new([("/a/apisix.yaml", text.to_owned())]);
    super::import(Path::new("/a/apisix.yaml"), &files, options)
}

/// A route for `/x` with these plugins in flow style.
pub(super) fn route(plugins: &str) -> String {
    format!(
        "consumers: [ {{ username: w, plugins: {{ key-auth: {{ key: s }} }} }} ]\n\
         routes: [ {{ id: r, uri: /x, plugins: {plugins}, upstream: {{ nodes: {{ \"h:80\": 1 }} }} }} ]\n"
    )
}

#[track_caller]
pub(super) fn import(text: &str) -> Imported {
    try_import(text, Options::default()).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The fate of the first entry of this key.
#[track_caller]
pub(super) fn fate(imported: &Imported, key: &str) -> Fate {
    let key = format!("{key}:");
    let found = imported.report.entries.iter().find(|entry| entry.source.starts_with(&key));
    found.unwrap_or_else(|| panic!("no `{key}`:\n{}", imported.report.text())).fate
}

#[test]
fn what_protects_and_is_not_taken_is_offline() {
    for plugins in [
        "{ jwt-auth: {} }",
        "{ hmac-auth: {} }",
        "{ openid-connect: { client_id: a } }",
        "{ uri-blocker: { block_rules: [ a ] } }",
        "{ csrf: { key: a } }",
        "{ serverless-pre-function: { functions: [] } }",
        "{ ip-restriction: { whitelist: [ nowhere ] } }",
        "{ consumer-restriction: { whitelist: [ stranger ] } }",
        "{ limit-count: { count: 1, time_window: 100000 } }",
        "{ limit-req: { rate: 1, burst: 1, key: cookie_a } }",
        "{ key-auth: { anonymous_consumer: w } }",
        "{ key-auth: { _meta: { filter: [ [ arg_a, \"==\", b ] ] } } }",
    ] {
        let closed = import(&route(plugins));
        assert!(closed.yaml.contains("state: offline"), "{plugins}\n{}", closed.yaml);
        assert!(closed.report.count(Fate::NotTaken) > 0, "{plugins}: {}", closed.report.text());
        let open = try_import(&route(plugins), Options { allow_unprotected: true }).unwrap();
        assert!(open.yaml.contains("state: online"), "{plugins}\n{}", open.yaml);
    }
    // What only tells or shapes leaves the API as it is, and is reported.
    for plugins in
        ["{ http-logger: { uri: a } }", "{ proxy-mirror: {} }", "{ response-rewrite: { body: a } }"]
    {
        let imported = import(&route(plugins));
        assert!(!imported.yaml.contains("state: offline"), "{plugins}\n{}", imported.yaml);
        assert!(imported.report.count(Fate::NotTaken) > 0, "{plugins}");
    }
}

#[test]
fn conditions_that_a_match_cannot_ask_for_leave_the_route_offline() {
    let with = |vars: &str| {
        import(&format!(
            "routes: [ {{ uri: /x, vars: {vars}, upstream: {{ nodes: {{ \"h:80\": 1 }} }} }} ]"
        ))
    };
    assert!(with("[ [ http_a, \"==\", b ] ]").yaml.contains("header: { a: b }"));
    assert!(with("[ [ uri, \"~~\", \"^/x$\" ] ]").yaml.contains("path_regex: \"^/x$\""));
    assert!(with("[ [ arg_a, \"==\", b ] ]").yaml.contains("when: { not: { query: { a: b } } }"));
    for vars in [
        "[ [ cookie_a, \"==\", b ] ]",
        "[ OR, [ http_a, \"==\", b ] ]",
        "[ [ uri, \"~~\", \"(?=a)\" ] ]",
    ] {
        assert!(with(vars).yaml.contains("state: offline"), "{vars}");
    }
}

#[test]
fn steps_stand_in_the_order_of_apisix() {
    let imported = import(&route(
        "{ redirect: { uri: /y }, limit-count: { count: 1, time_window: 1 }, ip-restriction: { blacklist: [ 10.0.0.0/8 ] }, key-auth: {} }",
    ));
    let at = |kind: &str| {
        imported.yaml.find(&format!("- {{ {kind}:")).or(imported.yaml.find(&format!("- {kind}:")))
    };
    let order = [at("key_auth"), at("redirect"), at("ip_filter"), at("throttle")];
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{order:?}\n{}", imported.yaml);
}

#[test]
fn secrets_are_named_and_not_repeated() {
    let imported = import(
        "consumers: [ { username: a-b, plugins: { key-auth: { key: very-secret-1 }, basic-auth: { username: u, password: very-secret-2 } } } ]
routes: [ { uri: /x, plugins: { key-auth: {} }, upstream: { nodes: { \"h:80\": 1 } } } ]",
    );
    let all = format!("{}{}", imported.yaml, imported.report.text());
    assert!(!all.contains("very-secret"), "{all}");
    assert!(imported.yaml.contains("env: APISIX_A_B_KEY"), "{}", imported.yaml);
}

#[test]
fn of_two_routes_that_take_the_same_the_higher_priority_counts() {
    let imported = import(
        "routes:
  - { id: low, uri: /x, upstream: { nodes: { \"low:80\": 1 } } }
  - { id: high, uri: /x, priority: 5, upstream: { nodes: { \"high:80\": 1 } } }",
    );
    assert!(
        imported.yaml.contains("id: high") && !imported.yaml.contains("id: low"),
        "{}",
        imported.yaml
    );
    assert_eq!(imported.report.count(Fate::NotTaken), 1);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let fault =
        |text: &str| try_import(text, Options::default()).expect_err("it was read").to_string();
    assert!(fault("routes: [ {").starts_with("/a/apisix.yaml:"), "{}", fault("routes: [ {"));
    assert!(fault("upstreams: []").contains("there are no `routes`"));
    assert!(fault("a: 1\na: 2\n").contains("/a/apisix.yaml:2:1"), "{}", fault("a: 1\na: 2\n"));
}
