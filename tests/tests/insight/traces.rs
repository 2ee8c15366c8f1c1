//! Traces: what a collector is sent, over two gateways, and when it is not there.

use crate::{
    collector::{Collector, Received, answer, partial},
    support::{HEAD, ask, comes_to},
};
use paifang_tests::harness::{
    Client, Recorder, Running, Server, Setup, refused_address, soon, until,
};
use paifang_tests::http::send;
use std::net::SocketAddr;

/// One upstream `up`, and these APIs.
fn config(up: SocketAddr, tracing: &str, apis: &str) -> String {
    format!(
        "{HEAD}upstreams: {{ up: {{ endpoints: [ {{ address: \"{up}\" }} ] }} }}\n{tracing}apis:\n{apis}"
    )
}

const ORDERS: &str = "  - { id: orders, match: { path: \"/orders/{id}\" }, upstream: up }\n";

async fn get(address: SocketAddr, path: &str, fields: &str) -> paifang_tests::harness::Message {
    let mut client = Client::connect(address).await;
    client.ask(format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n{fields}\r\n")).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn only<'a>(spans: &'a [Received], service: &str, kind: i32) -> &'a Received {
    let mut found = spans.iter().filter(|one| one.service == service && one.span.kind == kind);
    let first =
        found.next().unwrap_or_else(|| panic!("none of kind {kind} of {service}: {spans:#?}"));
    assert!(found.next().is_none(), "{spans:#?}");
    first
}

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[tokio::test]
async fn a_trace_goes_through_two_gateways_to_the_upstream() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let everything = "sample: 100%, slow_step: 0s";
    let inner =
        Running::start(config(up.address(), &collector.section("inner", everything), ORDERS)).await;
    let steps = "  - { id: front, match: { path_prefix: /orders }, upstream: up, handlers: [ request_id: {}, headers: { request: { set: { x-a: b } } } ] }\n";
    let outer =
        Running::start(config(inner.address(), &collector.section("outer", everything), steps))
            .await;

    let caller = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: rojo=1\r\n";
    let reply = get(outer.address(), "/orders/7", caller).await;
    assert_eq!(reply.status(), 200);

    // Two spans of calls, two of attempts, and three of the outer one's steps: `request_id` stands on
    // the way back too.
    let spans = collector.come(7).await;
    for one in &spans {
        assert_eq!(hex(&one.span.trace_id), "0af7651916cd43dd8448eb211c80319c", "{one:?}");
        assert!(one.span.start_time_unix_nano <= one.span.end_time_unix_nano, "{one:?}");
        assert!(!one.failed(), "{one:?}");
    }
    let (front, front_attempt) = (only(&spans, "outer", SERVER), only(&spans, "outer", CLIENT));
    let (back, back_attempt) = (only(&spans, "inner", SERVER), only(&spans, "inner", CLIENT));
    assert_eq!(hex(&front.span.parent_span_id), "b7ad6b7169203331");
    assert_eq!(front_attempt.span.parent_span_id, front.span.span_id);
    assert_eq!(back.span.parent_span_id, front_attempt.span.span_id, "the hop between them");
    assert_eq!(back_attempt.span.parent_span_id, back.span.span_id);
    for step in spans.iter().filter(|one| one.span.kind == INTERNAL) {
        assert_eq!(step.span.parent_span_id, front.span.span_id);
        assert!(step.span.name.starts_with("step ") && !step.get("paifang.step.kind").is_empty());
    }
    assert_eq!(front.span.name, "GET /orders/{*}");
    assert_eq!(back.span.name, "GET /orders/{id}");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/orders/{id}"),
        ("url.path", "/orders/7"),
        ("url.scheme", "http"),
        ("http.response.status_code", "200"),
        ("server.address", "api.test"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("paifang.api.id", "orders"),
        ("paifang.termination", "completed"),
        ("paifang.attempts", "1"),
        ("error.type", ""),
    ] {
        assert_eq!(back.get(key), value, "{key}");
    }
    assert!(!front.get("paifang.request_id").is_empty());
    assert_eq!(back_attempt.get("server.port"), up.address().port().to_string());
    assert_eq!(back_attempt.get("paifang.upstream"), "up");

    let seen = up.last();
    let expected =
        format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", hex(&back_attempt.span.span_id));
    assert_eq!(seen.header("traceparent"), Some(&*expected));
    assert_eq!(seen.header("tracestate"), Some("rojo=1"));

    // The call is the example of its bucket, for whoever can read that.
    let admin = inner.gateway.admin_address().unwrap();
    let metrics = |accept: &'static str| async move {
        let request = format!(
            "GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\naccept: {accept}\r\n\r\n"
        );
        send(admin, &request).await.body
    };
    let examples = metrics("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    let found = examples.lines().filter(|line| {
        line.starts_with("paifang_call_duration_seconds_bucket{")
            && line.contains("api=\"orders\"")
            && line.contains(" 1 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.")
    });
    assert_eq!(found.count(), 1, "{examples}");
    assert!(!metrics("text/plain").await.contains("trace_id"));
    outer.stop().await;
    inner.stop().await;
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sent_and_the_next_hop_is_told() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let none = collector.section("one", "sample: 0%");
    let running = Running::start(config(up.address(), &none, ORDERS)).await;
    get(running.address(), "/orders/1", "").await;
    let told = up.last().header("traceparent").unwrap().to_owned();
    assert!(told.starts_with("00-") && told.ends_with("-00"), "{told}");
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    get(running.address(), "/orders/2", &format!("traceparent: {caller}\r\n")).await;
    assert_eq!(up.last().header("traceparent"), Some(caller), "it passes as it came");
    // A caller that has decided is followed, whatever the share.
    let sampled = caller.replace("331-00", "331-01");
    get(running.address(), "/orders/3", &format!("traceparent: {sampled}\r\n")).await;
    let spans = collector.come(2).await;
    assert_eq!(only(&spans, "one", SERVER).get("url.path"), "/orders/3");
    // Malformed ones begin anew.
    get(running.address(), "/orders/4", "traceparent: 00-xyz\r\ntracestate: a=1\r\n").await;
    let told = up.last();
    assert!(told.header("traceparent").unwrap().ends_with("-00"), "{told:?}");
    assert_eq!(told.header("tracestate"), None);
    running.stop().await;
}

