//! `validate`: what an API's description does not say never comes near the upstream.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Message, Recorder, Running, Setup, one_api};
use std::fs;

const STEPS: &str = "[ validate: { openapi: { document: { $include: specs/orders.yaml }, \
    base_path: /v1 }, documents: { common.yaml: { $include: specs/common.yaml } } } ]";

/// A gateway with the description that is shipped.
async fn shop(upstream: &Recorder, steps: &str, limit: &str) -> Running {
    let spec =
        |name: &str| fs::read(paifang_tests::tidy::root().join("conf/specs").join(name)).unwrap();
    let config = one_api(upstream.address(), steps).replace("apis:\n", &format!("{limit}apis:\n"));
    let setup = Setup::new(config).file("specs/orders.yaml", spec("orders.yaml"));
    setup.file("specs/common.yaml", spec("common.yaml")).start().await
}

fn post(body: &str) -> Ask {
    Ask::new("POST", "/v1/orders").field("content-type", "application/json").body(body.to_owned())
}

#[tokio::test]
async fn calls_pass_by_the_description_over_every_front() {
    let upstream = Recorder::start().await;
    let running = shop(&upstream, STEPS, "").await;
    for door in Door::ALL {
        let ask = async |ask: Ask| {
            let reply = door.ask(running.address(), &ask).await;
            (reply.status, reply.code())
        };
        let before = upstream.count();
        let order = r#"{"item":"arch","count":2,"note":null,"price":{"currency":"CNY","cents":1}}"#;
        assert_eq!(ask(post(order)).await, (200, String::new()), "{door:?}");
        assert_eq!(upstream.last().text(), order, "the body comes as it was sent");
        assert_eq!(ask(Ask::new("GET", "/v1/orders/7?fields=item,count")).await.0, 200);
        assert_eq!(upstream.count() - before, 2, "{door:?}");

        let invalid = (400, "PF-1030".to_owned());
        for body in [
            "",
            "{",
            r#"{"item":"arch"}"#,
            r#"{"item":"arch","count":2,"count":3}"#,
            r#"{"item":"arch","count":3000000000}"#,
            r#"{"item":"arch","count":2,"price":{"currency":"yuan","cents":1}}"#,
        ] {
            assert_eq!(ask(post(body)).await, invalid, "{door:?} {body}");
        }
        for target in ["/v1/orders/0", "/v1/orders/x", "/v1/orders/7?fields=price"] {
            assert_eq!(ask(Ask::new("GET", target)).await, invalid, "{door:?} {target}");
        }
        for target in ["/v1/others", "/orders/7", "/v1/orders/7/items"] {
            let unknown = (404, "PF-1032".to_owned());
            assert_eq!(ask(Ask::new("GET", target)).await, unknown, "{door:?} {target}");
        }
        let refused = (415, "PF-1031".to_owned());
        for (name, value) in
            [("content-type", "text/plain"), ("content-type", "application/json; charset=utf-16")]
        {
            let call = Ask::new("POST", "/v1/orders").field(name, value).body(order);
            assert_eq!(ask(call).await, refused, "{door:?} {value}");
        }
        assert_eq!(ask(post(order).field("content-encoding", "gzip")).await, refused, "{door:?}");
        assert_eq!(upstream.count() - before, 2, "a refused call reached the upstream");
    }
    running.stop().await;
}

async fn told(running: &Running, body: &str) -> Message {
    let mut client = running.connect().await;
    let length = body.len();
    let head = "POST /v1/orders HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\n";
    client.ask(format!("{head}content-length: {length}\r\n\r\n{body}")).await
}

#[tokio::test]
async fn an_answer_says_where_and_repeats_no_value() {
    let upstream = Recorder::start().await;
    let running = shop(&upstream, STEPS, "").await;
    let reply = told(&running, r#"{"item":"Hunter2!","count":0,"secret":"s3cr3t"}"#).await;
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    let mut faults: Vec<_> = problem["errors"].as_array().unwrap().iter().collect();
    faults.sort_by_key(|fault| fault["pointer"].as_str().unwrap().to_owned());
    let faults: Vec<String> = faults
        .iter()
        .map(|fault| {
            format!("{} {}", fault["pointer"].as_str().unwrap(), fault["detail"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        faults,
        [
            " has 1 property that it may not have",
            "/count must be at least 1",
            "/item must match `^[a-z-]{1,40}$`",
        ]
    );
    for value in ["Hunter2", "s3cr3t", "secret"] {
        assert!(!reply.text().contains(value), "{}", reply.text());
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_beyond_the_limits_is_refused() {
    let upstream = Recorder::start().await;
    let running = shop(&upstream, STEPS, "defaults: { body_limit: 4KiB }\n").await;
    let large = format!(r#"{{"item":"arch","count":1,"note":"{}"}}"#, "x".repeat(5000));
    assert_eq!(told(&running, &large).await.code(), "PF-1005");
    let chunked = "POST /v1/orders HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\n\
        transfer-encoding: chunked\r\n\r\n";
    let mut client = running.connect().await;
    let chunk = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    assert_eq!(client.ask(format!("{chunked}{chunk}")).await.code(), "PF-1005");
    assert_eq!(told(&running, &"[".repeat(4000)).await.code(), "PF-1030");
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_step_that_only_reports_lets_everything_pass() {
    let upstream = Recorder::start().await;
    let steps = STEPS.replace(" } ]", ", report_only: true } ]");
    let running = shop(&upstream, &steps, "admin: { address: \"127.0.0.1:0\" }\n").await;
    assert_eq!(told(&running, "no json").await.status(), 200);
    assert_eq!(upstream.last().text(), "no json");
    let admin = running.gateway.admin_address().unwrap();
    let counted = paifang_tests::http::get(admin, "/metrics").await.body;
    assert!(counted.contains("paifang_validate_reported_total{} 1"), "{counted}");
    assert!(counted.contains("paifang_validate_refused_total{} 0"), "{counted}");
    running.stop().await;
}
