//! `cors` as a browser would see it, and its wrong configs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Cors;
use crate::testing::{handler, refuses};
use http::Method;
use paifang_pipeline::{
    Handler, RequestCall, ResponseCall, ResponseVerdict, Stages, Verdict,
    testkit::{Reply, TestCall, TestOrigin},
};
use serde_json::{Value, json};

const APP: &str = "https://app.example.com";

/// What an upstream says of itself, all of which is replaced.
struct Upstream;

impl Handler for Upstream {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::RESPONSE)
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        call.head_mut().headers.remove("origin");
        Verdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        let fields = &mut call.response_mut().headers;
        for name in [
            "access-control-allow-origin",
            "access-control-allow-credentials",
            "access-control-expose-headers",
            "access-control-allow-methods",
            "access-control-allow-headers",
            "access-control-max-age",
            "access-control-allow-private-network",
        ] {
            fields.append(name, "theirs".parse().unwrap());
            fields.append(name, "and more".parse().unwrap());
        }
        fields.append("vary", "Accept-Encoding".parse().unwrap());
        ResponseVerdict::Continue
    }
}

/// A call through the step, and below it to an upstream that has its own idea of CORS.
async fn run(config: &Value, call: TestCall) -> Reply {
    let call = call.shared_step("cors", handler(&Cors, config.clone())).step("upstream", Upstream);
    call.run(&TestOrigin::answering(200, "origin")).await
}

fn preflight(origin: &str, method: &str, headers: &str) -> TestCall {
    let call = TestCall::new(Method::OPTIONS, "/orders")
        .header("origin", origin)
        .header("access-control-request-method", method);
    if headers.is_empty() { call } else { call.header("access-control-request-headers", headers) }
}

/// All fields of the answer that this protocol knows, but `vary`, as `name: value`.
fn says(reply: &Reply) -> Vec<String> {
    let mut all: Vec<String> = reply
        .head()
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("access-control-")?;
            Some(format!("{name}: {}", value.to_str().unwrap()))
        })
        .collect();
    all.sort();
    all
}

