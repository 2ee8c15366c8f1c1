//! `cors`: preflights are answered, wherever they come in; answers say what pages may read, errors
//! too.

use super::{super::conformance::Door, KEY_ONE, with_apps};
use paifang_tests::harness::{Ask, Recorder, Reply, Running, one_upstream};

const APP: &str = "https://app.example.com";
const STEP: &str = "cors: { origins: [ \"https://app.example.com\", \"https://*.shop.example\" ], \
    methods: [ GET, PUT ], headers: [ x-api-key ], expose: [ x-total ], credentials: true, max_age: 10m }";
const THREE: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// What a browser asks before a page of `origin` may PUT with a key.
fn preflight(origin: &str, target: &str) -> Ask {
    Ask::new("OPTIONS", target)
        .field("origin", origin)
        .field("access-control-request-method", "PUT")
        .field("access-control-request-headers", "x-api-key")
}

/// What the page of that origin may do then: origin, methods, headers, credentials, for how long.
fn granted(reply: &Reply) -> [&str; 5] {
    ["allow-origin", "allow-methods", "allow-headers", "allow-credentials", "max-age"]
        .map(|name| reply.header(&format!("access-control-{name}")))
}

#[tokio::test]
async fn pages_call_above_a_key_and_read_errors_too() {
    let upstream = Recorder::answering(
        "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\naccess-control-allow-origin: x\r\n\
         access-control-allow-methods: BREW\r\nvary: accept\r\nx-total: 7\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let running = with_apps(upstream.address(), &format!("[ {STEP}, key_auth: {{}} ]")).await;
    for door in Door::ALL {
        let ask = async |ask: Ask| door.ask(running.address(), &ask).await;
        let before = upstream.count();
        for origin in [APP, "https://eu.shop.example"] {
            let reply = ask(preflight(origin, "/orders")).await;
            assert_eq!((reply.status, reply.text()), (204, ""), "{door:?}");
            assert_eq!(granted(&reply), [origin, "GET, PUT", "x-api-key", "true", "600"]);
            assert_eq!(reply.header("vary"), THREE);
        }
        let reply = ask(preflight("https://evil.example", "/orders")).await;
        assert_eq!((reply.status, granted(&reply)), (204, [""; 5]));
        assert_eq!(upstream.count(), before, "a preflight reached the upstream");

        let put = |origin: &str| Ask::new("PUT", "/orders").field("origin", origin).body("{}");
        let reply = ask(put(APP).field("x-api-key", KEY_ONE)).await;
        assert_eq!((reply.status, reply.text()), (200, "ok"));
        assert_eq!(granted(&reply), [APP, "", "", "true", ""]);
        let origins = reply.headers.get_all("access-control-allow-origin");
        assert_eq!(origins.iter().count(), 1, "browsers refuse two");
        assert_eq!(reply.header("access-control-expose-headers"), "x-total");
        let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "Origin"]);
        // The page learns why it was refused.
        let refused = ask(put(APP)).await;
        assert_eq!((refused.status, refused.code()), (401, "PF-2000".to_owned()));
        assert_eq!(granted(&refused), [APP, "", "", "true", ""]);
        // A foreign page calls, and reads nothing.
        let foreign = ask(put("https://evil.example").field("x-api-key", KEY_ONE)).await;
        assert_eq!((foreign.status, granted(&foreign)), (200, [""; 5]));
        assert_eq!(ask(Ask::new("OPTIONS", "/orders")).await.status, 401, "no preflight");
    }
    drop(upstream);
    let call = Ask::new("GET", "/").field("origin", APP).field("x-api-key", KEY_ONE);
    let reply = call.over_http1(running.address()).await;
    assert_eq!((reply.status, granted(&reply)[0]), (502, APP));
    running.stop().await;
}

#[tokio::test]
async fn preflights_need_a_way_to_the_step() {
    let upstream = Recorder::start().await;
    let apis = |methods: &str| {
        let api = format!(
            "{{ id: a, match: {{ method: {methods}, path: /a }}, handlers: [ {STEP} ], upstream: up }}"
        );
        one_upstream(upstream.address(), &format!("apis:\n  - {api}\n"))
    };
    let running = Running::start(apis("[ PUT ]")).await;
    let ask = async |target| preflight(APP, target).over_http1(running.address()).await;
    let reply = ask("/a").await;
    assert_eq!((reply.status, reply.code()), (405, "PF-1004".to_owned()));
    assert_eq!(granted(&reply), [""; 5]);

    running.reload(apis("[ PUT, OPTIONS ]")).await.unwrap();
    assert_eq!((ask("/a").await.status, ask("/b").await.status), (204, 404));

    // A third API beside two that share the path.
    let third = "  - { id: b, match: { method: GET, path: /a }, upstream: up }\n\
        \x20 - { id: c, match: { method: OPTIONS, path: /a }, handlers: [ STEP, respond: { status: 204 } ] }\n"
        .replace("STEP", STEP);
    running.reload(apis("[ PUT ]") + &third).await.unwrap();
    assert_eq!(granted(&ask("/a").await)[0], APP);

    // In front of every API it stands before what no API takes.
    let defaults = format!("defaults: {{ handlers: [ {STEP} ] }}\n");
    running
        .reload(apis("[ PUT ]").replace(&format!("[ {STEP} ]"), "[]") + &defaults)
        .await
        .unwrap();
    for target in ["/a", "/b"] {
        let reply = ask(target).await;
        assert_eq!((reply.status, granted(&reply)[0]), (204, APP), "{target}");
    }
    let lost = Ask::new("GET", "/b").field("origin", APP).over_http1(running.address()).await;
    assert_eq!((lost.status, granted(&lost)[0]), (404, APP));
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn what_is_public_is_read_by_every_page_and_by_caches() {
    let upstream = Recorder::start().await;
    let steps = "[ cors: { origins: [ \"*\" ], headers: [ \"*\" ], methods: [ \"*\" ] } ]";
    let running = Running::start(paifang_tests::harness::one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/")).await;
        assert_eq!((granted(&reply)[0], reply.header("vary")), ("*", ""), "{door:?}");
        let reply = door.ask(running.address(), &preflight("null", "/")).await;
        assert_eq!(granted(&reply), ["*", "PUT", "x-api-key", "", ""]);
    }
    running.stop().await;
}
