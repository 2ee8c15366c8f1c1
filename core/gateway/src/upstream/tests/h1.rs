//! HTTP/1.1: heads, framing, reuse, interim responses.

use super::support::{
    Server, call, get, once, read_head, read_request, recording, request, run, spec, start,
};
use crate::upstream::{HostPolicy, PoolSpec};
use bytes::Bytes;
use http::{HeaderValue, Method};
use paifang_pipeline::{
    Frame,
    testkit::{Sent, TestCall},
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn connections_are_kept_and_used_again() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let upstream = start(spec(server.address));
    for _ in 0..3 {
        let reply = get(&upstream).await;
        assert_eq!((reply.status(), reply.body().as_str()), (200, "ok"));
    }
    assert_eq!(server.connections(), 1);
    let reading = upstream.read();
    let counts = reading.endpoints[0].counts;
    assert_eq!((counts.calls, counts.connects, counts.reuses), (3, 1, 2));
    assert_eq!((reading.idle_connections, reading.endpoints[0].in_flight), (1, 0));
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_usable() {
    for (method, response) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"x\"\r\n\r\n"),
        (Method::GET, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let server = Server::answering(response).await;
        let upstream = start(spec(server.address));
        for _ in 0..2 {
            let reply = run(TestCall::new(method.clone(), "/"), &upstream).await;
            assert_eq!(reply.body(), "");
            assert!(!reply.head().headers.contains_key("transfer-encoding"));
        }
        assert_eq!(server.connections(), 1, "{response}");
    }
}

#[tokio::test]
async fn a_connection_that_is_to_close_is_not_kept() {
    for response in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
    ] {
        let server = Server::answering(response).await;
        let upstream = start(spec(server.address));
        assert_eq!(get(&upstream).await.body(), "ok");
        assert_eq!(get(&upstream).await.body(), "ok");
        assert_eq!(server.connections(), 2, "{response}");
        assert_eq!(upstream.read().idle_connections, 0);
    }
}

#[tokio::test]
async fn a_body_until_the_connection_ends() {
    let server = Server::start(|_, mut tcp| async move {
        read_request(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the end").await.unwrap();
    })
    .await;
    let upstream = start(spec(server.address));
    assert_eq!(get(&upstream).await.body(), "until the end");
    assert_eq!(upstream.read().idle_connections, 0);
}

#[tokio::test]
async fn a_server_that_keeps_connections_shortly_is_believed() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let upstream = start(spec(server.address));
    assert_eq!(get(&upstream).await.status(), 200);
    // A second less than one is none.
    assert_eq!(upstream.read().idle_connections, 0);
}

#[tokio::test]
async fn the_pool_may_be_switched_off() {
    let (server, mut told) = recording().await;
    let mut spec = spec(server.address);
    spec.pool = PoolSpec { size: 0, ..PoolSpec::default() };
    let upstream = start(spec);
    assert_eq!(get(&upstream).await.status(), 200);
    assert_eq!(get(&upstream).await.status(), 200);
    assert_eq!(server.connections(), 2);
    assert_eq!(told.recv().await.unwrap().header("connection"), Some("close"));
}

