//! `redirect`: where it leads, where it refuses to, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Redirect;
use crate::testing::{built, handler, refuses};
use paifang_pipeline::{
    Scheme,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::{Value, json};

async fn run(config: Value, call: TestCall) -> Reply {
    let step = handler(&Redirect, config);
    call.shared_step("redirect", step).run(&TestOrigin::answering(200, "origin")).await
}

#[tokio::test]
async fn the_address_is_filled_from_the_call() {
    for (config, target, status, wanted) in [
        (json!({ "to": "/new" }), "/old?a=1", 307, "/new"),
        (json!({ "to": "/v2{{ path }}", "status": 301 }), "/a/b", 301, "/v2/a/b"),
        (json!({ "to": "{{ path }}/", "keep_query": true }), "/a?b=%2F", 307, "/a/?b=%2F"),
        (json!({ "to": "/x?y=1#z", "keep_query": true }), "/?q=2", 307, "/x?y=1&q=2#z"),
        (json!({ "to": "/x?#z", "keep_query": true }), "/?q=2", 307, "/x?q=2#z"),
        (
            json!({ "to": "https://b.test/{{ query.id }}?{{ query }}", "status": 308 }),
            "/a?id=x%2F+y",
            308,
            "https://b.test/x%2F%20y?id=x%2F+y",
        ),
        (json!({ "to": "myapp://open/{{ query.id }}" }), "/?id=7", 307, "myapp://open/7"),
        (
            json!({ "to": "https://{{ query.h }}.b.test/", "allow_host": true }),
            "/?h=a",
            307,
            "https://a.b.test/",
        ),
    ] {
        let reply = run(config.clone(), TestCall::get(target)).await;
        assert_eq!((reply.status(), reply.header("location")), (status, wanted), "{config}");
        assert_eq!(reply.body(), "");
    }
}

#[tokio::test]
async fn clear_text_is_sent_to_tls_and_tls_goes_on() {
    let config = json!({ "https": true });
    let reply = run(config.clone(), TestCall::get("/a%20b?c=d")).await;
    assert_eq!((reply.status(), reply.header("location")), (307, "https://api.test/a%20b?c=d"));
    let over_tls = TestCall::get("/a").facts(|facts| facts.scheme = Scheme::Https);
    assert_eq!(run(config, over_tls).await.body(), "origin");

    let config = json!({ "https": true, "https_port": 8443, "keep_query": false });
    let reply = run(config, TestCall::get("/a?c=d")).await;
    assert_eq!(reply.header("location"), "https://api.test:8443/a");
    let reply = run(json!({ "https": true, "https_port": 443 }), TestCall::get("/")).await;
    assert_eq!(reply.header("location"), "https://api.test/");

    let nameless = TestCall::get("/").facts(|facts| *facts = facts.clone().with_host(""));
    let reply = run(json!({ "https": true }), nameless).await;
    assert_eq!(reply.error().as_deref(), Some("PF-5102"));
}

#[tokio::test]
async fn strangers_do_not_choose_the_host() {
    for (to, allow_host, target) in [
        ("/{{ query.to | raw }}", false, "/?to=/evil.test"),
        ("/{{ query.to | raw }}", false, "/?to=\\evil.test"),
        ("{{ query.to | raw }}", true, "/?to=//evil.test"),
        ("{{ query.to | raw }}", true, "/?to=javascript://a/%0Aalert(1)"),
        ("{{ query.to | raw }}", true, "/?to=data:text/html,x"),
        ("{{ query.to | raw }}", true, "/?to=https:///x"),
        ("{{ query.to | raw }}", true, "/?to="),
        ("https://{{ query.to | raw }}/", true, "/?to="),
    ] {
        let config = json!({ "to": to, "allow_host": allow_host });
        let reply = run(config, TestCall::get(target)).await;
        let got = (reply.status(), reply.error(), reply.header("location"));
        assert!(matches!(got, (400, Some(_), "")), "{to} {target}: {got:?}");
    }
    // Escaped, the same values stay what they are: one segment.
    let reply = run(json!({ "to": "/{{ query.to }}" }), TestCall::get("/?to=/evil.test")).await;
    assert_eq!(reply.header("location"), "/%2Fevil.test");
}

#[tokio::test]
async fn an_address_beyond_the_limit_is_refused() {
    let target = format!("/?q={}", "a".repeat(8192));
    let reply = run(json!({ "to": "/x", "keep_query": true }), TestCall::get(&target)).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (400, Some("PF-5101")));
}

#[test]
fn only_an_address_answers_every_call() {
    assert!(built(&Redirect, &json!({ "to": "/a" })).unwrap().always_answers);
    assert!(!built(&Redirect, &json!({ "https": true })).unwrap().always_answers);
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let to = |to: &str| json!({ "to": to });
    let open = "the request would decide the host";
    refuses(
        &Redirect,
        &[
            (json!({}), "", "a redirect without an address", "`https: true`"),
            (json!({ "to": "/a", "https": true }), "/https", "`https` beside `to`", "two steps"),
            (
                json!({ "to": "/a", "https_port": 1 }),
                "/https_port",
                "`https_port` belongs to `https`",
                "",
            ),
            (
                json!({ "https": true, "allow_host": true }),
                "/allow_host",
                "`allow_host` belongs to `to`",
                "",
            ),
            (
                json!({ "to": "/a", "status": 304 }),
                "/status",
                "304 sends nobody elsewhere; use 301, 302, 303, 307 or 308",
                "",
            ),
            (to("a/b"), "/to", "`a/b` is no address to redirect to", "begin with `/`"),
            (to(""), "/to", "`` is no address to redirect to", "begin with `/`"),
            (to("/a b"), "/to", "`/a b` is no address to redirect to", "percent-encode"),
            (to("/ü"), "/to", "`/ü` is no address to redirect to", "percent-encode"),
            (
                to("//evil.test/"),
                "/to",
                "`//evil.test/` is no address to redirect to",
                "begin with `/`",
            ),
            (
                to("https:///a"),
                "/to",
                "`https:///a` is no address to redirect to",
                "begin with `/`",
            ),
            (
                to("JavaScript://%0Aalert(1)/"),
                "/to",
                "a redirect must not lead to `JavaScript:`",
                "",
            ),
            (to("{{ query.next }}"), "/to", open, "allow_host: true"),
            (to("//{{ query.next }}"), "/to", open, "allow_host: true"),
            (to("https://{{ host }}/"), "/to", open, "allow_host: true"),
            (to("https://a.test{{ path }}"), "/to", open, "allow_host: true"),
            (
                to("/{{ body./a }}"),
                "/to",
                "the request's body cannot be read here, at character 5",
                "",
            ),
        ],
    );
}
