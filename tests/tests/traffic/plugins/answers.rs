//! `mock`, `respond`, `redirect`: answers without an upstream.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Recorder, Running, one_api};

#[tokio::test]
async fn mock_answers_by_its_cases_and_lets_the_rest_pass() {
    let upstream = Recorder::start().await;
    let steps = r#"[ mock: { cases: [
        { when: { method: [ POST ], header: { x-tier: gold } }, when_body: { /kind: gift },
          status: 201, headers: { x-from: mock },
          json: { kind: gift, to: "{{ body./to | json }}", path: "{{ path }}" } },
        { when: { path: /slow }, body: "slow", latency: 30ms },
        { when: { path: /turns }, sequence: [ { status: 503 }, { body: "at last" } ] }
      ] } ]"#;
    let running = Running::start(one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let ask = async |ask: Ask| door.ask(running.address(), &ask).await;
        let gift = |kind: &str| {
            let body = format!("{{\"kind\":\"{kind}\",\"to\":[\"A \\\"B\\\"\",2]}}");
            Ask::new("POST", "/gifts").field("x-tier", "gold").body(body)
        };
        let reply = ask(gift("gift")).await;
        assert_eq!((reply.status, reply.header("x-from")), (201, "mock"), "{door:?}");
        assert_eq!(reply.header("content-type"), "application/json");
        let made: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
        let wanted = serde_json::json!({ "kind": "gift", "to": ["A \"B\"", 2], "path": "/gifts" });
        assert_eq!(made, wanted);
        // The body was collected for the case, and goes on whole where it does not fit.
        let reply = ask(gift("other")).await;
        assert_eq!((reply.status, reply.text()), (200, "upstream"));
        assert!(upstream.last().text().contains("\"other\""));
        let begun = std::time::Instant::now();
        assert_eq!(ask(Ask::new("GET", "/slow")).await.text(), "slow");
        assert!(begun.elapsed().as_millis() >= 30);
        assert_eq!(ask(Ask::new("GET", "/turns")).await.status, 503);
        assert_eq!(ask(Ask::new("GET", "/turns")).await.text(), "at last");
    }
    assert_eq!(upstream.count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn respond_answers_everything_and_nothing_below_it_runs() {
    let upstream = Recorder::start().await;
    let steps = r#"[ respond: { status: 503, headers: { retry-after: 600, x-path: "{{ path }}" },
        json: { message: "Back soon.", query: "{{ query.q }}" } } ]"#;
    let running = Running::start(one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let reply = door.ask(running.address(), &Ask::new("GET", "/p?q=%22%7D%0a")).await;
        assert_eq!((reply.status, reply.header("retry-after")), (503, "600"));
        assert_eq!(reply.header("x-path"), "/p");
        let told: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
        assert_eq!(told, serde_json::json!({ "message": "Back soon.", "query": "\"}\n" }));
        let reply = door.ask(running.address(), &Ask::new("HEAD", "/p")).await;
        assert_eq!((reply.status, reply.text()), (503, ""));
        assert_ne!(reply.header("content-length"), "0");
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_value_of_the_request_splits_no_answer() {
    let upstream = Recorder::start().await;
    let steps = r#"[ respond: { headers: { x-name: "{{ query.name }}" } } ]"#;
    let running = Running::start(one_api(upstream.address(), steps)).await;
    for door in Door::ALL {
        let ask = Ask::new("GET", "/?name=a%0d%0aset-cookie:%20b");
        let reply = door.ask(running.address(), &ask).await;
        assert_eq!((reply.status, reply.code()), (400, "PF-5100".to_owned()));
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    running.stop().await;
}

#[tokio::test]
async fn redirect_sends_elsewhere_and_never_where_a_stranger_says() {
    let upstream = Recorder::start().await;
    let config = one_api(
        upstream.address(),
        r#"[ { id: old, when: { path: /old }, redirect: { to: "https://www.example.com/v2{{ path }}", keep_query: true, status: 308 } },
             { id: next, when: { path: /next }, redirect: { to: "/{{ query.next }}" } },
             { id: tls, redirect: { https: true, https_port: 8443 } } ]"#,
    );
    let running = Running::start(config).await;
    for door in Door::ALL {
        let ask = async |target: &str| {
            let reply = door.ask(running.address(), &Ask::new("GET", target.to_owned())).await;
            (reply.status, reply.header("location").to_owned())
        };
        let there = "https://www.example.com/v2/old?a=1&b=%2F".to_owned();
        assert_eq!(ask("/old?a=1&b=%2F").await, (308, there));
        assert_eq!(ask("/x?y=1").await, (307, "https://a.example:8443/x?y=1".to_owned()));
        // One component, whatever it holds.
        assert_eq!(ask("/next?next=%2Fevil.example").await.1, "/%2Fevil.example");
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}
