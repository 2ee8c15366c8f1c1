//! Clients that are slow: with a handshake, a head, a body, between calls, in taking their answer.

use super::config;
use paifang_tests::harness::{Ask, H2, Pki, Recorder, Running, Server, Setup, soon};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_head_that_takes_too_long_is_refused_however_it_trickles() {
    let upstream = Recorder::start().await;
    let running =
        Running::start(config(upstream.address(), "limits: { header: 100ms }", "[]")).await;
    for trickles in [false, true] {
        let mut client = running.connect().await;
        let begun = Instant::now();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n").await;
        let answer = match trickles {
            false => client.answer().await,
            // Each byte comes well before a deadline that began with the last one.
            true => loop {
                client.try_send("x").await.ok();
                let wait = tokio::time::timeout(Duration::from_millis(10), client.answer());
                if let Ok(answer) = wait.await {
                    break answer;
                }
            },
        };
        assert!(begun.elapsed() >= SHORT);
        assert_eq!((answer.status(), answer.code()), (408, "PF-1008".to_owned()));
        client.rest().await.1.ok();
    }
    assert_eq!(upstream.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), "limits: { idle: 100ms }", "[]")).await;
    let begun = Instant::now();
    let mut silent = running.connect().await;
    silent.closed().await;
    assert!(begun.elapsed() >= SHORT);
    let mut client = running.connect().await;
    assert_eq!(client.get("/").await.status(), 200);
    let begun = Instant::now();
    client.closed().await;
    assert!(begun.elapsed() >= SHORT / 2);
    let connection = H2::connect(running.address()).await;
    assert_eq!(connection.call(&Ask::new("GET", "/")).await.status, 200);
    connection.ended().await.expect("a graceful end");
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_stalls_is_refused() {
    let upstream = Recorder::start().await;
    let running = Running::start(config(upstream.address(), "limits: { body: 100ms }", "[]")).await;
    let begun = Instant::now();
    let mut client = running.connect().await;
    let answer = client.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(begun.elapsed() >= SHORT);
    assert_eq!((answer.status(), answer.code()), (408, "PF-1006".to_owned()));
    client.closed().await;

    let connection = H2::connect(running.address()).await;
    let mut sender = soon(connection.sender.clone().ready()).await.unwrap();
    let (response, mut body) = sender.send_request(Ask::new("POST", "/").to_head(), false).unwrap();
    body.send_data("abc".into(), false).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), 408);
    // The others of its connection are not concerned.
    assert_eq!(connection.call(&Ask::new("GET", "/")).await.status, 200);
    drop(body);
    assert_eq!(upstream.count(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_trickles_has_no_more_time_than_the_whole_of_it() {
    let upstream = Recorder::start().await;
    let listener = "limits: { body: 10s, body_total: 100ms }";
    let running = Running::start(config(upstream.address(), listener, "[]")).await;
    let mut client = running.connect().await;
    let begun = Instant::now();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n").await;
    let answer = loop {
        client.try_send("x").await.ok();
        let wait = tokio::time::timeout(Duration::from_millis(10), client.answer());
        if let Ok(answer) = wait.await {
            break answer;
        }
    };
    assert!(begun.elapsed() >= SHORT);
    assert_eq!((answer.status(), answer.code()), (408, "PF-1006".to_owned()));
    drop(client);
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for() {
    let (pki, upstream) = (Pki::default(), Recorder::start().await);
    let own = pki.server(&["one.example"]);
    let listener = "limits: { handshake: 100ms }, \
        tls: { certificates: [ { cert: one.pem, key: one.key } ] }";
    let running = Setup::new(config(upstream.address(), listener, "[]"))
        .file("one.pem", own.cert)
        .file("one.key", own.key)
        .start()
        .await;
    let begun = Instant::now();
    let mut silent = running.connect().await;
    silent.closed().await;
    assert!(begun.elapsed() >= SHORT);
    let mut half = running.connect().await;
    half.send(b"\x16\x03\x01\x02\x00").await;
    half.closed().await;
    running.stop().await;
}

#[tokio::test]
async fn who_does_not_take_the_answer_is_given_up() {
    let (told, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Server::start(move |_, mut client| {
        let told = told.clone();
        async move {
            client.request().await.unwrap();
            client.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while client.try_send(&chunk).await.is_ok() {}
            told.send(()).unwrap();
        }
    })
    .await;
    let running = Running::start(config(upstream.address, "limits: { body: 100ms }", "[]")).await;
    let mut reader = running.connect().await;
    reader.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(reader.head().await.unwrap().status(), 200);
    // Nothing more is read: the buffers fill, and then the upstream is let go.
    soon(ends.recv()).await.unwrap();
    running.stop().await;
}
