//! How calls are spread: balance, reserves, failures, limits, shares.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::tests::{fate, import};
use crate::{Fate, Imported};

/// An upstream with these lines, passed to with these.
#[track_caller]
fn upstream(lines: &str, location: &str, wanted: &[&str]) -> Imported {
    let imported = import(&format!(
        "upstream u {{ {lines} }} server {{ location / {{ {location} proxy_pass http://u; }} }}"
    ));
    for text in wanted {
        assert!(imported.yaml.contains(text), "no `{text}` in\n{}", imported.yaml);
    }
    imported
}

#[test]
fn balance_is_told() {
    let with =
        |line: &str, wanted: &str| upstream(&format!("server a; server b; {line}"), "", &[wanted]);
    assert_eq!(fate(&with("least_conn;", "balance: least_connections"), "least_conn"), Fate::Taken);
    with("ip_hash;", "balance: { consistent_hash: { by: client_ip } }");
    with("hash $remote_addr consistent;", "consistent_hash: { by: client_ip }");
    with("hash $request_uri;", "consistent_hash: { by: path }");
    with("hash $cookie_session consistent;", "consistent_hash: { by: { cookie: session } }");
    with("hash $http_x_user;", "consistent_hash: { by: { header: x-user } }");
    with("hash $arg_u;", "consistent_hash: { by: { query: u } }");
    with("random two least_conn;", "balance: least_connections");
    let other = with("hash $request_method$host;", "endpoints:");
    assert!(!other.yaml.contains("balance"), "{}", other.yaml);
    assert_eq!(fate(&other, "hash"), Fate::Approximated);
}

#[test]
fn failures_eject_where_that_says_the_same() {
    let lines = "server a max_fails=3 fail_timeout=20s; server b max_fails=3 fail_timeout=20s;";
    let told = upstream(
        lines,
        "proxy_next_upstream error timeout http_502 http_503;",
        &[
            "outlier_ejection: { failures: 3, time: 20s, time_max: 20s, share_max: 100%, statuses: [ 502, 503 ] }",
        ],
    );
    assert_eq!(fate(&told, "server a"), Fate::Approximated);
    // Without statuses an ejection would count answers that nginx did not.
    assert!(!upstream(lines, "", &[]).yaml.contains("outlier_ejection"));
    let one = upstream("server a max_fails=3;", "proxy_next_upstream http_502;", &[]);
    assert!(!one.yaml.contains("outlier_ejection"), "{}", one.yaml);
    assert_eq!(fate(&one, "server a"), Fate::Taken);
}

#[test]
fn reserves_limits_and_slow_starts() {
    let told = upstream(
        "server a max_conns=50 slow_start=30s; server b max_conns=40; server c backup; zone u 64k;",
        "",
        &["priority: 1", "requests: 40", "pending: 0", "slow_start: { duration: 30s }"],
    );
    assert_eq!(fate(&told, "server c backup"), Fate::Taken);
    assert_eq!(fate(&told, "server a"), Fate::Approximated);
}

fn shares(block: &str, pass: &str) -> Imported {
    import(&format!(
        "split_clients {block} upstream new {{ server n; }} upstream old {{ server o; }}
         server {{ location / {{ proxy_pass {pass}; }} }}"
    ))
}

#[test]
fn clients_are_split_where_that_chooses_an_upstream() {
    let imported =
        shares("\"${remote_addr}A\" $pool { 5% new; 0.5% 10.0.0.9:81; * old; }", "http://$pool");
    let yaml = &imported.yaml;
    for text in [
        "by: client_ip",
        "salt: poolA",
        "{ upstream: new, share: 5% }",
        "{ upstream: \"10.0.0.9-81\", share: 0.5% }",
        "upstream: old",
    ] {
        assert!(yaml.contains(text), "no `{text}` in\n{yaml}");
    }
    assert_eq!(fate(&imported, "split_clients"), Fate::Approximated);
    let part = shares("$cookie_id $end { 10% w; * ld; }", "http://o$end");
    assert!(
        part.yaml.contains("by: { cookie: id }") && part.yaml.contains("upstream: old"),
        "{}",
        part.yaml
    );
    for (block, pass) in [
        ("$remote_addr $pool { 5% new; }", "http://$pool"),
        ("$remote_addr$host $pool { 5% new; * old; }", "http://$pool"),
        ("$host $pool { 5% new; * old; }", "http://$pool"),
        ("$remote_addr $pool { 5% new; * old; }", "http://$pool/x"),
        ("$remote_addr $pool { 5% \"\"; * old; }", "http://$pool"),
    ] {
        assert!(shares(block, pass).yaml.contains("state: offline"), "{block} {pass}");
    }
    let unused = shares("$remote_addr $pool { 5% new; * old; }", "http://old");
    assert_eq!(fate(&unused, "split_clients"), Fate::NoEffect);
}