fn vary(reply: &Reply) -> Vec<&str> {
    let values = reply.head().headers.get_all("vary").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn preflights_are_answered_with_what_is_granted() {
    let config = json!({
        "origins": [APP, "https://*.shop.example"], "methods": ["GET", "PUT", "PATCH"],
        "headers": ["content-type", "X-Key"], "expose": ["x-total"], "credentials": true,
        "max_age": "10m",
    });
    for origin in [APP, "https://a.shop.example"] {
        let reply = run(&config, preflight(origin, "DELETE", "x-other")).await;
        assert_eq!((reply.status(), reply.body().as_str()), (204, ""));
        assert_eq!(
            says(&reply),
            [
                "allow-credentials: true",
                "allow-headers: content-type, X-Key",
                "allow-methods: GET, PUT, PATCH",
                &format!("allow-origin: {origin}"),
                "max-age: 600",
            ]
        );
        assert_eq!(
            vary(&reply),
            ["Origin, Access-Control-Request-Method, Access-Control-Request-Headers"]
        );
    }
    let foreign = run(&config, preflight("https://evil.example", "PUT", "")).await;
    assert_eq!((foreign.status(), says(&foreign)), (204, Vec::new()));
    assert_eq!(vary(&foreign).len(), 1);
}

#[tokio::test]
async fn what_is_asked_for_is_granted_where_the_config_says_so() {
    let config = json!({ "origins": ["*"], "methods": ["*"], "headers": ["*"] });
    let reply = run(&config, preflight(APP, "PURGE", "authorization,x-a")).await;
    assert_eq!(
        says(&reply),
        ["allow-headers: authorization,x-a", "allow-methods: PURGE", "allow-origin: *"]
    );
    let reply = run(&config, preflight(APP, "PURGE", "")).await;
    assert_eq!(says(&reply), ["allow-methods: PURGE", "allow-origin: *"]);
    let reply = run(&json!({ "origins": [APP] }), preflight(APP, "PUT", "x-a")).await;
    assert_eq!(says(&reply), ["allow-methods: GET, HEAD, POST", &format!("allow-origin: {APP}")]);
    let forgetful = json!({ "origins": ["*"], "methods": [], "max_age": "0s" });
    let reply = run(&forgetful, preflight(APP, "PUT", "")).await;
    assert_eq!(says(&reply), ["allow-origin: *", "max-age: 0"]);
}

#[tokio::test]
async fn only_preflights_are_answered() {
    let config = json!({ "origins": [APP] });
    let options = || TestCall::new(Method::OPTIONS, "/orders");
    let asks = |call: TestCall| call.header("access-control-request-method", "PUT");
    for call in [
        options(),
        options().header("origin", APP),
        asks(options()),
        asks(TestCall::get("/orders")).header("origin", APP),
    ] {
        assert_eq!(run(&config, call).await.body(), "origin");
    }
}

#[tokio::test]
async fn other_answers_say_what_pages_may_read_and_nothing_of_the_upstreams() {
    let config = json!({
        "origins": [APP, "https://*.shop.example", "http://localhost:5173"],
        "expose": ["x-total", "x-page"], "credentials": true,
    });
    for (origin, known) in [
        (Some(APP), true),
        (Some("https://a.b.shop.example"), true),
        (Some("http://localhost:5173"), true),
        (Some("https://shop.example"), false),
        (Some("null"), false),
        (Some(""), false),
        (None, false),
    ] {
        let call = TestCall::get("/orders");
        let call = match origin {
            Some(origin) => call.header("origin", origin),
            None => call,
        };
        let reply = run(&config, call).await;
        let origin = origin.unwrap_or_default();
        let granted = [
            "allow-credentials: true",
            &format!("allow-origin: {origin}"),
            "expose-headers: x-total, x-page",
        ];
        assert_eq!(says(&reply), if known { &granted[..] } else { &[] }, "{origin}");
        // A cache must not hand the answer for one origin to another, nor to none.
        assert_eq!(vary(&reply), ["Accept-Encoding", "Origin"], "{origin}");
        assert_eq!(reply.body(), "origin");
    }
}

#[tokio::test]
async fn every_origin_is_told_so_and_no_cache_need_know_which() {
    let config = json!({ "origins": ["*"], "expose": ["*"] });
    for call in [TestCall::get("/"), TestCall::get("/").header("origin", APP)] {
        let reply = run(&config, call).await;
        assert_eq!(says(&reply), ["allow-origin: *", "expose-headers: *"]);
        assert_eq!(vary(&reply), ["Accept-Encoding"]);
    }
}

#[tokio::test]
async fn vary_is_said_once() {
    struct Varies(&'static str);
    impl Handler for Varies {
        fn stages(&self) -> Stages {
            Stages::RESPONSE
        }
        fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
            call.response_mut().headers.append("vary", self.0.parse().unwrap());
            ResponseVerdict::Continue
        }
    }
    for (theirs, wanted) in [
        ("*", vec!["*"]),
        ("accept , ORIGIN", vec!["accept , ORIGIN"]),
        ("x-origin", vec!["x-origin", "Origin"]),
    ] {
        let cors = handler(&Cors, json!({ "origins": [APP] }));
        let call = TestCall::get("/").shared_step("cors", cors).step("varies", Varies(theirs));
        let reply = call.run(&TestOrigin::answering(200, "origin")).await;
        assert_eq!(vary(&reply), wanted);
    }
}

#[tokio::test]
async fn two_origins_are_none() {
    let config = json!({ "origins": [APP] });
    let both = |call: TestCall| call.header("origin", APP).header("origin", APP);
    assert!(says(&run(&config, both(TestCall::get("/"))).await).is_empty());
    let reply = run(&config, preflight(APP, "PUT", "").header("origin", APP)).await;
    assert_eq!((reply.status(), says(&reply)), (204, Vec::new()));
}

#[tokio::test]
async fn origins_are_compared_whole() {
    let list = json!([
        APP,
        "null",
        "https://*.example.org:8443",
        "http://*.localhost",
        "capacitor://localhost",
        "https://[2001:db8::1]:8080",
        "https://xn--bcher-kva.example",
    ]);
    let config = json!({ "origins": list });
    for (origin, known) in [
        (APP, true),
        ("null", true),
        ("https://a.example.org:8443", true),
        ("https://a-1.b_c.example.org:8443", true),
        ("http://shop.localhost", true),
        ("capacitor://localhost", true),
        ("https://[2001:db8::1]:8080", true),
        ("https://xn--bcher-kva.example", true),
        ("http://app.example.com", false),
        ("https://app.example.com:443", false),
        ("https://app.example.com.evil.test", false),
        ("https://APP.example.com", false),
        ("https://app.example.com/", false),
        ("https://a.example.org", false),
        ("https://example.org:8443", false),
        ("https://.example.org:8443", false),
        ("https://a..example.org:8443", false),
        ("https://evilexample.org:8443", false),
        ("https://evil.test/.example.org:8443", false),
        ("https://evil.test:1.example.org:8443", false),
        ("https://me@a.example.org:8443", false),
        ("https://A.example.org:8443", false),
        ("http://a.example.org:8443", false),
        ("NULL", false),
        ("*", false),
    ] {
        let reply = run(&config, TestCall::get("/").header("origin", origin)).await;
        assert_eq!(!says(&reply).is_empty(), known, "{origin}");
        let asked = run(&config, preflight(origin, "GET", "")).await;
        assert_eq!(!says(&asked).is_empty(), known, "{origin}");
    }
}

#[tokio::test]
async fn the_uppermost_of_two_steps_decides() {
    let run = async |origin: &str| {
        let call = TestCall::get("/").header("origin", origin);
        let call = call.shared_step("above", handler(&Cors, json!({ "origins": [APP] })));
        let call = call.shared_step("below", handler(&Cors, json!({ "origins": ["*"] })));
        call.run(&TestOrigin::answering(200, "origin")).await
    };
    assert_eq!(says(&run(APP).await), [format!("allow-origin: {APP}")]);
    let foreign = run("https://evil.example").await;
    assert_eq!((foreign.body().as_str(), says(&foreign)), ("origin", Vec::new()));
}

#[test]
fn wrong_configs_are_refused_with_their_place() {
    let like = "write scheme and host";
    for text in [
        "",
        "app.example.com",
        "//app.example.com",
        "https:/a.example",
        "https://",
        "https://:80",
        "https://a b.example",
        "https://a..example",
        "https://.example",
        "https://*",
        "https://*.",
        "https://a.*.example",
        "https://*a.example",
        "https://a.example:*",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:080",
        "https://a.example:65536",
        "https://me@a.example",
        "https://büro.example",
        "https://[::1",
        "https://[::g]",
        "https://::1",
        "1https://a.example",
        "://a",
    ] {
        let message = format!("`{text}` is no origin");
        let config = json!({ "origins": [APP, text] });
        refuses(&Cors, &[(config, "/origins/1", &message, like)]);
    }
    let with = |name: &str, value: Value| {
        let mut config = json!({ "origins": [APP] });
        config[name] = value;
        config
    };
    let origin = |origin: &str| json!({ "origins": [origin] });
    let ends = "an origin ends with its host or port";
    let many = vec![APP; 1_001];
    refuses(
        &Cors,
        &[
            (json!({}), "", "missing field `origins`", ""),
            (
                json!({ "origins": [] }),
                "/origins",
                "expected 1 to 1000 origins, found 0",
                "for all",
            ),
            (
                json!({ "origins": many }),
                "/origins",
                "expected 1 to 1000 origins, found 1001",
                "for all",
            ),
            (
                json!({ "origins": [APP, "*"] }),
                "/origins/1",
                "`*` stands alone: it is every origin",
                "",
            ),
            (
                json!({ "origins": ["*"], "credentials": true }),
                "/origins/0",
                "`*` with `credentials`",
                "name the origins",
            ),
            (
                json!({ "origins": [APP, "null"], "credentials": true }),
                "/origins/1",
                "`null` with `credentials`",
                "name the origins",
            ),
            (origin("https://a.example/"), "/origins/0", ends, "write `https://a.example`"),
            (origin("https://a.example:8443/b?c"), "/origins/0", ends, "`https://a.example:8443`"),
            (
                origin("https://App.example"),
                "/origins/0",
                "browsers write origins in lower case",
                "write `https://app.example`",
            ),
            (
                origin("https://a.example:443"),
                "/origins/0",
                "browsers leave the scheme's own port away",
                "write `https://a.example`",
            ),
            (
                origin("http://*.a.example:80"),
                "/origins/0",
                "browsers leave the scheme's own port away",
                "write `http://*.a.example`",
            ),
            (
                origin("https://*.com"),
                "/origins/0",
                "every site below `.com` would be let in",
                "name the domain too",
            ),
            (with("methods", json!(["GET", "P T"])), "/methods/1", "`P T` is no method", ""),
            (
                with("methods", json!(["patch"])),
                "/methods/0",
                "`patch` is another method than `PATCH`",
                "write `PATCH`",
            ),
            (with("methods", json!(["GET", "*"])), "/methods/1", "`*` stands alone", ""),
            (
                with("methods", json!(vec!["GET"; 65])),
                "/methods",
                "at most 64 stand here, not 65",
                "",
            ),
            (with("headers", json!(["x a"])), "/headers/0", "`x a` is no header's name", ""),
            (with("headers", json!(["x-a", "*"])), "/headers/1", "`*` stands alone", ""),
            (with("expose", json!(["x:a"])), "/expose/0", "`x:a` is no header's name", ""),
            (
                json!({ "origins": [APP], "expose": ["*"], "credentials": true }),
                "/expose/0",
                "`*` with `credentials`",
                "name the headers",
            ),
            (
                with("max_age", json!("1500ms")),
                "/max_age",
                "expected whole seconds, up to 1d",
                "longer than a day",
            ),
            (
                with("max_age", json!("2d")),
                "/max_age",
                "expected whole seconds, up to 1d",
                "longer than a day",
            ),
            (
                with("origin", json!("*")),
                "/origin",
                "unknown field `origin`, expected one of `origins`, `methods`, `headers`, `expose`, \
                 `credentials`, `max_age`",
                "",
            ),
        ],
    );
}
