//! How long callers wait goes on to servers, and the gateway waits no longer.

use http::HeaderMap;
use paifang_mmtp::session::{NewRequest, Operation};
use paifang_tests::harness::{
    Ask, H2, H2Server, MmtpClient, Recorder, Running, Server, mmtp_hello,
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A gateway that takes MMTP and HTTP in front of this upstream.
async fn start(address: std::net::SocketAddr, upstream: &str, api: &str) -> Running {
    Running::start(format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: 127.0.0.1:0, mmtp: {{ plain: true }} }} ]\n\
         upstreams: {{ up: {{ endpoints: [ {{ address: '{address}' }} ], {upstream} }} }}\n\
         apis: [ {{ id: a, operation: a, match: {{ path_prefix: / }}, upstream: up, {api} }} ]\n"
    ))
    .await
}

fn call(deadline_ms: u32) -> NewRequest<'static> {
    NewRequest {
        deadline_ms: Some(deadline_ms),
        ..NewRequest::new(Operation::Name("a"), "x".into())
    }
}

#[tokio::test]
async fn an_mmtp_call_s_deadline_is_told_but_no_more_than_the_api_s_timeout() {
    let upstream = Recorder::start().await;
    let running = start(upstream.address(), "", "timeout: 10s").await;
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    client.welcome().await;
    for (deadline, least, most) in [(5_000, 1, 5_000), (60_000, 5_001, 10_000)] {
        let key = client.request(call(deadline));
        assert_eq!(client.answer(key).await.status, 200);
        let told: u32 = upstream.last().header("x-request-timeout-ms").unwrap().parse().unwrap();
        assert!((least..=most).contains(&told), "{deadline}: {told}");
    }
    assert_eq!(client.call("a", "").await.status, 200);
    assert_eq!(upstream.last().header("x-request-timeout-ms"), None, "who says nothing");
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn the_gateway_answers_at_the_deadline() {
    // It takes calls and answers none.
    let silent =
        Server::start(|_, mut client| async move { while client.request().await.is_some() {} })
            .await;
    let running = start(silent.address, "", "timeout: 60s").await;
    let began = Instant::now();
    let mut client = MmtpClient::connect(running.address(), &mmtp_hello(1)).await;
    client.welcome().await;
    let key = client.request(call(300));
    let answer = client.answer(key).await;
    assert_eq!((answer.status, answer.error), (504, 4006));
    drop(client);
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(body.contains("PF-4006"), "the pipeline's own answer: {body}");
    for field in ["x-request-timeout-ms: 300", "grpc-timeout: 300m"] {
        let mut client = running.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
        let answer = client.ask(request).await;
        assert_eq!((answer.status(), answer.code().as_str()), (504, "PF-4006"), "{field}");
    }
    assert!(began.elapsed() < Duration::from_secs(50), "not the API's timeout");
    running.stop().await;
}

#[tokio::test]
async fn each_attempt_is_told_what_is_left_then() {
    // The first attempt's connection is closed a while after its request has come.
    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let kept = seen.clone();
    let server = Server::start(move |number, mut client| {
        let kept = kept.clone();
        async move {
            while let Some(request) = client.request().await {
                let told = request.header("x-request-timeout-ms").unwrap().parse().unwrap();
                kept.lock().unwrap().push(told);
                if number == 0 {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    return;
                }
                client.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            }
        }
    })
    .await;
    let running = start(server.address, "", "retry: { attempts: 3 }, timeout: 60s").await;
    let mut client = running.connect().await;
    let request = "GET / HTTP/1.1\r\nhost: a\r\nx-request-timeout-ms: 20000\r\n\r\n";
    assert_eq!(client.ask(request).await.status(), 200);
    let told = seen.lock().unwrap().clone();
    assert_eq!(told.len(), 2);
    assert!(told[0] <= 20_000 && told[1] + 300 <= told[0], "{told:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_grpc_server_is_told_in_its_own_words() {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let kept = seen.clone();
    let upstream = H2Server::start(move |mut call| {
        let kept = kept.clone();
        async move {
            kept.lock().unwrap().push(call.head.headers.clone());
            let (body, ..) = call.read().await;
            call.answer_with(body, "grpc-status", "0");
        }
    })
    .await;
    let running = start(upstream.address, "protocol: h2", "timeout: 5s").await;
    let ask = Ask::new("POST", "/pkg.Service/Method")
        .field("content-type", "application/grpc")
        .field("te", "trailers")
        .field("grpc-timeout", "1H")
        .pieces([&b"\0\0\0\0\0"[..]]);
    let reply = H2::connect(running.address()).await.call(&ask).await;
    assert_eq!(reply.status, 200);
    // The same over MMTP.
    let hello = paifang_mmtp::greeting::Hello {
        fields: vec![("content-type".into(), (*b"application/grpc").into())],
        ..mmtp_hello(1)
    };
    let mut client = MmtpClient::connect(running.address(), &hello).await;
    client.welcome().await;
    let key = client.request(call(4_000));
    assert_eq!(client.answer(key).await.status, 200);
    drop(client);
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let told: Vec<u32> = seen
        .iter()
        .map(|headers| {
            assert!(!headers.contains_key("x-request-timeout-ms"));
            let text = headers["grpc-timeout"].to_str().unwrap();
            text.strip_suffix('m').unwrap().parse().unwrap()
        })
        .collect();
    // A gRPC answer may be a long stream, which is its caller's affair.
    assert!((3_500_000..=3_600_000).contains(&told[0]), "{told:?}");
    assert!((1..=4_000).contains(&told[1]), "{told:?}");
    running.stop().await;
}
