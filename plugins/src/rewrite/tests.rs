//! `rewrite` in the engine, what it refuses to send, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Rewrite;
use crate::testing::{handler, refuses};
use http::Method;
use paifang_pipeline::rules::is_normal_path as acceptable;
use paifang_pipeline::{
    RequestHead,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::{Value, json};

async fn run(config: Value, call: TestCall) -> (Reply, Option<RequestHead>) {
    let origin = TestOrigin::answering(200, "ok");
    let reply = call.shared_step("rewrite", handler(&Rewrite, config)).run(&origin).await;
    (reply, (origin.requests() > 0).then(|| origin.request(0).head))
}

/// The target that the origin got, or the code of the error.
async fn target(config: Value, call: TestCall) -> String {
    let (reply, head) = run(config, call).await;
    head.map_or_else(|| reply.error().unwrap(), |head| head.uri.to_string())
}

#[tokio::test]
async fn paths_are_stripped_filled_replaced_and_prefixed() {
    for (config, asked, wanted) in [
        (json!({ "strip_prefix": "/v1" }), "/v1/a/?q=%2F", "/a/?q=%2F"),
        (json!({ "strip_prefix": "/v1/" }), "/v1", "/"),
        (json!({ "strip_prefix": "/v1" }), "/v10/a", "/v10/a"),
        (json!({ "add_prefix": "/in/" }), "/a", "/in/a"),
        (json!({ "strip_prefix": "/v1", "add_prefix": "/in" }), "/v1", "/in/"),
        (json!({ "path": "/all" }), "/v1/a?b", "/all?b"),
        (
            json!({ "path": "/s/{{ param.shop }}/{{ query.x }}" }),
            "/v1/a%20b?x=c%2Fd",
            "/s/a%20b/c%2Fd?x=c%2Fd",
        ),
        (json!({ "path": "{{ path }}.json" }), "/v1/a", "/v1/a.json"),
        (
            json!({ "pattern": "^/v1/(?<id>[a-z]+)$", "replace": "/$id/${1}/x" }),
            "/v1/ab",
            "/ab/ab/x",
        ),
        (json!({ "pattern": "b+", "replace": "$$" }), "/abbb/b", "/a$/b"),
        (json!({ "pattern": "/zzz", "replace": "/no" }), "/v1/a", "/v1/a"),
        (json!({ "pattern": "^/v1$", "replace": "" }), "/v1", "/"),
        (
            json!({ "strip_prefix": "/v1", "pattern": "^", "replace": "/x", "add_prefix": "/in" }),
            "/v1/a",
            "/in/x/a",
        ),
    ] {
        let shop = if asked.contains("a%20b") { "a%20b" } else { "v1" };
        let call = TestCall::get(asked);
        let call = if asked.contains(shop) { call.param("shop", shop) } else { call };
        assert_eq!(target(config.clone(), call).await, wanted, "{config} {asked}");
    }
}

#[tokio::test]
async fn queries_lose_and_gain_parameters() {
    let set = json!({ "set": { "a b": "1", "who": "{{ header.x-who }}" } });
    for (query, asked, wanted) in [
        (json!({ "remove": ["a"] }), "/?a=1&b=2&a=3&%61=4&c", "/?b=2&c"),
        (json!({ "remove": ["a"] }), "/?a", "/"),
        (json!({ "remove": ["*"] }), "/?a=1", "/"),
        (json!({ "remove": ["*"], "set": { "v": 2 } }), "/?a=1", "/?v=2"),
        (set.clone(), "/?who=eve&x=%26", "/?x=%26&a%20b=1&who=a%26b%3Dc"),
        (set, "/", "/?a%20b=1&who=a%26b%3Dc"),
    ] {
        let call = TestCall::get(asked).header("x-who", "a&b=c");
        assert_eq!(target(json!({ "query": query }), call).await, wanted, "{asked}");
    }
}

#[tokio::test]
async fn method_and_host_are_set_everywhere() {
    let config = json!({ "method": "PUT", "host": "b.test:81" });
    let call = TestCall::get("http://a.test/x").header("host", "a.test");
    let (_, head) = run(config.clone(), call).await;
    let head = head.unwrap();
    assert_eq!((head.method, head.uri.to_string().as_str()), (Method::PUT, "http://b.test:81/x"));
    assert_eq!(head.headers["host"], "b.test:81");
    let (_, head) = run(config, TestCall::get("/x")).await;
    let head = head.unwrap();
    assert_eq!(
        (head.uri.to_string().as_str(), &head.headers["host"]),
        ("/x", &"b.test:81".parse().unwrap())
    );
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_not_sent() {
    for (config, asked) in [
        (json!({ "path": "/a/{{ query.p }}" }), "/?p=.."),
        (json!({ "path": "/a/{{ query.p }}/b" }), "/?p=."),
        (json!({ "path": "/a/{{ query.p }}/b" }), "/?p="),
        (json!({ "path": "/a/{{ query.p }}" }), "/?p=%00"),
        (json!({ "path": "/a/{{ query.p }}" }), "/?p=..%2Fb"),
        (json!({ "path": "/a/{{ query.p }}" }), "/?p=..;x"),
        (json!({ "path": "/a/{{ query.p | raw }}" }), "/?p=b/../c"),
        (json!({ "path": "/{{ query.p | raw }}" }), "/?p=b?c"),
        (json!({ "pattern": "^/v1", "replace": "" }), "/v1x"),
        (json!({ "pattern": "x", "replace": "" }), "/a/x/b"),
        (json!({ "pattern": "x", "replace": "." }), "/a/x/b"),
    ] {
        assert_eq!(
            target(config.clone(), TestCall::get(asked)).await,
            "PF-5103",
            "{config} {asked}"
        );
    }
    let long = format!("/{}", "a".repeat(5000));
    let config = json!({ "path": "{{ path }}{{ path }}" });
    assert_eq!(target(config, TestCall::get(&long)).await, "PF-5101");
    let config = json!({ "add_prefix": long });
    assert_eq!(target(config, TestCall::get(&long)).await, "PF-5101");
}

#[test]
fn acceptable_paths_are_those_in_normal_form() {
    for path in
        ["/", "/a", "/a/", "/a.b/..c/...", "/%2F%C3%A9", "/;x", "/a;..", "/~!$&'()*+,;=:@-_"]
    {
        assert!(acceptable(path), "{path}");
    }
    for path in [
        "", "a", "//", "//a", "/a//b", "/.", "/..", "/a/./b", "/a/..", "/..;x", "/.;x/b",
        "/..%3Bx", "/a%2F..", "/%2E%2E", "/%2e", "/..%5Cb", "/%7e", "/%2f", "/%00", "/%1F", "/%7F",
        "/%", "/%4", "/a b", "/a?b", "/a#b", "/\\", "/a\n", "/ü", "/{", "/\"",
    ] {
        assert!(!acceptable(path), "{path}");
    }
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let no_path = "a path begins with `/`";
    refuses(
        &Rewrite,
        &[
            (json!({}), "", "nothing is rewritten", "strip_prefix"),
            (json!({ "method": "TRACE" }), "/method", "`TRACE` is not relayed", ""),
            (json!({ "method": "a b" }), "/method", "`a b` is no method", ""),
            (json!({ "host": "a/b" }), "/host", "`a/b` is no host", "example.com:8080"),
            (json!({ "host": "u@a" }), "/host", "`u@a` is no host", "example.com:8080"),
            (json!({ "host": "" }), "/host", "`` is no host", "example.com:8080"),
            (json!({ "host": ":80" }), "/host", "`:80` is no host", "example.com:8080"),
            (json!({ "strip_prefix": "/" }), "/strip_prefix", "`/` is no normalised path", no_path),
            (
                json!({ "strip_prefix": "v1" }),
                "/strip_prefix",
                "`v1` is no normalised path",
                no_path,
            ),
            (
                json!({ "add_prefix": "/a/../b" }),
                "/add_prefix",
                "`/a/../b` is no normalised path",
                no_path,
            ),
            (json!({ "path": "a" }), "/path", "`a` must begin with `/`", ""),
            (
                json!({ "path": "{{ query.p }}" }),
                "/path",
                "`{{ query.p }}` must begin with `/`",
                "",
            ),
            (json!({ "path": "/a b" }), "/path", "`/a b` is no normalised path", no_path),
            (
                json!({ "path": "/{{ x }}" }),
                "/path",
                "`x` is nothing that a template knows, at character 5",
                "known are",
            ),
            (
                json!({ "path": "/a", "pattern": "a", "replace": "b" }),
                "/pattern",
                "`pattern` beside `path`",
                "two steps",
            ),
            (
                json!({ "path": "/a", "replace": "b" }),
                "/replace",
                "`replace` without `pattern`",
                "",
            ),
            (json!({ "pattern": "a" }), "/pattern", "`pattern` without `replace`", ""),
            (
                json!({ "pattern": "a(", "replace": "b" }),
                "/pattern",
                "no regular expression: unclosed group",
                "",
            ),
            (
                json!({ "pattern": "(?:a{1000}){1000}", "replace": "b" }),
                "/pattern",
                "no regular expression: Compiled regex exceeds size limit of 262144 bytes.",
                "",
            ),
            (
                json!({ "pattern": "a".repeat(1025), "replace": "b" }),
                "/pattern",
                "the pattern is longer than 1024 bytes",
                "",
            ),
            (
                json!({ "pattern": "(a)", "replace": "/$1_x" }),
                "/replace",
                "the pattern has no group `1_x`",
                "as far as letters",
            ),
            (
                json!({ "pattern": "(a)", "replace": "/$$$2" }),
                "/replace",
                "the pattern has no group `2`",
                "as far as letters",
            ),
            (
                json!({ "query": { "remove": [""] } }),
                "/query/remove/0",
                "a parameter without a name",
                "",
            ),
            (
                json!({ "query": { "set": { "": 1 } } }),
                "/query/set/",
                "a parameter without a name",
                "",
            ),
            (
                json!({ "query": { "set": { "a": "b c" } } }),
                "/query/set/a",
                "`b c` is not percent-encoded",
                "only values of the request",
            ),
            (
                json!({ "query": { "set": { "a/b": "{{" } } }),
                "/query/set/a~1b",
                "a placeholder without a name, at character 3",
                "",
            ),
        ],
    );
}
