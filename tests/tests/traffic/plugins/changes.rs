//! `headers`, `rewrite`, `request_id`: changes on the way.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Recorder, Running, one_api};

#[tokio::test]
async fn headers_changes_both_ways_also_of_errors() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\nserver: secret/1.0\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let steps = r#"[ headers: {
        request: { remove: [ x-internal-*, cookie ], rename: { x-old: x-new },
                   set: { x-ip: "{{ client_ip }}" }, add: { x-many: [ b, c ] }, default: { x-tier: basic } },
        response: { remove: [ server ], set: { x-a: "3", strict-transport-security: max-age=1 },
                    default: { cache-control: no-store } } } ]"#;
    let running = Running::start(one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let ask = Ask::new("GET", "/")
            .field("x-internal-user", "root")
            .field("x-internal-role", "admin")
            .field("cookie", "a=b")
            .field("x-old", "moved")
            .field("x-new", "lost")
            .field("x-ip", "6.6.6.6")
            .field("x-many", "a");
        let reply = door.ask(running.address(), &ask).await;
        let seen = upstream.last();
        for gone in ["x-internal-user", "x-internal-role", "cookie", "x-old"] {
            assert_eq!(seen.header(gone), None, "{gone}");
        }
        assert_eq!(seen.headers("x-new"), ["moved"]);
        assert_eq!(seen.headers("x-ip"), ["127.0.0.1"]);
        assert_eq!(seen.headers("x-many"), ["a", "b", "c"]);
        assert_eq!(seen.headers("x-tier"), ["basic"]);
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(reply.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["3"]);
        assert_eq!(reply.header("server"), "");
        assert_eq!(reply.header("cache-control"), "no-store");
    }
    // The gateway's own errors pass too.
    drop(upstream);
    let reply = Ask::new("GET", "/").over_http1(running.address()).await;
    assert_eq!((reply.status, reply.header("x-a")), (502, "3"));
    running.stop().await;
}

#[tokio::test]
async fn rewrite_changes_what_the_upstream_is_asked_for() {
    let upstream = Recorder::start().await;
    let steps = r#"[ { id: prefix, when: { path: /v1 }, rewrite: { strip_prefix: /v1, add_prefix: /internal, host: in.example } },
        { id: items, when: { path: /items }, rewrite: { pattern: "^/items/([0-9]+)$", replace: "/item", method: PUT,
          query: { remove: [ debug ], set: { shop: "{{ header.x-shop }}" } } } } ]"#;
    let running = Running::start(one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let ask = async |ask: Ask| {
            assert_eq!(door.ask(running.address(), &ask).await.status, 200);
            upstream.last()
        };
        let seen = ask(Ask::new("GET", "/v1/a/b?q=1")).await;
        assert_eq!((seen.target(), seen.header("host")), ("/internal/a/b?q=1", Some("in.example")));
        let seen = ask(Ask::new("GET", "/items/42?debug=1&a=b").field("x-shop", "ä/&=")).await;
        assert_eq!((seen.method(), seen.header("host")), ("PUT", Some("a.example")));
        assert_eq!(seen.target(), "/item?a=b&shop=%C3%A4%2F%26%3D");
        let seen = ask(Ask::new("GET", "/other?debug=1")).await;
        assert_eq!(seen.target(), "/other?debug=1");
    }
    running.stop().await;
}

#[tokio::test]
async fn request_id_is_one_for_client_upstream_and_errors() {
    let upstream = Recorder::start().await;
    for trust in [false, true] {
        let steps = format!("[ request_id: {{ trust: {trust} }} ]");
        let running = Running::start(one_api(upstream.address(), &steps)).await;
        for door in Door::ALL {
            let ask = Ask::new("GET", "/").field("x-request-id", "from-outside");
            let reply = door.ask(running.address(), &ask).await;
            let id = reply.header("x-request-id").to_owned();
            assert_eq!(upstream.last().headers("x-request-id"), [&id]);
            assert_eq!(id == "from-outside", trust);
            let other = door.ask(running.address(), &Ask::new("GET", "/")).await;
            let other = other.header("x-request-id");
            assert!(other.len() == 36 && other != id, "{other}");
            // What is no id is replaced, trusted or not.
            let odd = Ask::new("GET", "/").field("x-request-id", "x".repeat(129));
            let odd = door.ask(running.address(), &odd).await;
            assert_eq!(odd.header("x-request-id").len(), 36);
        }
        running.stop().await;
    }
    let config = one_api(upstream.address(), "[]")
        .replace("version: 1", "version: 1\ndefaults: { handlers: [ request_id: {} ] }")
        .replace("path_prefix: /", "path: /here");
    let running = Running::start(config).await;
    let reply = Ask::new("GET", "/nowhere").over_http1(running.address()).await;
    assert_eq!((reply.status, reply.code()), (404, "PF-1003".to_owned()));
    let problem: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(problem["request_id"], reply.header("x-request-id"));
    running.stop().await;
}
