//! `ip_filter`: whom it lets pass, at both of its stages, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::IpFilter;
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{
    Connection, Handler, Stages,
    ports::Nanos,
    testkit::{TestCall, TestOrigin},
};
use serde_json::{Value, json};
use std::{net::IpAddr, net::SocketAddr, sync::Arc};

fn step(config: Value) -> Arc<dyn Handler> {
    handler(&IpFilter::default(), config)
}

/// Whether a call of this client passes; its connection must fare alike.
async fn passes(step: &Arc<dyn Handler>, client: &str) -> bool {
    let client: IpAddr = client.parse().unwrap();
    let call = TestCall::get("/").facts(|facts| facts.client_ip = client);
    let origin = TestOrigin::answering(200, "origin");
    let reply = call.shared_step("ip_filter", step.clone()).run(&origin).await;
    let passes = match (reply.status(), reply.error().as_deref()) {
        (200, None) => true,
        (403, Some("PF-2050")) => false,
        other => panic!("{client}: {other:?}"),
    };
    let connection = Connection {
        listener: "public".into(),
        // Never looked at: the client is who a trusted proxy names.
        peer: SocketAddr::from(([203, 0, 113, 200], 1)),
        client: SocketAddr::new(client, 1),
        now: Nanos(0),
    };
    assert_eq!(step.accept(&connection), passes, "{client}");
    passes
}

#[tokio::test]
async fn who_is_allowed_passes_and_who_is_denied_does_not() {
    let v6 = "2001:db8:1::/48";
    for (config, client, wanted) in [
        (json!({ "allow": ["10.0.0.0/8"] }), "10.255.255.255", true),
        (json!({ "allow": ["10.0.0.0/8"] }), "11.0.0.0", false),
        (json!({ "allow": ["10.0.0.0/8"] }), "9.255.255.255", false),
        (json!({ "allow": ["10.0.0.0/8"] }), "2001:db8::1", false),
        (json!({ "allow": ["192.0.2.7", "192.0.2.9/32"] }), "192.0.2.7", true),
        (json!({ "allow": ["192.0.2.7", "192.0.2.9/32"] }), "192.0.2.8", false),
        (json!({ "allow": ["192.0.2.7", "192.0.2.9/32"] }), "192.0.2.9", true),
        (json!({ "deny": ["192.0.2.7"] }), "192.0.2.7", false),
        (json!({ "deny": ["192.0.2.7"] }), "192.0.2.6", true),
        (json!({ "deny": ["192.0.2.7"] }), "2001:db8::1", true),
        (json!({ "allow": [v6] }), "2001:db8:1:ffff:ffff:ffff:ffff:ffff", true),
        (json!({ "allow": [v6] }), "2001:db8:2::", false),
        (json!({ "allow": ["::1"] }), "::1", true),
        (json!({ "allow": ["0.0.0.0/0"] }), "255.255.255.255", true),
        (json!({ "allow": ["0.0.0.0/0"] }), "::1", false),
        (json!({ "deny": ["::/0"] }), "ffff::", false),
        (json!({ "deny": ["::/0"] }), "192.0.2.7", true),
        // An empty `deny` beside `allow` denies nobody.
        (json!({ "allow": ["192.0.2.7"], "deny": [] }), "192.0.2.7", true),
    ] {
        assert_eq!(passes(&step(config.clone()), client).await, wanted, "{config} {client}");
    }
}

#[tokio::test]
async fn deny_wins_however_narrow_the_networks_are() {
    let narrow = step(json!({ "allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"] }));
    assert!(passes(&narrow, "10.0.0.1").await);
    assert!(!passes(&narrow, "10.1.0.1").await);
    let wide = step(json!({ "allow": ["10.1.0.1"], "deny": ["10.0.0.0/8"] }));
    assert!(!passes(&wide, "10.1.0.1").await);
    let same = step(json!({ "allow": ["10.1.0.1"], "deny": ["10.1.0.1"] }));
    assert!(!passes(&same, "10.1.0.1").await);
}