#[tokio::test]
async fn failed_calls_are_sent_whatever_the_sample_and_show_their_trace() {
    let collector = Collector::start().await;
    let (away, _kept) = refused_address();
    let section = collector.section("one", "sample: 0%");
    let running = Running::start(config(away, &section, ORDERS)).await;
    let reply = get(running.address(), "/orders/1", "").await;
    assert_eq!(reply.status(), 502);
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let spans = collector.come(1).await;
    let call = only(&spans, "one", SERVER);
    assert_eq!(problem["trace_id"], hex(&call.span.trace_id));
    assert!(call.failed(), "{call:?}");
    assert_eq!(call.get("error.type"), "connect_failed");
    assert_eq!(call.get("paifang.error.code"), problem["code"].as_str().unwrap());
    running.stop().await;
}

#[tokio::test]
async fn attempts_that_fail_are_spans_of_their_own() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let (away, _kept) = refused_address();
    let section = collector.section("one", "sample: 100%, slow_step: 1h");
    let both = config(up.address(), &section, ORDERS)
        .replace("endpoints: [ {", &format!("endpoints: [ {{ address: \"{away}\" }}, {{"));
    let running = Running::start(both).await;
    // One of two goes to the wrong one first.
    let mut expected = 0;
    for _ in 0..2 {
        assert_eq!(get(running.address(), "/orders/1", "").await.status(), 200);
        expected += 2;
    }
    let spans = collector.come(expected + 1).await;
    let attempts: Vec<&Received> = spans.iter().filter(|one| one.span.kind == CLIENT).collect();
    let failed: Vec<&&Received> = attempts.iter().filter(|one| one.failed()).collect();
    assert_eq!((attempts.len(), failed.len()), (3, 1), "{spans:#?}");
    assert_eq!(failed[0].get("error.type"), "connect_failed");
    let again = attempts.iter().find(|one| one.get("http.request.resend_count") == "1").unwrap();
    assert_eq!(again.span.parent_span_id, failed[0].span.parent_span_id);
    assert_ne!(again.span.span_id, failed[0].span.span_id);
    running.stop().await;
}

