//! Plugins one by one: what they become, and what keeps their API offline.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::tests::{fate, import, route};
use crate::{Fate, Imported};

/// A route with these plugins, and what must stand in what becomes of it.
#[track_caller]
fn becomes(plugins: &str, wanted: &[&str]) -> Imported {
    let imported = import(&route(plugins));
    for text in wanted {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    imported
}

#[test]
fn another_server_says_who_may_pass() {
    let imported = becomes(
        "{ forward-auth: { uri: \"https://authz.internal/check\", request_headers: [ Authorization, X-Forwarded-For ],
           upstream_headers: [ X-User ], client_headers: [ Location ], timeout: 500, ssl_verify: false,
           extra_headers: { X-Path: \"$uri\" } } }",
        &[
            "address: \"authz.internal:443\"",
            "tls:",
            "verify: false",
            "path: /check\n",
            "timeout: 500ms\n",
            "send: [ authorization ]\n",
            "set: { x-path: \"{{ path }}\" }",
            "take: [ x-user ]\n",
            "deny: { headers: [ location, content-type, content-encoding ] }",
        ],
    );
    assert_eq!(fate(&imported, "forward-auth"), Fate::Approximated);
    assert!(!imported.yaml.contains("state: offline"), "{}", imported.yaml);
    for config in [
        "{}",
        "{ uri: nowhere }",
        "{ uri: \"http://$arg_a/\" }",
        "{ uri: \"ftp://a/\" }",
        "{ uri: \"http://a\", extra_headers: { x-forwarded-uri: a } }",
        "{ uri: \"http://a\", extra_headers: { a: \"$cookie_b\" } }",
        "{ uri: \"http://a\", request_method: PUT }",
    ] {
        becomes(&format!("{{ forward-auth: {config} }}"), &["state: offline"]);
    }
}

#[test]
fn requests_are_held_against_schemas() {
    becomes(
        "{ request-validation: { header_schema: { type: object, required: [ X-Shop ], properties: { X-Shop: { enum: [ \"1\", 2, null ] } } },
           body_schema: { $schema: \"http://json-schema.org/draft-04/schema#\", type: object, properties: { count: { type: integer, maximum: 1e3 } } } } }",
        &[
            "required: [ x-shop ]",
            "properties: { x-shop: { enum: [ \"1\", 2, null ] } }",
            "\"$schema\": \"http://json-schema.org/draft-07/schema#\"",
            "\"$schema\": \"http://json-schema.org/draft-04/schema#\"",
            "count: { type: integer, maximum: 1e3 }",
        ],
    );
    for config in [
        "{}",
        "{ body_schema: { $ref: \"http://a/b\" } }",
        "{ body_schema: { properties: { a: { pattern: \"(?=a)\" } } } }",
        "{ header_schema: { patternProperties: { a: {} } } }",
    ] {
        becomes(&format!("{{ request-validation: {config} }}"), &["state: offline"]);
    }
}

/// A route with `jwt-auth`, and these consumers.
fn tokens(consumers: &str, plugin: &str) -> Imported {
    import(&format!(
        "consumers: [ {consumers} ]\nroutes: [ {{ id: r, uri: /x, plugins: {{ jwt-auth: {plugin} }}, upstream: {{ nodes: {{ \"h:80\": 1 }} }} }} ]\n"
    ))
}

#[test]
fn tokens_of_one_consumer_are_taken() {
    let secret = "0123456789abcdef0123456789abcdef";
    let one = format!(
        "{{ username: ada, plugins: {{ jwt-auth: {{ key: ada-key, secret: {secret} }} }} }}"
    );
    let imported = tokens(&one, "{ hide_credentials: true }");
    for text in [
        "secret: { env: APISIX_ADA_JWT_SECRET }",
        "algorithm: HS256",
        "key: [ ada-key ]",
        "claims: { subject: key }",
        "forward: false",
        "x-consumer-username: ada",
        "exp: false",
        "{ scheme: Bearer }, { query: jwt }, { cookie: jwt }",
    ] {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    let all = format!("{}{}", imported.yaml, imported.report.text());
    assert!(!all.contains(secret) && !all.contains("state: offline"), "{all}");
    let public =
        "{ username: ada, plugins: { jwt-auth: { key: k, algorithm: RS256, public_key: p } } }";
    assert!(tokens(public, "{}").yaml.contains("pem: { env: APISIX_ADA_JWT_PUBLIC_KEY }"));
    // With several, a token that one has signed could name another.
    let two = format!("{one}, {}", one.replace("ada", "bob"));
    for (consumers, plugin) in [
        (two.as_str(), "{}"),
        ("", "{}"),
        ("{ username: a, plugins: { jwt-auth: { key: k, secret: short } } }", "{}"),
        ("{ username: a, plugins: { jwt-auth: { key: k } } }", "{}"),
        (
            "{ username: a, plugins: { jwt-auth: { key: k, secret: \"$env://S\", base64_secret: true } } }",
            "{}",
        ),
        (one.as_str(), "{ anonymous_consumer: a }"),
    ] {
        let imported = tokens(consumers, plugin);
        assert!(
            imported.yaml.contains("state: offline"),
            "{consumers} {plugin}\n{}",
            imported.yaml
        );
    }
}

#[test]
fn answers_are_compressed_kept_and_given_up_on() {
    becomes(
        "{ gzip: { types: [ text/css ], min_length: 2048, comp_level: 6 }, brotli: { types: \"*\" } }",
        &[
            "compress: { codecs: [ gzip ], levels: { gzip: 6 }, types: [ text/css ], min_size: 2KiB }",
            "codecs: [ br ], levels: { br: 6 }, types: [ \"*/*\" ], min_size: 20B",
        ],
    );
    becomes(
        "{ proxy-cache: { cache_strategy: memory, cache_ttl: 60, cache_key: [ \"$host\", \"$request_uri\", \"$http_x_shop\" ] } }",
        &["cache: { ttl: 1m, key: { headers: [ x-shop ] } }"],
    );
    for config in ["{ no_cache: [ \"$arg_a\" ] }", "{ cache_key: [ \"$cookie_a\" ] }"] {
        let imported = becomes(&format!("{{ proxy-cache: {config} }}"), &["upstream: "]);
        assert!(!imported.yaml.contains("cache:"), "{}", imported.yaml);
        assert_eq!(fate(&imported, "proxy-cache"), Fate::NotTaken);
    }
    becomes(
        "{ api-breaker: { break_response_code: 502, max_breaker_sec: 60, unhealthy: { http_statuses: [ 500, 503 ], failures: 4 }, healthy: { successes: 2 } } }",
        &[
            "circuit_breaker: { statuses: [ 500, 503 ], min_calls: 4, open_for: 2s, open_max: 60s, probes: 2 }",
        ],
    );
}

#[test]
fn requests_are_copied_and_split() {
    becomes(
        "{ proxy-mirror: { host: \"http://127.0.0.1:9797\", sample_ratio: 0.25 } }",
        &["address: \"127.0.0.1:9797\"", "mirror:", "share: 25%", "remove: []"],
    );
    let path = becomes("{ proxy-mirror: { host: \"http://a\", path: /x } }", &["upstream: "]);
    assert_eq!(fate(&path, "proxy-mirror"), Fate::NotTaken);

    let rule = |conditions: &str, upstream: &str, rest: u32| {
        format!(
            "{{ match: [ {{ vars: [ {conditions} ] }} ], weighted_upstreams: [ {{ upstream: {{ nodes: {{ \"{upstream}:80\": 1 }} }}, weight: 10 }}, {{ weight: {rest} }} ] }}"
        )
    };
    let beta = rule("[ http_x_beta, \"==\", \"1\" ]", "beta", 0);
    let other = rule("[ arg_v, \"==\", two ]", "two", 90);
    let imported = becomes(
        &format!("{{ traffic-split: {{ rules: [ {beta}, {other} ] }} }}"),
        &[
            "when: { header: { x-beta: \"1\" } }",
            "when: { query: { v: two } }",
            "share: 100%",
            "share: 10%",
            "override: true",
        ],
    );
    // The first rule stands last, where it counts.
    let at = |text: &str| imported.yaml.find(text).unwrap();
    assert!(at("share: 10%") < at("share: 100%"), "{}", imported.yaml);
    for rules in [
        format!("{other}, {beta}"),
        rule("[ cookie_a, \"==\", b ]", "c", 1),
        rule("[ uri, \"~~\", \"^/x\" ]", "c", 1),
        rule("", "c", 1),
    ] {
        let imported = becomes(&format!("{{ traffic-split: {{ rules: [ {rules} ] }} }}"), &[]);
        assert_eq!(fate(&imported, "traffic-split"), Fate::NotTaken, "{rules}");
    }
}

#[test]
fn servers_are_chosen_and_left_alone() {
    let upstream = |text: &str, wanted: &str| {
        let imported = import(&format!(
            "routes: [ {{ id: r, uri: /x, upstream: {{ nodes: [ {{ host: a, port: 80, priority: 1 }}, {{ host: b, port: 80 }} ], {text} }} }} ]"
        ));
        assert!(imported.yaml.contains(wanted), "no `{wanted}` in\n{}", imported.yaml);
        assert!(imported.yaml.contains("{ address: \"b:80\", priority: 1 }"), "{}", imported.yaml);
        imported
    };
    let told = upstream("type: least_conn", "balance: least_connections");
    assert_eq!(fate(&told, "type"), Fate::Taken);
    let hash = |on: &str, wanted: &str| {
        let wanted = format!("balance: {{ consistent_hash: {{ by: {wanted} }} }}");
        upstream(&format!("type: chash, {on}"), &wanted)
    };
    hash("key: remote_addr", "client_ip");
    hash("hash_on: header, key: http_x_user", "{ header: x-user }");
    hash("hash_on: cookie, key: sid", "{ cookie: sid }");
    hash("hash_on: consumer", "identity");
    hash("key: arg_u", "{ query: u }");
    let none = upstream("type: chash, key: host", "endpoints");
    assert!(!none.yaml.contains("balance"), "{}", none.yaml);
    assert_eq!(fate(&none, "type"), Fate::Approximated);
    let passive = "checks: { active: { http_path: /up }, passive: { unhealthy: { http_failures: 2, http_statuses: [ 500, 503 ] } } }";
    let told = upstream(passive, "outlier_ejection: { failures: 2, statuses: [ 500, 503 ] }");
    assert_eq!(fate(&told, "checks"), Fate::Approximated);
}
