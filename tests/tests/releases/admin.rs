//! The admin API: who may use it, and what it answers to what it should not be asked.

use crate::support::{HEAD, Patient, ask, raw, saying, send};
use paifang::Gateway;
use paifang_tests::harness::{Client, Running, Setup, one_upstream, soon};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

/// A GET with these header lines, each of which ends with CRLF.
async fn with(address: SocketAddr, path: &str, host: &str, headers: &str) -> u16 {
    let headers = headers.trim_end();
    let lines = if headers.is_empty() { String::new() } else { format!("\r\n{headers}") };
    raw(address, &format!("GET {path} HTTP/1.1\r\nhost: {host}{lines}"), "").await.status
}

#[tokio::test]
async fn a_token_is_demanded_for_everything_but_probes() {
    let yaml = saying("x").replace(
        "admin: { address: \"127.0.0.1:0\" }",
        "admin: { address: \"0.0.0.0:0\", token: { env: TOKEN } }",
    );
    let running = Setup::new(yaml).variable("TOKEN", "s3cret-token").start().await;
    let port = running.gateway.admin_address().unwrap().port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let paths = ["/v1/status", "/metrics", "/v1/apis", "/nowhere"];
    for path in paths {
        for wrong in [
            "",
            "authorization: Bearer wrong",
            "authorization: s3cret-token",
            "authorization: Basic s3cret-token",
        ] {
            let head = format!("GET {path} HTTP/1.1\r\nhost: gateway.example\r\n{wrong}");
            let refused = raw(address, head.trim_end(), "").await;
            assert_eq!(refused.status, 401, "{path} with {wrong:?}");
            assert_eq!(refused.message.header("www-authenticate"), Some("Bearer"));
            assert!(refused.json["error"].as_str().unwrap().contains("Bearer"), "{refused:?}");
        }
    }
    let right = "authorization: Bearer s3cret-token";
    assert_eq!(with(address, "/v1/status", "gateway.example", right).await, 200);
    for probe in ["/livez", "/readyz"] {
        assert_eq!(with(address, probe, "gateway.example", "").await, 200, "{probe}");
    }
    running.stop().await;
}

#[tokio::test]
async fn beyond_loopback_a_config_without_a_token_is_refused() {
    let yaml = saying("x")
        .replace("admin: { address: \"127.0.0.1:0\" }", "admin: { address: \"0.0.0.0:0\" }");
    let Err(wrong) = Gateway::builder().yaml(yaml).start().await else { panic!("it started") };
    let told = crate::support::details(&wrong);
    assert!(told.contains("open to the network") && told.contains("token"), "{told}");
}