#[tokio::test]
async fn restart_links_to_the_caller_and_off_passes_its_context() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let fields = format!("traceparent: {caller}\r\n");
    let restart = collector.section("one", "sample: 100%, propagate: restart");
    let running = Running::start(config(up.address(), &restart, ORDERS)).await;
    get(running.address(), "/orders/1", &fields).await;
    let spans = collector.come(2).await;
    let call = &only(&spans, "one", SERVER).span;
    assert_eq!(
        (hex(&call.links[0].trace_id), hex(&call.links[0].span_id)),
        ("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned())
    );
    assert_ne!(hex(&call.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert!(call.parent_span_id.is_empty());
    assert!(up.last().header("traceparent").unwrap().contains(&hex(&call.trace_id)));

    let off = collector.section("one", "sample: 100%, propagate: off");
    running.reload(config(up.address(), &off, ORDERS)).await.unwrap();
    get(running.address(), "/orders/2", &fields).await;
    assert_eq!(up.last().header("traceparent"), Some(caller));
    let spans = collector.come(4).await;
    assert_ne!(hex(&spans[3].span.trace_id), "0af7651916cd43dd8448eb211c80319c");
    running.stop().await;
}

#[tokio::test]
async fn what_the_collector_refuses_is_counted_and_what_it_cannot_take_is_sent_again() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let section = collector.section("one", "sample: 100%, slow_step: 1h");
    let running = Running::start(config(up.address(), &section, ORDERS)).await;
    collector.answers_first([
        answer("503 Service Unavailable", "retry-after: 0\r\n", b""),
        answer("200 OK", "", b""),
        partial(1),
        answer("400 Bad Request", "", b"no"),
    ]);
    for count in [2, 3, 4] {
        get(running.address(), "/orders/1", "").await;
        until(|| collector.recorder.count() == count).await;
    }
    let metric = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    let wanted = [
        ("paifang_spans_exported_total{}", 3),
        ("paifang_spans_dropped_total{reason=\"refused\"}", 3),
        ("paifang_spans_dropped_total{reason=\"queue_full\"}", 0),
        ("paifang_span_requests_total{result=\"ok\"}", 2),
        ("paifang_span_requests_total{result=\"retry\"}", 1),
        ("paifang_span_requests_total{result=\"refused\"}", 1),
    ];
    soon(async {
        loop {
            let text = ask(&running.gateway, "/metrics").await.body;
            if wanted.iter().all(|(name, value)| metric(&text, name) == Some(*value)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn without_a_collector_calls_go_on_and_spans_are_dropped_and_counted() {
    let (up, (away, _kept)) = (Recorder::start().await, refused_address());
    let section = format!(
        "tracing: {{ endpoint: \"http://{away}\", sample: 100%, queue: 4, batch: 1, delay: 10ms }}\n"
    );
    let running = Running::start(config(up.address(), &section, ORDERS)).await;
    let mut client = Client::connect(running.address()).await;
    for _ in 0..40 {
        let reply = client.ask("GET /orders/1 HTTP/1.1\r\nhost: api.test\r\n\r\n").await;
        assert_eq!(reply.status(), 200);
    }
    let text = ask(&running.gateway, "/metrics").await.body;
    let line = "paifang_spans_dropped_total{reason=\"queue_full\"} ";
    let dropped = text.lines().find_map(|text| text.strip_prefix(line)?.parse::<u64>().ok());
    // One is being sent, four wait, and one more can have been taken up meanwhile.
    assert!(dropped.is_some_and(|dropped| dropped >= 2 * (40 - 6)), "{dropped:?}");
    comes_to(&running.gateway, "/v1/stats", |all| all["last_1m"]["errors"] == 0.0).await;
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_no_call_and_little_memory() {
    // It takes connections and whole requests, and says nothing.
    let silent =
        Server::start(
            |_, mut client: Client| async move { while client.request().await.is_some() {} },
        )
        .await;
    let up = Recorder::start().await;
    let section = format!(
        "tracing: {{ endpoint: \"http://{}\", sample: 100%, queue: 8, batch: 2, delay: 10ms, timeout: 10s }}\n",
        silent.address
    );
    let running = Running::start(config(up.address(), &section, ORDERS)).await;
    let mut client = Client::connect(running.address()).await;
    // The first batch is on its way before the others come.
    let reply = client.ask("GET /orders/1 HTTP/1.1\r\nhost: api.test\r\n\r\n").await;
    assert_eq!(reply.status(), 200);
    until(|| silent.connections() == 1).await;
    for _ in 0..300 {
        let reply = client.ask("GET /orders/1 HTTP/1.1\r\nhost: api.test\r\n\r\n").await;
        assert_eq!(reply.status(), 200);
    }
    let text = ask(&running.gateway, "/metrics").await.body;
    let metric = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    // All that is kept: what is being sent, and the queue, which is full. The rest is counted.
    let queued: u64 = metric("paifang_span_queue_calls{}");
    let dropped = metric("paifang_spans_dropped_total{reason=\"queue_full\"}");
    let gave_up = metric("paifang_spans_dropped_total{reason=\"gave_up\"}");
    assert_eq!((queued, metric("paifang_spans_exported_total{}")), (8, 0));
    // One call has two spans, and a batch is made of at most two calls.
    let kept = 2 * 301 - dropped - gave_up;
    assert!((2 * 9..=2 * 10).contains(&kept), "{kept} spans are kept, {dropped} dropped");
    drop(client);
    drop(silent);
    running.stop().await;
}

#[tokio::test]
async fn what_is_queued_is_sent_before_the_gateway_ends_and_headers_go_with_it() {
    let (collector, up) = (Collector::start().await, Recorder::start().await);
    let section = collector
        .section(
            "one",
            "sample: 100%, headers: { x-token: { env: COLLECTOR } }, resource: { zone: a }",
        )
        .replace("delay: 10ms", "delay: 1m");
    let setup = Setup::new(config(up.address(), &section, ORDERS)).variable("COLLECTOR", "s3cret");
    let running = setup.start().await;
    get(running.address(), "/orders/1", "").await;
    assert_eq!(collector.recorder.count(), 0);
    running.stop().await;
    let request = collector.recorder.last();
    assert_eq!(request.header("x-token"), Some("s3cret"));
    assert_eq!((request.method(), request.target()), ("POST", "/v1/traces"));
    assert_eq!(collector.spans().len(), 2);
}
