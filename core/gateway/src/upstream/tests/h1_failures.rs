//! HTTP/1.1 servers that die, stall, or talk nonsense.

use super::support::{
    Server, call, get, in_time, once, read_head, read_request, refusing, request, run, spec, start,
};
use bytes::Bytes;
use http::Method;
use paifang_pipeline::{
    Frame, Termination,
    testkit::{Sent, TestCall},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_kept_connection_that_died_meanwhile_is_not_used() {
    let closed = Arc::new(Notify::new());
    let tell = Arc::clone(&closed);
    let server = Server::start(move |_, mut tcp| {
        let tell = Arc::clone(&tell);
        async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(OK).await.unwrap();
            drop(tcp);
            tell.notify_one();
        }
    })
    .await;
    let upstream = start(spec(server.address));
    for connections in 1..=3 {
        // Not even a POST notices.
        assert_eq!(run(once(TestCall::post("/", "x")), &upstream).await.status(), 200);
        in_time(closed.notified()).await;
        assert_eq!(server.connections(), connections);
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_on_use_is_retried_for_idempotent_calls_alone() {
    for (idempotent, status, connections) in [(true, 200, 2), (false, 502, 1)] {
        let server = Server::start(|_, mut tcp| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(OK).await.unwrap();
            // Reads the second request, says nothing and goes.
            read_request(&mut tcp).await;
        })
        .await;
        let upstream = start(spec(server.address));
        assert_eq!(get(&upstream).await.status(), 200);
        let call = if idempotent { TestCall::get("/") } else { TestCall::post("/", "x") };
        let reply = run(call, &upstream).await;
        assert_eq!((reply.status(), server.connections()), (status, connections));
        if !idempotent {
            assert_eq!(reply.error().as_deref(), Some("PF-4004"));
            let detail = reply.outcome.error_detail.unwrap();
            assert!(detail.contains("kept connection was closed before the response"), "{detail}");
        }
    }
}

#[tokio::test]
async fn nobody_listens() {
    let (address, _socket) = refusing();
    let upstream = start(spec(address));
    let reply = run(once(TestCall::post("/", "x")), &upstream).await;
    assert_eq!((reply.status(), reply.error().as_deref()), (502, Some("PF-4001")));
    let reading = &upstream.read().endpoints[0];
    assert_eq!(reading.counts.connect_failures, 1);
    assert!(reading.passed_over);
}

#[tokio::test]
async fn death_before_and_within_the_head() {
    for said in ["", "HTTP/1.1 200 O"] {
        let server = Server::start(move |_, mut tcp| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(said.as_bytes()).await.unwrap();
        })
        .await;
        let upstream = start(spec(server.address));
        let reply = run(once(TestCall::get("/")), &upstream).await;
        assert_eq!((reply.status(), reply.error().as_deref()), (502, Some("PF-4004")));
        assert_eq!(upstream.read().endpoints[0].counts.closed, 1);
    }
}

#[tokio::test]
async fn bodies_cut_short_never_look_whole() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nshort",
    ] {
        let server = Server::start(move |_, mut tcp| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(response.as_bytes()).await.unwrap();
        })
        .await;
        let reply = get(&start(spec(server.address))).await;
        assert_eq!(reply.served.termination, Termination::OriginBrokeOff, "{response}");
        assert!(matches!(reply.sent.last(), Some(Sent::Abort)));
        assert_eq!(reply.body(), "short");
    }
}

#[tokio::test]
async fn nonsense_is_refused_and_not_repeated() {
    for response in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let server = Server::answering(response).await;
        let reply = get(&start(spec(server.address))).await;
        assert_eq!(reply.error().as_deref(), Some("PF-4005"), "{response}");
        assert_eq!(server.connections(), 1);
    }
    let server =
        Server::answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    let reply = get(&start(spec(server.address))).await;
    assert_eq!(reply.served.termination, Termination::OriginBrokeOff);
}

#[tokio::test]
async fn silence_has_bounds() {
    // Before the head, and within the body.
    for (said, error) in
        [("", Some("PF-4006")), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", None)]
    {
        let server = Server::start(move |_, mut tcp| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(said.as_bytes()).await.unwrap();
            std::future::pending().await
        })
        .await;
        let mut spec = spec(server.address);
        spec.timeouts.first_byte = Duration::from_millis(50);
        spec.timeouts.idle = Duration::from_millis(60);
        let reply = run(once(TestCall::get("/")), &start(spec)).await;
        assert_eq!(reply.error().as_deref(), error);
        let detail = reply.outcome.error_detail.unwrap();
        let expected =
            if error.is_some() { "head came within 50ms" } else { "response came within 60ms" };
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_given_up() {
    let server = Server::start(|_, tcp| async move {
        let _held = tcp;
        std::future::pending().await
    })
    .await;
    let mut spec = spec(server.address);
    spec.timeouts.write = Duration::from_millis(50);
    let upstream = start(spec);
    // More than the socket buffers of both ends hold.
    let chunk = Bytes::from(vec![7; 64 << 10]);
    let frames = std::iter::repeat_n(Frame::data(chunk), 512);
    let mut call = once(TestCall::new(Method::POST, "/").frames(frames));
    call.limits.body_bytes = usize::MAX;
    let reply = run(call, &upstream).await;
    assert_eq!(reply.error().as_deref(), Some("PF-4006"));
    let detail = reply.outcome.error_detail.unwrap();
    assert!(detail.contains("was not taken within 50ms"), "{detail}");
}

#[tokio::test]
async fn a_client_that_goes_takes_its_connection_along() {
    let closed = Arc::new(Notify::new());
    let tell = Arc::clone(&closed);
    let server = Server::start(move |_, mut tcp| {
        let tell = Arc::clone(&tell);
        async move {
            read_head(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab").await.unwrap();
            let ended = tcp.read_u8().await;
            assert!(ended.is_err(), "the gateway has closed");
            tell.notify_one();
        }
    })
    .await;
    let upstream = start(spec(server.address));
    let (mut client, task) = call(&upstream, request("GET", "/", &[]), false);
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.frame().await.data, "ab");
    task.abort();
    in_time(closed.notified()).await;
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(upstream.read().endpoints[0].in_flight, 0);
}

#[tokio::test]
async fn a_body_longer_than_declared_is_not_sent_on() {
    let server = Server::start(|_, mut tcp| async move {
        read_request(&mut tcp).await.unwrap();
        tcp.write_all(OK).await.unwrap();
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "nothing may follow that a server could take for a request");
    })
    .await;
    let upstream = start(spec(server.address));
    let call = TestCall::new(Method::POST, "/")
        .header("content-length", "3")
        .frames([Frame::last(Bytes::from_static(b"abcGET / HTTP/1.1\r\n\r\n"))]);
    assert_eq!(run(call, &upstream).await.status(), 200);
    assert_eq!(upstream.read().idle_connections, 0);
}