#[tokio::test]
async fn web_pages_are_refused() {
    let running = Running::start(saying("x")).await;
    let address = running.gateway.admin_address().unwrap();
    let own = address.to_string();
    for header in [
        "origin: https://evil.example",
        "origin: null",
        "sec-fetch-site: cross-site",
        "sec-fetch-site: same-site",
    ] {
        assert_eq!(with(address, "/v1/status", &own, header).await, 403, "{header}");
    }
    // A name that was made to point here, as its owner's page would use it.
    assert_eq!(with(address, "/v1/status", "evil.example", "").await, 403);
    let local = format!("localhost:{}", address.port());
    assert_eq!(with(address, "/v1/status", &local, "sec-fetch-site: none").await, 200);
    let head = format!("POST /v1/reload HTTP/1.1\r\nhost: {own}\r\norigin: ");
    let other = format!("http://127.0.0.1:{}", address.port() ^ 1);
    for origin in ["null", "http://127.0.0.1", &other, &format!("https://{own}")] {
        assert_eq!(raw(address, &format!("{head}{origin}"), "").await.status, 403, "{origin}");
    }
    let head = format!("{head}http://{own}\r\nsec-fetch-site: ");
    for site in ["none", "same-site", "cross-site"] {
        assert_eq!(raw(address, &format!("{head}{site}"), "").await.status, 403, "{site}");
    }
    assert_eq!(ask(&running.gateway, "GET", "/v1/status").await.json["release"], 1);
    // The console's own page.
    assert_eq!(raw(address, &format!("{head}same-origin"), "").await.status, 200);
    assert_eq!(ask(&running.gateway, "GET", "/v1/status").await.json["release"], 2);
    running.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_as_json() {
    let running = Running::start(saying("x")).await;
    let gateway = &running.gateway;
    let long = format!("{{ \"level\": \"{}\" }}", "x".repeat(100 * 1024));
    let asked = [
        ("GET", "/nothing", "", 404),
        ("POST", "/console/", "", 405),
        ("GET", "/console/nothing.js", "", 404),
        ("GET", "/v1/releases/one/diff", "", 400),
        ("GET", "/v1/releases/1/diff?with=soon", "", 400),
        ("GET", "/v1/releases/1/diff?without=1", "", 400),
        ("GET", "/v1/releases/99/diff", "", 404),
        ("GET", "/v1/nothing", "", 404),
        ("GET", "/v1/apis/nobody", "", 404),
        ("GET", "/v1/reload", "", 405),
        ("DELETE", "/v1/releases", "", 405),
        ("POST", "/v1/releases/one/rollback", "", 400),
        ("POST", "/v1/releases/-1/rollback", "", 400),
        ("POST", "/v1/releases/99/rollback", "", 404),
        ("POST", "/v1/explain", "", 400),
        ("POST", "/v1/explain", "{", 400),
        ("POST", "/v1/explain", "[]", 422),
        ("POST", "/v1/explain", "{}", 422),
        ("POST", "/v1/explain", r#"{ "request": "GET /", "extra": 1 }"#, 422),
        ("POST", "/v1/explain", r#"{ "request": "GET" }"#, 400),
        ("POST", "/v1/explain", r#"{ "request": "GET /", "headers": [ "no colon" ] }"#, 400),
        ("PUT", "/v1/log-level", r#"{ "level": 3 }"#, 422),
        ("PUT", "/v1/log-level", &long, 413),
        ("GET", "/v1/log-level", "", 501),
        ("POST", "/v1/traces?seconds=0", "", 400),
        ("POST", "/v1/traces?seconds=3601", "", 400),
        ("POST", "/v1/traces?seconds=soon", "", 400),
    ];
    for (method, path, body, status) in asked {
        let told = send(gateway, method, path, body).await;
        assert_eq!(told.status, status, "{method} {path} {body:.60}: {told:?}");
        let error = told.json["error"].as_str();
        assert!(error.is_some_and(|error| !error.is_empty()), "{method} {path}: {told:?}");
        assert_eq!(told.message.header("content-type"), Some("application/json"));
    }
    let address = gateway.admin_address().unwrap();
    let head = format!("PUT /v1/log-level HTTP/1.1\r\nhost: {address}\r\ncontent-type: text/plain");
    let told = raw(address, &head, r#"{ "level": "info" }"#).await;
    assert_eq!((told.status, told.json["error"].is_string()), (415, true));
    let told = ask(gateway, "GET", "/v1/reload").await;
    assert_eq!(told.message.header("allow"), Some("POST"));
    running.stop().await;
}

#[tokio::test]
async fn it_explains_what_the_running_gateway_does() {
    let running = Running::start(saying("x")).await;
    let body = r#"{ "request": "GET http://a.example/?q=1", "headers": [ "x-a: 1" ] }"#;
    let told = send(&running.gateway, "POST", "/v1/explain", body).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(told.text().contains("goes to hello"), "{}", told.text());
    assert!(told.text().contains("(paifang.yaml:5)"), "{}", told.text());
    let none = send(&running.gateway, "POST", "/v1/explain", r#"{ "request": "GET /no" }"#).await;
    assert!(none.text().contains("no API matches: 404"), "{}", none.text());
    running.stop().await;
}

#[tokio::test]
async fn readiness_ends_with_the_beginning_of_the_stop() {
    let mut up = Patient::start().await;
    let api = "apis: [ { id: a, match: { path: / }, upstream: up } ]\nadmin: { address: \"127.0.0.1:0\" }\n";
    let running = Running::start(one_upstream(up.server.address, api)).await;
    let admin = running.gateway.admin_address().unwrap();
    let host = admin.to_string();
    let mut client = running.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    up.called().await;
    assert_eq!(with(admin, "/readyz", &host, "").await, 200);
    let stopping = tokio::spawn(running.gateway.stop(Duration::from_secs(60)));
    soon(async { while with(admin, "/readyz", &host, "").await != 503 {} }).await;
    assert_eq!(with(admin, "/livez", &host, "").await, 200);
    let told = raw(admin, &format!("GET /v1/status HTTP/1.1\r\nhost: {host}"), "").await;
    assert_eq!(told.json["state"], "stopping");
    let told = raw(admin, &format!("POST /v1/reload HTTP/1.1\r\nhost: {host}"), "").await;
    assert_eq!(told.status, 503, "{told:?}");
    up.answer();
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(soon(stopping).await.unwrap(), 0);
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn a_client_that_says_nothing_keeps_no_gateway_from_stopping() {
    let running = Running::start(saying("x")).await;
    let admin = running.gateway.admin_address().unwrap();
    let (mut silent, mut half) = (Client::connect(admin).await, Client::connect(admin).await);
    half.send("GET /v1/status HTT").await;
    let mut idle = Client::connect(admin).await;
    idle.send(format!("GET /livez HTTP/1.1\r\nhost: {admin}\r\n\r\n")).await;
    assert_eq!(idle.answer().await.status(), 200);
    running.stop().await;
    for client in [&mut silent, &mut half, &mut idle] {
        assert_eq!(client.rest().await.0, b"");
    }
}

#[tokio::test]
async fn nothing_is_done_before_the_whole_request_is_there() {
    let running = Running::start(saying("x")).await;
    let (gateway, admin) = (&running.gateway, running.gateway.admin_address().unwrap());
    let mut client = Client::connect(admin).await;
    let head = format!("POST /v1/reload HTTP/1.1\r\nhost: {admin}\r\ncontent-length: 2\r\n");
    client.send(format!("{head}connection: close\r\n\r\n")).await;
    // A reload that did not wait for the body would be live before these have been answered.
    for _ in 0..20 {
        assert_eq!(ask(gateway, "GET", "/v1/status").await.json["release"], 1);
    }
    client.send("{}").await;
    assert_eq!(client.answer().await.status(), 200);
    assert_eq!(ask(gateway, "GET", "/v1/status").await.json["release"], 2);

    let large = "x".repeat(64 * 1024 + 1);
    let told = send(gateway, "POST", "/v1/reload", &large).await;
    assert_eq!(told.status, 413);
    assert_eq!(told.json["error"], "a body may have up to 64 KiB");
}

/// Reads OpenMetrics text strictly; gives the names of its families.
fn families(text: &str) -> BTreeSet<String> {
    let (mut names, mut kind, mut current) = (BTreeSet::new(), String::new(), String::new());
    let body = text.strip_suffix("# EOF\n").expect("it ends with `# EOF`");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name) = (words.next().unwrap(), words.next().expect(line));
            let rest = words.next().unwrap_or_default();
            match what {
                "HELP" | "UNIT" | "TYPE" => {
                    if current != name {
                        assert!(names.insert(name.to_owned()), "{name} is torn apart");
                        name.clone_into(&mut current);
                    }
                    if what == "TYPE" {
                        rest.clone_into(&mut kind);
                        let known = ["counter", "gauge", "histogram", "info"];
                        assert!(known.contains(&rest), "{line}");
                    }
                    assert!(what != "UNIT" || name.ends_with(&format!("_{rest}")), "{line}");
                }
                other => panic!("`{other}` in {line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect(line);
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffix = name.strip_prefix(&*current).unwrap_or_else(|| panic!("{line} in {current}"));
        let suffixes: &[&str] = match &*kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line} of a {kind}");
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"));
        let mut seen = BTreeSet::new();
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(seen.insert(name), "{line}");
            assert!(!value.contains('\n'), "{line}");
        }
    }
    names
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let yaml = format!(
        "{HEAD}upstreams: {{ up: {{ endpoints: [ {{ address: \"127.0.0.1:1\" }} ] }} }}
apis:
  - {{ id: hello, match: {{ path: / }}, handlers: [ respond: {{ status: 200 }} ] }}
  - {{ id: away, match: {{ path: /away }}, upstream: up }}\n"
    );
    let running = Running::start(yaml).await;
    let mut client = running.connect().await;
    for (path, status) in [("/", 200), ("/away", 502), ("/none", 404)] {
        assert_eq!(client.get(path).await.status(), status, "{path}");
    }
    let told = ask(&running.gateway, "GET", "/metrics").await;
    let media = told.message.header("content-type").unwrap();
    assert!(media.starts_with("application/openmetrics-text; version=1.0.0"), "{media}");
    let names = families(told.message.text());
    for wanted in ["paifang_release", "paifang_reloads", "paifang_calls", "paifang_build"] {
        assert!(names.iter().any(|name| name.starts_with(wanted)), "{wanted} of {names:?}");
    }
    running.stop().await;
}