#[tokio::test]
async fn ipv4_inside_ipv6_is_ipv4() {
    for list in ["192.0.2.0/24", "::ffff:192.0.2.0/120", "::ffff:c000:200/120"] {
        let step = step(json!({ "allow": [list] }));
        for client in ["192.0.2.7", "::ffff:192.0.2.7"] {
            assert!(passes(&step, client).await, "{list} {client}");
        }
        assert!(!passes(&step, "::ffff:192.0.3.0").await, "{list}");
    }
    let all = step(json!({ "deny": ["::ffff:0:0/96"] }));
    assert!(!passes(&all, "203.0.113.1").await);
    assert!(passes(&all, "2001:db8::1").await);
    // Compatible addresses (RFC 4291 section 2.5.5.1) are no IPv4.
    assert!(!passes(&step(json!({ "allow": ["192.0.2.7"] })), "::192.0.2.7").await);
}

#[tokio::test]
async fn as_many_networks_as_there_may_be() {
    let network = |number: u32| format!("10.{}.{}.0/30", number >> 8 & 255, number & 255);
    // Twice the same half, in falling order: duplicates are no error.
    let list: Vec<String> = (0..50_000).rev().chain(0..50_000).map(network).collect();
    let full = step(json!({ "deny": list }));
    assert!(!passes(&full, "10.195.79.3").await);
    assert!(passes(&full, "10.195.79.4").await);
    assert!(passes(&full, "10.195.80.0").await);
    let mut list = list;
    list.push("192.0.2.7".to_owned());
    let error = built(&IpFilter::default(), &json!({ "deny": list })).err().unwrap();
    assert_eq!(error.message, "a step has at most 100000 networks, not 100001");
}

#[test]
fn it_looks_at_calls_and_at_connections() {
    let stages = step(json!({ "deny": ["::1"] })).stages();
    assert_eq!(stages, Stages::REQUEST.and(Stages::ACCEPT));
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let no_network = |text: &str| format!("`{text}` is no address and no network");
    for text in [
        "",
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/255.0.0.0",
        "2001:db8::/129",
        "fe80::1%eth0",
        "[::1]",
        "10.0.0.1:80",
        "example.com",
        "*",
        " 10.0.0.1",
        "10.0.0.1-10.0.0.9",
    ] {
        let config = json!({ "allow": ["::1"], "deny": ["192.0.2.7", text] });
        refuses(
            &IpFilter::default(),
            &[(config, "/deny/1", &no_network(text), "write it like `192.0.2.7`")],
        );
    }
    refuses(
        &IpFilter::default(),
        &[
            (
                json!({ "allow": ["10.0.0.1/8"] }),
                "/allow/0",
                "`10.0.0.1/8` has bits beyond its prefix",
                "write `10.0.0.0/8` for the network, `10.0.0.1` for the one address",
            ),
            (
                json!({ "allow": ["2001:db8::1/32"] }),
                "/allow/0",
                "`2001:db8::1/32` has bits beyond its prefix",
                "write `2001:db8::/32` for the network, `2001:db8::1` for the one address",
            ),
            (
                json!({}),
                "",
                "neither `allow` nor `deny` names a network",
                "`allow: [ 10.0.0.0/8 ]`",
            ),
            (
                json!({ "deny": [] }),
                "",
                "neither `allow` nor `deny` names a network",
                "`allow: [ 10.0.0.0/8 ]`",
            ),
            (
                json!({ "allow": [], "deny": ["::1"] }),
                "/allow",
                "an empty list would let nobody in",
                "leave `allow` away",
            ),
            (
                json!({ "allow": "10.0.0.0/8" }),
                "/allow",
                "invalid type: string \"10.0.0.0/8\", expected a sequence",
                "",
            ),
            (
                json!({ "block": ["10.0.0.0/8"] }),
                "/block",
                "unknown field `block`, expected `allow` or `deny`",
                "",
            ),
        ],
    );
}
