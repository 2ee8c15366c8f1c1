//! One connection, many calls: reuse, pipelining, splits, and when it ends.

use super::support::{Setup, answers, echoes, until, with_length};
use bytes::Bytes;
use paifang_pipeline::{
    Frame, OriginEvent,
    testkit::{Script, TestOrigin},
};

#[tokio::test]
async fn a_connection_serves_one_call_after_the_other() {
    let server = Setup::new(answers(3, "hello")).start().await;
    let mut client = server.connect().await;
    for path in ["/a", "/b?c=d", "/e"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &*answer.body), (200, "hello"));
        assert_eq!(answer.header("connection"), Some("keep-alive"));
        assert!(answer.header("date").is_some());
    }
    let heads = server.service.heads.lock();
    let uris: Vec<String> = heads.iter().map(|head| head.uri.to_string()).collect();
    assert_eq!(uris, ["/a", "/b?c=d", "/e"]);
}

#[tokio::test]
async fn a_request_may_be_split_anywhere() {
    let request = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
        POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n";
    for cut in 1..request.len() {
        let server = Setup::new(echoes(2)).start().await;
        let mut client = server.connect().await;
        client.send(&request[..cut]).await;
        // The first part is read alone: the other one comes only now.
        tokio::task::yield_now().await;
        client.send(&request[cut..]).await;
        for body in ["abc", "de"] {
            let answer = client.answer().await;
            assert_eq!((answer.status, &*answer.body), (200, body), "{cut}");
        }
    }
}

#[tokio::test]
async fn byte_by_byte() {
    let request = b"\r\nPOST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let server = Setup::new(echoes(1)).start().await;
    let mut client = server.connect().await;
    for byte in request {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.body, "abc");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = TestOrigin::scripted((0..20).map(|index| {
        Script::AfterBody(vec![
            Ok(OriginEvent::Head(TestOrigin::head(200), false)),
            Ok(OriginEvent::Frame(Frame::last(Bytes::from(index.to_string())))),
        ])
    }));
    let server = Setup::new(origin).start().await;
    let mut client = server.connect().await;
    let mut requests = String::new();
    for index in 0..10 {
        requests.push_str(&format!("GET /{index} HTTP/1.1\r\nHost: a\r\n\r\n"));
        requests
            .push_str(&format!("POST /{index} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy"));
    }
    client.send(requests).await;
    for index in 0..20 {
        assert_eq!(client.answer().await.body, index.to_string());
    }
    assert_eq!(server.service.origin.request(19).body(), b"xy");
}

#[tokio::test]
async fn a_request_that_comes_while_another_is_answered_is_not_lost() {
    let origin = TestOrigin::scripted([
        // Stalls after its head until the client has said more.
        Script::Echo,
        Script::AfterBody(vec![Ok(OriginEvent::Head(with_length(200, 0), true))]),
    ]);
    let server = Setup::new(origin).start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab").await;
    until(|| server.calls() == 1).await;
    client.send("cdGET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "abcd");
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn who_wants_the_connection_closed() {
    for (request, lives) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo\r\nConnection: keep-alive, close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true),
    ] {
        let server = Setup::new(answers(2, "ok")).start().await;
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        let expected = if lives { "keep-alive" } else { "close" };
        assert_eq!(answer.header("connection"), Some(expected), "{request}");
        match lives {
            true => assert_eq!(client.get("/").await.status, 200, "{request}"),
            false => client.closed().await,
        }
    }
}

#[tokio::test]
async fn after_so_many_requests_it_ends() {
    let setup = Setup::new(answers(9, "ok")).limits(|limits| limits.requests_per_connection = 3);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5)).await;
    for expected in ["keep-alive", "keep-alive", "close"] {
        assert_eq!(client.answer().await.header("connection"), Some(expected));
    }
    client.closed().await;
    assert_eq!(server.calls(), 3);
}

/// Answers with 401 and leaves the body where it is.
struct Denies;

impl paifang_pipeline::Handler for Denies {
    fn stages(&self) -> paifang_pipeline::Stages {
        paifang_pipeline::Stages::REQUEST
    }
    fn request(&self, _: &mut paifang_pipeline::RequestCall<'_>) -> paifang_pipeline::Verdict {
        let mut response = http::Response::new(Bytes::from_static(b"no"));
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        paifang_pipeline::Verdict::Respond(response)
    }
}

#[tokio::test]
async fn a_short_body_that_nobody_read_costs_no_connection() {
    let server = Setup::new(answers(0, "")).step(Denies).start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await;
        // The answer does not wait for the body; the connection does.
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (401, Some("keep-alive")));
        client.send("x".repeat(1000)).await;
    }
    assert_eq!(client.get("/").await.status, 401);
}

#[tokio::test]
async fn a_body_that_may_be_long_or_never_come_ends_it() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    ] {
        let server = Setup::new(answers(0, "")).step(Denies).start().await;
        let mut client = server.connect().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (401, Some("close")), "{request}");
        client.closed().await;
    }
}

#[tokio::test]
async fn a_short_body_that_stalls_behind_its_answer_ends_it() {
    let stall = std::time::Duration::from_millis(30);
    let setup =
        Setup::new(answers(0, "")).step(Denies).limits(|limits| limits.stall_timeout = stall);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").await;
    assert_eq!(client.answer().await.status, 401);
    client.closed().await;
}

#[tokio::test]
async fn draining_closes_what_is_idle_at_once() {
    let server = Setup::new(answers(1, "ok")).start().await;
    let (mut fresh, mut used) = (server.connect().await, server.connect().await);
    assert_eq!(used.get("/").await.status, 200);
    server.begin_drain();
    fresh.closed().await;
    used.closed().await;
}

#[tokio::test]
async fn draining_lets_the_call_in_flight_end() {
    let server = Setup::new(echoes(1)).start().await;
    let mut client = server.connect().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.send(request).await;
    assert_eq!(client.head().await.status, 100);
    // The origin's head is out by now, or waits for the body; either way the call ends whole.
    server.begin_drain();
    client.send("abc").await;
    assert_eq!(client.answer().await.body, "abc");
    client.closed().await;
}

#[tokio::test]
async fn a_request_begun_before_the_drain_is_served_and_the_last() {
    let server = Setup::new(answers(1, "ok")).start().await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\n").await;
    // It has been read when the connection asks for the limits of its first request.
    until(|| server.service.asked() >= 2).await;
    server.begin_drain();
    client.send("Host: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    client.closed().await;
}
