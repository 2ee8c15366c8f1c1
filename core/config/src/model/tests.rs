//! Names, addresses, networks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Cidr, Config, HostPort, Id, ListenAddress};
use crate::diag::Problems;
use crate::yaml::{Budget, FileId, parse};

#[test]
fn names_hold_nothing_that_breaks_urls_metrics_or_keys() {
    for good in ["a", "orders.create", "V1_x-2", "0", &"x".repeat(128)] {
        assert!(Id::new(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", &"x".repeat(129)] {
        assert!(Id::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn endpoints_have_a_host_and_a_port() {
    for (text, shown) in [
        ("10.0.0.7:7001", "10.0.0.7:7001"),
        ("[::1]:80", "[::1]:80"),
        ("Orders.Internal:80", "orders.internal:80"),
        ("orders.internal.:80", "orders.internal:80"),
        ("under_score:1", "under_score:1"),
    ] {
        assert_eq!(text.parse::<HostPort>().unwrap().to_string(), shown);
    }
    for bad in [
        "",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "a:+1",
        "1.2.3:80",
        "1.2.3.256:80",
        "::1:80",
        "-a:1",
        "a-:1",
        "a..b:1",
        "a b:1",
        "http://a:1",
        "10.0.0.1:0",
        "a:1/x",
    ] {
        assert!(bad.parse::<HostPort>().is_err(), "{bad}");
    }
    assert!("localhost:80".parse::<ListenAddress>().is_err());
    assert!("0.0.0.0:0".parse::<ListenAddress>().is_ok());
}

#[test]
fn networks_hold_their_addresses() {
    let ten: Cidr = "10.0.0.0/8".parse().unwrap();
    assert!(ten.contains("10.255.0.1".parse().unwrap()));
    assert!(ten.contains("::ffff:10.1.2.3".parse().unwrap()), "a mapped address is its IPv4 one");
    assert!(!ten.contains("11.0.0.1".parse().unwrap()));
    let one: Cidr = "::1".parse().unwrap();
    assert!(one.contains("::1".parse().unwrap()) && !one.contains("::2".parse().unwrap()));
    for bad in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "x", "0.0.0.0/-1"] {
        assert!(bad.parse::<Cidr>().is_err(), "{bad}");
    }
}

/// Every default in the types is within the range that the checks allow.
#[test]
fn defaults_pass_the_checks() {
    let text = "\
version: 1
listeners: [ { name: a, address: 127.0.0.1:0, tls: { certificates: [ { cert: c, key: k } ] } } ]
admin: { address: 127.0.0.1:1 }
reload: {}
defaults: {}
paths: {}
apps: { a: { keys: [ { id: k, secret: { env: K } } ] } }
upstreams: { u: { endpoints: [ { address: a.example:1 } ], tls: {}, health_check: { path: / } } }
apis: [ { id: a, match: { path: / }, upstream: u } ]
releases: {}
log: {}
shutdown: {}
";
    let node = parse(FileId(0), text.as_bytes(), &Budget::default()).unwrap();
    let mut problems = Problems::default();
    let config = Config::read(&node, &mut problems);
    crate::check::check(&config, &mut problems);
    problems.finish((), &crate::source::SourceMap::default()).unwrap();
    // What is written out again says the same, defaults included.
    let json = serde_json::to_value(&config).unwrap();
    assert_eq!(json["listeners"][0]["limits"]["idle"], "1m15s");
    assert_eq!(json["upstreams"]["u"]["health_check"]["interval"], "5s");
    assert_eq!(json["apps"]["a"]["keys"][0]["secret"]["env"], "K");
}
