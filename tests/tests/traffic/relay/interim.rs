//! 100, 103, and answers that come before the request has ended.

use paifang_tests::harness::{
    Ask, Message, Recorder, Running, Server, Setup, one_api, one_upstream, soon,
};
use std::sync::Arc;
use tokio::sync::Notify;

const EXPECTING: &str =
    "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";

#[tokio::test]
async fn a_client_that_asks_is_told_to_go_on() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    let go_on = client.ask(EXPECTING).await;
    assert_eq!((go_on.status(), go_on.fields.len()), (100, 0), "{go_on:?}");
    let answer = client.ask("body").await;
    assert_eq!((answer.status(), upstream.last().text()), (200, "body"));
    // The gateway has answered it; the upstream is not asked to wait.
    assert_eq!(upstream.last().header("expect"), None);
    assert_eq!(client.get("/").await.status(), 200, "the connection lives on");
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_sends_all_the_same_gets_one_answer() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let mut client = running.connect().await;
    client.send([EXPECTING, "body"].concat()).await;
    let mut answer = client.answer().await;
    if answer.status() == 100 {
        answer = client.answer().await;
    }
    assert_eq!((answer.status(), upstream.last().text()), (200, "body"));
    running.stop().await;
}

#[tokio::test]
async fn who_is_refused_never_uploads() {
    let upstream = Recorder::start().await;
    let config = one_upstream(
        upstream.address(),
        "apps: { one: { keys: [ { id: k, secret: { env: KEY } } ] } }\n\
         apis:\n\
         \x20 - { id: closed, match: { path: /closed }, handlers: [ key_auth: {} ], upstream: up }\n\
         \x20 - { id: unmet, match: { path: /unmet }, handlers: [ respond: { status: 412 } ] }\n\
         \x20 - { id: small, match: { path: /small }, body_limit: 3B, upstream: up }\n",
    );
    let running =
        Setup::new(config).variable("KEY", "0123456789abcdef0123456789abcdef").start().await;
    for (path, status) in [("/closed", 401), ("/unmet", 412), ("/small", 413), ("/none", 404)] {
        let mut client = running.connect().await;
        let answer = client.ask(EXPECTING.replace(" / ", &format!(" {path} "))).await;
        assert_eq!(answer.status(), status, "{path}");
        // Nobody knows whether the body will come after all: the connection ends.
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
        client.closed().await;
    }
    for (path, status) in [("/closed", 401), ("/unmet", 412), ("/small", 413)] {
        let ask = Ask::new("POST", path).field("expect", "100-continue").body("body");
        let reply = ask.over_http2(running.address()).await;
        assert_eq!((reply.status, reply.infos.as_slice()), (status, &[][..]), "{path}");
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn over_http2_a_client_is_told_to_go_on_too() {
    let upstream = Recorder::start().await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    let ask = Ask::new("POST", "/").field("expect", "100-continue").body("body");
    let reply = ask.over_http2(running.address()).await;
    assert_eq!((reply.status, reply.infos.as_slice()), (200, &[100][..]));
    assert_eq!(upstream.last().text(), "body");
    running.stop().await;
}

#[tokio::test]
async fn interim_answers_pass_and_the_upstreams_100_does_not() {
    const HINTS: &str = "HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nlink: </b.css>; rel=preload\r\n\r\n\
        HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Recorder::answering(HINTS).await;
    let running = Running::start(one_api(upstream.address(), "[]")).await;
    for reply in [
        Ask::new("GET", "/").over_http1(running.address()).await,
        Ask::new("GET", "/").over_http2(running.address()).await,
    ] {
        assert_eq!(
            (reply.infos.as_slice(), reply.status, reply.text()),
            (&[103, 103][..], 200, "ok")
        );
    }
    let mut client = running.connect().await;
    let first = client.get("/").await;
    assert_eq!(first.header("link"), Some("</a.css>; rel=preload"));
    assert_eq!(client.answer().await.status(), 103);
    assert_eq!(client.answer().await.status(), 200);
    // HTTP/1.0 knows no interim answers.
    let mut old = running.connect().await;
    assert_eq!(old.ask("GET / HTTP/1.0\r\n\r\n").await.status(), 200);
    running.stop().await;
}

#[tokio::test]
async fn an_interim_answer_goes_out_at_once() {
    let release = Arc::new(Notify::new());
    let hand = Arc::clone(&release);
    let upstream = Server::start(move |_, mut client| {
        let release = Arc::clone(&hand);
        async move {
            client.request().await.unwrap();
            client.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").await;
            release.notified().await;
            client.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 103);
    release.notify_one();
    assert_eq!(client.answer().await.status(), 200);
    running.stop().await;
}

/// Answers with the head's arrival, without reading the body.
async fn hasty() -> Server {
    Server::start(|_, mut client| async move {
        client.head().await.unwrap();
        client.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await;
        client.rest().await.1.ok();
    })
    .await
}

#[tokio::test]
async fn an_answer_may_come_before_the_upload_has_ended() {
    let upstream = hasty().await;
    let running = Running::start(one_api(upstream.address, "[]")).await;
    let mut client = running.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nbegun").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.text()), (403, "no"));
    client.rest().await.1.ok();

    // HTTP/2: the answer is whole although the request never is.
    let connection = paifang_tests::harness::H2::connect(running.address()).await;
    let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
    let head = Ask::new("POST", "/").to_head();
    let (response, mut body) = sender.send_request(head, false).unwrap();
    body.send_data("begun".into(), false).unwrap();
    let mut response = soon(response).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(&soon(response.body_mut().data()).await.unwrap().unwrap()[..], b"no");
    assert!(response.body().is_end_stream());
    drop((response, body));
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_hold_up_its_answer() {
    // More than all buffers on the way hold together, sent by a client that reads only afterwards.
    let upstream = hasty().await;
    let config = one_api(upstream.address, "[]")
        .replace("version: 1", "version: 1\ndefaults: { body_limit: 100MiB }");
    let running = Running::start(config).await;
    let mut client = running.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60000000\r\n\r\n").await;
    let piece = vec![0; 1 << 20];
    let answer: Message = loop {
        // The gateway may close once the answer is out; what it said before can still be read.
        if client.try_send(&piece).await.is_err() {
            break client.answer().await;
        }
        if !client.buffered().is_empty() {
            break client.answer().await;
        }
        let read = tokio::time::timeout(std::time::Duration::from_millis(1), client.try_answer());
        if let Ok(answer) = read.await {
            break answer.expect("broken off");
        }
    };
    assert_eq!((answer.status(), answer.text()), (403, "no"));
    drop(client);
    running.stop().await;
}