#[tokio::test]
async fn an_old_connection_is_replaced() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let mut spec = spec(server.address);
    spec.pool.max_age = Duration::ZERO;
    let upstream = start(spec);
    assert_eq!(get(&upstream).await.status(), 200);
    assert_eq!(get(&upstream).await.status(), 200);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_head_as_the_server_sees_it() {
    let (server, mut told) = recording().await;
    let upstream = start(spec(server.address));
    let call = TestCall::get("/a%20b?q=1")
        .header("host", "api.example:8443")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=9")
        .header("te", "trailers, deflate")
        .header("expect", "100-continue")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-kept", "1");
    assert_eq!(run(call, &upstream).await.status(), 200);
    let request = told.recv().await.unwrap();
    assert!(request.head.starts_with("GET /a%20b?q=1 HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("host"), Some("api.example:8443"));
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.header("x-forwarded-host"), Some("api.example:8443"));
    assert_eq!((request.header("te"), request.header("x-kept")), (Some("trailers"), Some("1")));
    for gone in ["connection", "x-hop", "keep-alive", "expect", "content-length", "forwarded"] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn a_call_of_http_2_is_told_as_http_1_1() {
    let (server, mut told) = recording().await;
    let upstream = start(spec(server.address));
    // Without a length, and with the authority in the target.
    let call = TestCall::new(Method::POST, "http://api.example/x")
        .frames([Frame::data(Bytes::from_static(b"abc")), Frame::last(Bytes::from_static(b"de"))]);
    assert_eq!(run(call, &upstream).await.status(), 200);
    let request = told.recv().await.unwrap();
    assert!(request.head.starts_with("POST /x HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("host"), Some("api.example"));
    assert_eq!(request.header("transfer-encoding"), Some("chunked"));
    assert_eq!(request.body, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
}

#[tokio::test]
async fn host_policies() {
    let (server, mut told) = recording().await;
    for (policy, seen) in [
        (HostPolicy::Preserve, "api.example".to_owned()),
        (HostPolicy::Upstream, server.address.to_string()),
        (HostPolicy::Name(HeaderValue::from_static("other")), "other".to_owned()),
    ] {
        let mut spec = spec(server.address);
        spec.host = policy;
        let call = TestCall::get("/").header("host", "api.example");
        assert_eq!(run(call, &start(spec)).await.status(), 200);
        let request = told.recv().await.unwrap();
        assert_eq!(request.header("host"), Some(seen.as_str()));
        assert_eq!(request.header("x-forwarded-host"), Some("api.example"));
    }
}

#[tokio::test]
async fn bodies_are_framed_by_what_is_known_of_them() {
    let (server, mut told) = recording().await;
    let upstream = start(spec(server.address));
    let post = |body: &'static str| TestCall::post("/", body);
    for (call, length, body) in [
        (post("hello"), Some("5"), "hello"),
        (TestCall::new(Method::POST, "/"), Some("0"), ""),
        (TestCall::new(Method::DELETE, "/"), None, ""),
        (TestCall::get("/").header("content-length", "0"), Some("0"), ""),
    ] {
        assert_eq!(run(call, &upstream).await.status(), 200);
        let request = told.recv().await.unwrap();
        assert_eq!(request.header("content-length"), length, "{}", request.head);
        assert_eq!((request.header("transfer-encoding"), &*request.body), (None, body.as_bytes()));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_head_does_not_wait_for_a_body_that_waits_for_the_answer() {
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n").await.unwrap();
        let mut body = [0; 2];
        tcp.read_exact(&mut body).await.unwrap();
        tcp.write_all(&body).await.unwrap();
    })
    .await;
    let head = request("POST", "/", &[("content-length", "2")]);
    let (mut client, _task) = call(&start(spec(server.address)), head, true);
    assert_eq!(client.head().await.status, 200);
    client.to.send(Frame::last(Bytes::from_static(b"hi"))).unwrap();
    assert_eq!(client.frame().await.data, "hi");
}

#[tokio::test]
async fn interim_responses_are_relayed_but_for_100() {
    let server = Server::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let upstream = start(spec(server.address));
    let reply = get(&upstream).await;
    let infos: Vec<_> = reply
        .sent
        .iter()
        .filter_map(|sent| match sent {
            Sent::Info(head) => Some((head.status.as_u16(), head.headers["link"].clone())),
            _ => None,
        })
        .collect();
    assert_eq!(infos, [(103, HeaderValue::from_static("</a>"))]);
    assert_eq!(reply.body(), "ok");
    assert_eq!(upstream.read().idle_connections, 1);
}

#[tokio::test]
async fn interim_responses_without_end_are_a_broken_server() {
    let server = Server::start(|_, mut tcp| async move {
        read_request(&mut tcp).await.unwrap();
        while tcp.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
    })
    .await;
    let reply = run(once(TestCall::get("/")), &start(spec(server.address))).await;
    assert_eq!(reply.error().as_deref(), Some("PF-4005"));
}

#[tokio::test]
async fn several_equal_lengths_become_one_and_foldings_are_undone() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\nx-fold: a\r\n b\r\n\
         connection: x-private\r\nx-private: 1\r\n\r\nok",
    )
    .await;
    let reply = get(&start(spec(server.address))).await;
    let headers = &reply.head().headers;
    assert_eq!(headers.get_all("content-length").iter().count(), 1);
    assert_eq!(headers["x-fold"], "a b");
    assert!(!headers.contains_key("x-private") && !headers.contains_key("connection"));
}

#[tokio::test]
async fn an_answer_during_the_upload_arrives_and_the_connection_is_given_up() {
    let server = Server::start(|_, mut tcp| async move {
        read_head(&mut tcp).await.unwrap();
        tcp.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        // The rest of the request stays unread until the gateway closes.
        let mut rest = Vec::new();
        let _ = tcp.read_to_end(&mut rest).await;
    })
    .await;
    let upstream = start(spec(server.address));
    let call = TestCall::new(Method::POST, "/")
        .header("content-length", "1000")
        .frames([Frame::data(Bytes::from_static(b"part"))]);
    let reply = run(call, &upstream).await;
    assert_eq!((reply.status(), reply.body().as_str()), (403, "no"));
    assert_eq!(upstream.read().idle_connections, 0);
}
