//! `ip_filter`: calls and connections by their address, whatever clients say of themselves.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Message, Recorder, Running, connect_from, one_api};

/// A gateway whose listener has these keys besides (flow style) and whose API passes these steps.
fn config(upstream: &Recorder, listener: &str, handlers: &str) -> String {
    one_api(upstream.address(), handlers)
        .replace("address: \"127.0.0.1:0\"", &format!("address: \"127.0.0.1:0\", {listener}"))
}

/// A GET from an address of this machine with these fields.
async fn get(running: &Running, from: &str, fields: &str) -> Message {
    let mut client = connect_from(from, running.address()).await;
    client.ask(format!("GET / HTTP/1.1\r\nhost: a.example\r\n{fields}\r\n")).await
}

#[tokio::test]
async fn calls_pass_by_their_address_and_a_reload_changes_whose() {
    let upstream = Recorder::start().await;
    let filter = "[ ip_filter: { allow: [ 127.0.0.0/24, 127.0.1.7 ], deny: [ 127.0.0.66 ] } ]";
    let running = Running::start(one_api(upstream.address(), filter)).await;
    let from = async |ip: &str, fields: &str| {
        let reply = get(&running, ip, fields).await;
        (reply.status(), reply.code())
    };
    let (passes, refused) = ((200, String::new()), (403, "PF-2050".to_owned()));
    assert_eq!(from("127.0.0.9", "").await, passes);
    assert_eq!(from("127.0.1.7", "").await, passes);
    assert_eq!(from("127.0.1.8", "").await, refused);
    assert_eq!(from("127.0.0.66", "").await, refused);
    // What a stranger says of himself neither helps nor harms.
    assert_eq!(from("127.0.0.66", "x-forwarded-for: 127.0.0.9\r\n").await, refused);
    assert_eq!(from("127.0.0.9", "x-forwarded-for: 127.0.0.66\r\n").await, passes);
    assert_eq!(upstream.count(), 3, "a refused call reached the upstream");
    let other = "[ ip_filter: { deny: [ 127.0.0.9, 127.0.0.1 ] } ]";
    running.reload(one_api(upstream.address(), other)).await.unwrap();
    assert_eq!(from("127.0.0.9", "").await, refused);
    assert_eq!(from("127.0.0.66", "").await, passes);
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((reply.status, reply.code()), refused, "{door:?}");
    }
    running.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_counts_of_either_family() {
    let upstream = Recorder::start().await;
    let filter = "[ ip_filter: { allow: [ 192.0.2.0/24, \"2001:db8::/32\" ], deny: [ \"2001:db8:bad::/48\" ] } ]";
    let trusting = "trusted_proxies: [ 127.0.0.2 ]";
    let running = Running::start(config(&upstream, trusting, filter)).await;
    for (client, status) in [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("192.0.3.7", 403),
        ("2001:db8:900d::1", 200),
        ("2001:db8:bad::1", 403),
        ("2001:db9::1", 403),
        // The proxy itself is not allowed.
        ("nonsense", 403),
    ] {
        let said = format!("x-forwarded-for: {client}\r\n");
        assert_eq!(get(&running, "127.0.0.2", &said).await.status(), status, "{client}");
        assert_eq!(get(&running, "127.0.0.3", &said).await.status(), 403, "{client}");
    }
    assert_eq!(upstream.count(), 3);
    running.stop().await;
}

#[tokio::test]
async fn in_front_of_every_api_it_stands_before_what_no_api_takes() {
    let upstream = Recorder::start().await;
    let list = "defaults: { handlers: [ { chain: blocked } ] }\n\
        chains: { blocked: [ ip_filter: { deny: [ 127.0.0.66 ] } ] }\n";
    let config = one_api(upstream.address(), "[]").replace("path_prefix: /", "path: /here") + list;
    let running = Running::start(config).await;
    let status = async |ip| get(&running, ip, "").await.status();
    assert_eq!((status("127.0.0.1").await, status("127.0.0.66").await), (404, 403));
    running.stop().await;
}

#[tokio::test]
async fn a_listener_closes_connections_of_others_before_a_word() {
    let upstream = Recorder::start().await;
    let accept = "accept: [ ip_filter: { deny: [ 127.0.0.66 ] } ]";
    let running = Running::start(config(&upstream, accept, "[]")).await;
    assert_eq!(get(&running, "127.0.0.9", "").await.status(), 200);
    connect_from("127.0.0.66", running.address()).await.closed().await;
    assert_eq!(get(&running, "127.0.0.9", "").await.status(), 200);
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}
