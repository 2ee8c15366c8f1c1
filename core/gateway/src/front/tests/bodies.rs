//! How bodies are framed, both ways: lengths, chunks, none; interim answers; answers that break off.

use super::support::{Setup, answers, echoes, until, with_length};
use bytes::Bytes;
use http::HeaderValue;
use paifang_pipeline::{
    Frame, OriginError, OriginEvent, Replay, ResponseHead, error,
    testkit::{Script, TestOrigin},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn head(status: u16) -> OriginEvent {
    OriginEvent::Head(TestOrigin::head(status), false)
}

fn frame(data: &'static str) -> OriginEvent {
    OriginEvent::Frame(Frame::data(Bytes::from_static(data.as_bytes())))
}

fn last(data: &'static str) -> OriginEvent {
    OriginEvent::Frame(Frame::last(Bytes::from_static(data.as_bytes())))
}

fn events(events: impl IntoIterator<Item = OriginEvent>) -> Script {
    Script::Events(events.into_iter().map(Ok).collect())
}

fn broken() -> OriginError {
    OriginError::new(error::UPSTREAM_CLOSED, Replay::Never, "test")
}

#[tokio::test]
async fn an_unknown_length_is_chunked_for_11_and_ends_with_the_connection_for_10() {
    let script = || events([head(200), frame("ab"), frame(""), frame("c"), last("")]);
    let server = Setup::new(TestOrigin::scripted([script(), script()])).start().await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    assert_eq!(answer.body, "abc");
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let answer = client.head().await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!((answer.header("transfer-encoding"), answer.header("content-length")), (None, None));
    let (rest, end) = client.rest().await;
    assert_eq!(rest, "abc");
    end.unwrap();
}

#[tokio::test]
async fn a_declared_length_is_kept_and_fields_of_the_other_connection_are_not() {
    let mut kept = with_length(200, 3);
    for (name, value) in
        [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=1"), ("x-end", "2")]
    {
        kept.headers.insert(name, HeaderValue::from_static(value));
    }
    let origin = TestOrigin::scripted([events([OriginEvent::Head(kept, false), last("abc")])]);
    let server = Setup::new(origin).start().await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let answer = client.answer().await;
    assert_eq!((answer.header("content-length"), &*answer.body), (Some("3"), "abc"));
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    assert_eq!((answer.header("x-hop"), answer.header("keep-alive")), (None, None));
    assert_eq!(answer.header("x-end"), Some("2"));
}

#[tokio::test]
async fn answers_without_bodies_leave_the_connection_in_step() {
    let with_body = |head: ResponseHead| events([OriginEvent::Head(head, false), last("body")]);
    let ended = |head: ResponseHead| events([OriginEvent::Head(head, true)]);
    let origin = TestOrigin::scripted([
        with_body(with_length(200, 4)),
        ended(with_length(200, 7)),
        ended(TestOrigin::head(204)),
        with_body(with_length(204, 4)),
        ended(with_length(304, 9)),
        with_body(with_length(304, 4)),
        ended(TestOrigin::head(200)),
    ]);
    let server = Setup::new(origin).start().await;
    let mut client = server.connect().await;
    for (method, status, length) in [
        ("HEAD", 200, Some("4")),
        ("HEAD", 200, Some("7")),
        ("GET", 204, None),
        ("GET", 204, None),
        ("GET", 304, Some("9")),
        ("GET", 304, Some("4")),
        ("GET", 200, Some("0")),
    ] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let answer = client.head().await;
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{method}");
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(answer.header("connection"), Some("keep-alive"));
    }
}

#[tokio::test]
async fn request_bodies_arrive_whole_however_they_are_framed() {
    let large = "x".repeat(300_000);
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, body) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(), "abc"),
        (format!("{chunked}0\r\n\r\n"), ""),
        (format!("{chunked}1\r\na\r\n2;ext=1\r\nbc\r\n00\r\nTrailer: 1\r\n\r\n"), "abc"),
        (format!("{chunked}{:x}\r\n{large}\r\n0\r\n\r\n", large.len()), &*large),
        (format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n{large}"), &*large),
    ] {
        let server = Setup::new(answers(2, "ok")).start().await;
        let mut client = server.connect().await;
        client.send(&request).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(server.service.origin.request(0).body(), body.as_bytes());
        assert_eq!(client.get("/").await.status, 200, "the connection is in step");
    }
}

