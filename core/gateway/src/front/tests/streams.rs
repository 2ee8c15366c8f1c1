//! HTTP/2 streams, seen by a client of the `h2` crate.

use super::{
    support::{Setup, answers, echoes, soon, until, with_length},
    support2::{Client2, request},
};
use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request};
use paifang_pipeline::{
    Frame, OriginError, OriginEvent, Replay, error,
    testkit::{Script, TestOrigin},
};

fn trailers(name: &'static str) -> HeaderMap {
    [(http::HeaderName::from_static(name), HeaderValue::from_static("1"))].into_iter().collect()
}

#[tokio::test]
async fn a_call_and_what_it_sees() {
    let server = Setup::new(answers(1, "hello")).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let mut request = request(Method::GET, "/a?b=c");
    for crumb in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", HeaderValue::from_static(crumb));
    }
    request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
    let answer = client.call(request, None).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "hello"));
    assert_eq!(answer.headers["content-length"], "5");
    assert!(answer.headers.contains_key("date"));
    let heads = server.service.heads.lock();
    assert_eq!(heads[0].uri, "http://a/a?b=c");
    assert_eq!(heads[0].version, http::Version::HTTP_2);
    assert_eq!(heads[0].headers["cookie"], "a=1; b=2; c=3");
    assert_eq!(heads[0].headers["te"], "trailers");
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let answer = Script::AfterBody(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data(Bytes::from_static(b"ok")))),
        Ok(OriginEvent::Frame(Frame {
            data: Bytes::new(),
            end: true,
            trailers: Some(Box::new(trailers("grpc-status"))),
        })),
    ]);
    let server = Setup::new(TestOrigin::scripted([answer])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut body) = client.send(request(Method::POST, "/"), false).await;
    body.send_data(Bytes::from_static(b"abc"), false).unwrap();
    body.send_trailers(trailers("x-sum")).unwrap();
    let answer = Client2::read(answer).await.unwrap();
    assert_eq!((&*answer.body, answer.trailers), ("ok", Some(trailers("grpc-status"))));
    let seen = server.service.origin.request(0);
    assert_eq!(seen.body(), b"abc");
    let last = seen.frames.last().unwrap();
    assert_eq!(last.trailers.as_deref(), Some(&trailers("x-sum")));
}

#[tokio::test]
async fn interim_answers_arrive() {
    let mut hints = TestOrigin::head(103);
    hints.headers.insert("link", HeaderValue::from_static("</a>"));
    let script = Script::AfterBody(vec![
        Ok(OriginEvent::Info(hints)),
        Ok(OriginEvent::Head(TestOrigin::head(204), true)),
    ]);
    let server = Setup::new(TestOrigin::scripted([script])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let mut request = request(Method::POST, "/");
    request.headers_mut().insert("expect", HeaderValue::from_static("100-continue"));
    let (mut answer, mut body) = client.send(request, false).await;
    let first = Client2::informational(&mut answer).await;
    assert_eq!(first.status(), 100);
    body.send_data(Bytes::from_static(b"abc"), true).unwrap();
    let second = Client2::informational(&mut answer).await;
    assert_eq!(
        (second.status().as_u16(), &second.headers()["link"]),
        (103, &HeaderValue::from_static("</a>"))
    );
    let answer = Client2::read(answer).await.unwrap();
    assert_eq!(answer.status, 204);
    assert!(!server.service.heads.lock()[0].headers.contains_key("expect"));
}

#[tokio::test]
async fn answers_without_bodies_end_with_their_heads() {
    let ended = |status, length| {
        Script::Events(vec![Ok(OriginEvent::Head(with_length(status, length), true))])
    };
    let server = Setup::new(TestOrigin::scripted([
        ended(200, 7),
        ended(204, 0),
        ended(304, 9),
        ended(200, 0),
    ]))
    .http2()
    .start()
    .await;
    let mut client = Client2::connect(&server).await;
    for (method, status, length) in [
        (Method::HEAD, 200, Some("7")),
        (Method::GET, 204, None),
        (Method::GET, 304, Some("9")),
        (Method::GET, 200, Some("0")),
    ] {
        let answer = client.call(request(method, "/"), None).await.unwrap();
        let found = answer.headers.get("content-length").map(|value| value.to_str().unwrap());
        assert_eq!((answer.status, found), (status, length));
        assert!(answer.ended_with_head);
    }
}

#[tokio::test]
async fn fields_of_the_other_connection_are_not_sent() {
    let mut head = TestOrigin::head(200);
    for (name, value) in [
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "timeout=1"),
        ("upgrade", "websocket"),
        ("x-end", "1"),
    ] {
        head.headers.insert(name, HeaderValue::from_static(value));
    }
    let script = Script::Events(vec![Ok(OriginEvent::Head(head, true))]);
    let server = Setup::new(TestOrigin::scripted([script])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let answer = client.call(request(Method::GET, "/"), None).await.unwrap();
    let mut names: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-end"]);
}

#[tokio::test]
async fn what_is_refused_with_an_answer() {
    let server = Setup::new(answers(1, "ok")).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let cases: [(&str, u16, &str, Request<()>); 9] = {
        let with = |name: &'static str, values: &[&'static str]| {
            let mut request = request(Method::POST, "/");
            for value in values {
                request.headers_mut().append(name, HeaderValue::from_static(value));
            }
            request
        };
        let mut many = request(Method::GET, "/");
        for _ in 0..21 {
            many.headers_mut().append("x", HeaderValue::from_static("1"));
        }
        let absolute = |uri: &str| Request::builder().uri(uri).body(()).unwrap();
        [
            ("bad_host", 400, "Host and :authority differ", with("host", &["b"])),
            ("bad_host", 400, "several Host fields", with("host", &["a", "a"])),
            (
                "bad_host",
                400,
                "the host has user information before an `@`",
                absolute("http://u@a/"),
            ),
            (
                "malformed_request",
                400,
                "several Content-Length fields",
                with("content-length", &["0", "0"]),
            ),
            (
                "malformed_request",
                400,
                "the scheme is neither http nor https",
                absolute("ftp://a/"),
            ),
            (
                "malformed_request",
                400,
                "the method is not in upper case",
                request(Method::from_bytes(b"get").unwrap(), "/"),
            ),
            (
                "method_refused",
                501,
                "CONNECT is not relayed",
                Request::connect("a:443").body(()).unwrap(),
            ),
            (
                "uri_too_long",
                414,
                "the request target exceeds 1024 bytes",
                request(Method::GET, &format!("/{}", "a".repeat(1024))),
            ),
            ("headers_too_large", 431, "more than 20 header fields", many),
        ]
    };
    for (label, status, detail, request) in cases {
        let answer = client.call(request, None).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (status, detail));
        assert_eq!(server.service.refused.lock().pop().unwrap(), (label, detail.to_owned()));
    }
    assert_eq!(server.calls(), 0);
    // The connection is none the worse.
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_header_list_over_the_limit_is_refused_by_the_codec() {
    let server = Setup::new(answers(1, "ok")).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let mut large = request(Method::GET, "/");
    let value = HeaderValue::from_str(&"a".repeat(4096)).unwrap();
    large.headers_mut().insert("x", value);
    assert_eq!(client.call(large, None).await.unwrap().status, 431);
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn a_length_that_the_body_does_not_keep_resets_the_stream() {
    for (length, body) in [("5", "abc"), ("2", "abc")] {
        let server = Setup::new(answers(1, "ok")).http2().start().await;
        let mut client = Client2::connect(&server).await;
        let mut request = request(Method::POST, "/");
        request.headers_mut().insert("content-length", HeaderValue::from_static(length));
        let error = client.call(request, Some(body)).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{length}");
        until(|| server.service.log.lock().len() == server.calls()).await;
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream_only() {
    let broken = OriginError::new(error::UPSTREAM_CLOSED, Replay::Never, "test");
    let cut = Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data(Bytes::from_static(b"ab")))),
        Err(broken),
    ]);
    let whole = Script::Events(vec![Ok(OriginEvent::Head(TestOrigin::head(204), true))]);
    let server = Setup::new(TestOrigin::scripted([cut, whole])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let error = client.call(request(Method::GET, "/"), None).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(server.outcome(0).await.termination.as_str(), "origin_broke_off");
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 204);
}

