//! HTTP/1.1 on one side and HTTP/2 on the other, and trailers where both speak HTTP/2.

use paifang_tests::harness::{
    Ask, H2, H2Server, Recorder, Running, one_api, one_upstream, soon, until,
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

fn to_h2(upstream: std::net::SocketAddr) -> String {
    one_upstream(upstream, "apis: [ { id: all, match: { path_prefix: / }, upstream: up } ]")
        .replace("endpoints:", "protocol: h2, endpoints:")
}

#[tokio::test]
async fn http2_streams_become_http1_requests() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let connection = H2::connect(running.address()).await;
    let ask = Ask::new("POST", "/a/b?c=d")
        .field("cookie", "a=1")
        .field("cookie", "b=2")
        .field("te", "trailers")
        .body("abc");
    let reply = connection.call(&ask).await;
    assert_eq!((reply.status, reply.text()), (200, "upstream"));
    assert!(!reply.headers.contains_key("connection"));
    let request = upstream.last();
    assert_eq!((request.method(), request.target()), ("POST", "/a/b?c=d"));
    assert_eq!((request.text(), request.header("content-length")), ("abc", Some("3")));
    assert_eq!(request.headers("host"), ["a.example"]);
    assert!(request.fields.iter().all(|(name, _)| !name.starts_with(':')), "{request:?}");
    // HTTP/1 has one field for all cookies (RFC 9113 section 8.2.3).
    assert_eq!(request.headers("cookie"), ["a=1; b=2"]);
    let unsized_ = connection.call(&Ask::new("POST", "/").pieces(["x", "y"])).await;
    assert_eq!(unsized_.status, 200);
    assert_eq!(upstream.last().header("transfer-encoding"), Some("chunked"));
    assert_eq!(upstream.last().text(), "xy");
    running.stop().await;
}

#[tokio::test]
async fn many_streams_of_one_connection_are_served_at_once() {
    const STREAMS: usize = 20;
    let here = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&here);
    // Answers nobody before all are there.
    let upstream = paifang_tests::harness::Server::start(move |_, mut client| {
        let here = Arc::clone(&seen);
        async move {
            client.request().await.unwrap();
            here.fetch_add(1, SeqCst);
            until(|| here.load(SeqCst) == STREAMS).await;
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let connection = Arc::new(H2::connect(running.address()).await);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let connection = Arc::clone(&connection);
        calls.spawn(async move { connection.call(&Ask::new("GET", "/")).await.status });
    }
    assert_eq!(calls.join_all().await, [200; STREAMS]);
    running.stop().await;
}

#[tokio::test]
async fn http1_requests_become_streams_of_one_connection() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    let upstream = H2Server::start(move |mut call| {
        let kept = Arc::clone(&kept);
        async move {
            let (body, _, whole) = call.read().await;
            assert!(whole);
            kept.lock().unwrap().push((call.head.clone(), body));
            call.answer(201, "from h2");
        }
    })
    .await;
    let running = Running::start(to_h2(upstream.address)).await;
    let mut client = running.connect().await;
    for _ in 0..3 {
        let answer = client
            .ask("POST /x HTTP/1.1\r\nHost: A.example\r\nX-Up: 1\r\ncontent-length: 3\r\n\r\nabc")
            .await;
        assert_eq!((answer.status(), answer.text()), (201, "from h2"));
    }
    assert_eq!(client.get("/").await.status(), 201);
    assert_eq!(upstream.connections(), 1);
    let (head, body) = heads.lock().unwrap()[0].clone();
    assert_eq!((head.uri.path(), &body[..]), ("/x", &b"abc"[..]));
    assert_eq!(head.uri.authority().unwrap().as_str().to_ascii_lowercase(), "a.example");
    assert_eq!(head.headers["x-up"], "1");
    assert_eq!(head.headers["content-length"], "3");
    for name in ["host", "connection", "transfer-encoding"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_grpc_call_keeps_its_trailers_both_ways() {
    let upstream = H2Server::start(|mut call| async move {
        assert_eq!(call.head.headers["te"], "trailers");
        let (body, trailers, whole) = call.read().await;
        assert!(whole);
        assert_eq!(trailers.get("x-checksum").unwrap(), "abc");
        call.answer_with(body, "grpc-status", "0");
    })
    .await;
    let running = Running::start(to_h2(upstream.address)).await;
    let message = &b"\0\0\0\0\x05hello"[..];
    let ask = Ask::new("POST", "/pkg.Service/Method")
        .field("content-type", "application/grpc")
        .field("te", "trailers")
        .pieces([message])
        .trailer("x-checksum", "abc");
    let connection = H2::connect(running.address()).await;
    for _ in 0..2 {
        let reply = connection.call(&ask).await;
        assert_eq!((reply.status, &reply.body[..], reply.whole), (200, message, true));
        assert_eq!(reply.trailers.get("grpc-status").unwrap(), "0");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_answer_of_trailers_alone_passes() {
    let upstream = H2Server::start(|mut call| async move {
        // gRPC's trailers-only answer is a head that ends the stream.
        let head = http::Response::builder().header("grpc-status", "5").body(()).unwrap();
        call.respond.send_response(head, true).unwrap();
    })
    .await;
    let running = Running::start(to_h2(upstream.address)).await;
    let reply = Ask::new("POST", "/").pieces(["x"]).over_http2(running.address()).await;
    assert_eq!((reply.status, reply.header("grpc-status"), reply.whole), (200, "5", true));
    running.stop().await;
}

#[tokio::test]
async fn a_stream_that_the_client_resets_is_reset_upstream_and_its_connection_lives_on() {
    let (told, mut resets) = tokio::sync::mpsc::unbounded_channel();
    let upstream = H2Server::start(move |mut call| {
        let told = told.clone();
        async move {
            if call.head.uri.path() == "/stays" {
                return call.answer(200, "here");
            }
            let mut out = call.begin(200);
            let reason = std::future::poll_fn(|cx| out.poll_reset(cx)).await.unwrap();
            told.send(reason).unwrap();
        }
    })
    .await;
    let running = Running::start(to_h2(upstream.address)).await;
    let connection = H2::connect(running.address()).await;
    let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
    let (response, mut body) = sender.send_request(Ask::new("GET", "/").to_head(), true).unwrap();
    let response = soon(response).await.unwrap();
    body.send_reset(h2::Reason::CANCEL);
    drop(response);
    assert_eq!(soon(resets.recv()).await.unwrap(), h2::Reason::CANCEL);
    let reply = connection.call(&Ask::new("GET", "/stays")).await;
    assert_eq!((reply.status, reply.text()), (200, "here"));
    assert_eq!(upstream.connections(), 1);
    running.stop().await;
}