#[tokio::test]
async fn the_call_sees_nothing_of_the_connection() {
    let server = Setup::new(answers(1, "ok")).start().await;
    let mut client = server.connect().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nConnection: te, x-hop\r\nTE: gzip, trailers\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nX-End: 1\r\n\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status, 100);
    assert_eq!(client.answer().await.status, 200);
    let heads = server.service.heads.lock();
    let mut names: Vec<&str> = heads[0].headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["host", "te", "x-end"]);
    assert_eq!(heads[0].headers["te"], "trailers");
}

#[tokio::test]
async fn broken_chunks_are_told() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in
        ["zz\r\n", "3\r\nabcd\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "3\nabc", "0x3\r\nabc\r\n"]
    {
        let server = Setup::new(answers(1, "ok")).start().await;
        let mut client = server.connect().await;
        client.send(format!("{chunked}{body}")).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (400, Some("close")), "{body:?}");
        assert!(answer.body.contains("body_malformed"), "{}", answer.body);
        client.closed().await;
        assert_eq!(server.outcome(0).await.error, Some(error::BODY_MALFORMED));
    }
}

#[tokio::test]
async fn continue_is_sent_when_the_body_is_wanted_and_only_then() {
    let request = |version: &str, body: &str| {
        format!(
            "POST / HTTP/{version}\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n{body}"
        )
    };
    let server = Setup::new(echoes(4)).start().await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send(request("1.1", "")).await;
        assert_eq!(client.head().await.status, 100);
        client.send("abc").await;
        let answer = client.answer().await;
        assert_eq!((&*answer.body, answer.header("connection")), ("abc", Some("keep-alive")));
    }
    // HTTP/1.0 knows no interim answers.
    client.send(request("1.0", "abc")).await;
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn interim_answers_go_to_who_knows_them() {
    let hints = || {
        let mut hints = TestOrigin::head(103);
        hints.headers.insert("link", HeaderValue::from_static("</a>; rel=preload"));
        hints.headers.insert("content-length", HeaderValue::from_static("5"));
        hints.headers.insert("connection", HeaderValue::from_static("close"));
        events([
            OriginEvent::Info(hints),
            OriginEvent::Info(TestOrigin::head(100)),
            OriginEvent::Head(with_length(200, 2), false),
            last("ok"),
        ])
    };
    let server = Setup::new(TestOrigin::scripted([hints(), hints()])).start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    let early = client.head().await;
    assert_eq!((early.status, early.header("link")), (103, Some("</a>; rel=preload")));
    assert_eq!((early.header("content-length"), early.header("connection")), (None, None));
    let answer = client.answer().await;
    assert_eq!((&*answer.body, answer.header("connection")), ("ok", Some("keep-alive")));
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_whole() {
    let cut = |head: ResponseHead| {
        Script::Events(vec![Ok(OriginEvent::Head(head, false)), Ok(frame("ab")), Err(broken())])
    };
    let origin = TestOrigin::scripted([
        cut(with_length(200, 9)),
        cut(TestOrigin::head(200)),
        cut(TestOrigin::head(200)),
    ]);
    let server = Setup::new(origin).start().await;
    for (request, expected) in [(GET, "ab"), (GET, "2\r\nab\r\n"), ("GET / HTTP/1.0\r\n\r\n", "ab")]
    {
        let mut client = server.connect().await;
        client.send(request).await;
        assert_eq!(client.head().await.status, 200);
        let (rest, end) = client.rest().await;
        if request.contains("1.1") {
            // Shorter than its length; without the last chunk.
            assert_eq!(rest, expected);
            end.unwrap();
        } else {
            // Only a reset can say it here. It may overtake the bytes.
            assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        }
    }
    for index in 0..3 {
        assert_eq!(server.outcome(index).await.termination.as_str(), "origin_broke_off");
    }
}

#[tokio::test]
async fn bytes_go_both_ways_at_once() {
    let server = Setup::new(echoes(1)).start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    for _ in 0..3 {
        client.send("3\r\nabc\r\n").await;
        assert_eq!(client.take(8).await, "3\r\nabc\r\n");
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.take(5).await, "0\r\n\r\n");
    until(|| server.service.log.lock().len() == 1).await;
    assert_eq!(server.outcome(0).await.termination.as_str(), "completed");
}