#[tokio::test]
async fn many_streams_at_once() {
    let server =
        Setup::new(echoes(201)).limits(|limits| limits.h2_streams = 100).http2().start().await;
    let mut client = Client2::connect(&server).await;
    // Only then it knows how many streams it may open.
    client.call(request(Method::POST, "/"), Some("first")).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..200 {
        let mut client = client.clone();
        calls.spawn(async move {
            let body: &'static str = Box::leak(format!("body {index}").into_boxed_str());
            let answer = client.call(request(Method::POST, "/"), Some(body)).await.unwrap();
            assert_eq!(answer.body, body);
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    assert_eq!(server.calls(), 201);
}

#[tokio::test]
async fn bytes_go_both_ways_at_once() {
    let server = Setup::new(echoes(1)).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    let mut body = soon(answer).await.unwrap().into_body();
    for piece in ["a", "bc", "def"] {
        out.send_data(Bytes::from_static(piece.as_bytes()), false).unwrap();
        assert_eq!(soon(body.data()).await.unwrap().unwrap(), piece);
    }
    out.send_data(Bytes::new(), true).unwrap();
    while let Some(data) = soon(body.data()).await {
        assert_eq!(data.unwrap(), "");
    }
    assert_eq!(server.outcome(0).await.termination.as_str(), "completed");
}

#[tokio::test]
async fn a_client_that_goes_away_at_each_stage_is_gone() {
    let head = || Ok(OriginEvent::Head(TestOrigin::head(200), false));
    let piece = || Ok(OriginEvent::Frame(Frame::data(Bytes::from_static(b"abc"))));
    for whole_connection in [false, true] {
        for (ended, script) in [
            (true, Script::Hang),
            (false, Script::AfterBody(vec![])),
            (true, Script::Events(vec![])),
            (true, Script::Events(vec![head()])),
            (true, Script::Events(vec![head(), piece()])),
        ] {
            let shown = format!("{whole_connection} {ended} {script:?}");
            let server = Setup::new(TestOrigin::scripted([script])).http2().start().await;
            let mut client = Client2::connect(&server).await;
            let (answer, mut body) = client.send(request(Method::POST, "/"), ended).await;
            until(|| server.calls() == 1).await;
            match whole_connection {
                true => client.abort(),
                false => body.send_reset(Reason::CANCEL),
            }
            let outcome = server.outcome(0).await;
            assert_eq!(outcome.termination.as_str(), "client_gone", "{shown}");
            drop(answer);
        }
    }
}
