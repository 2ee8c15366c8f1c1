//! Clients that are slow, in each of the ways in which one can be.

use super::support::{Setup, answers, echoes, soon, until};
use bytes::Bytes;
use paifang_pipeline::{
    Frame, OriginEvent, error,
    testkit::{Script, TestOrigin},
};
use std::time::Duration;
use tokio::time::Instant;

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let setup = Setup::new(answers(1, "ok")).limits(|limits| limits.idle_timeout = SHORT);
    let server = setup.start().await;
    let (mut fresh, mut used) = (server.connect().await, server.connect().await);
    assert_eq!(used.get("/").await.status, 200);
    fresh.closed().await;
    used.closed().await;
    assert!(server.service.refused.lock().is_empty());
}

#[tokio::test]
async fn a_head_has_one_deadline_however_steadily_it_drips() {
    let setup = Setup::new(answers(1, "ok")).limits(|limits| limits.header_timeout = SHORT);
    let server = setup.start().await;
    let mut client = server.connect().await;
    let began = Instant::now();
    let mut drip = tokio::time::interval(SHORT / 6);
    let answer = loop {
        tokio::select! {
            biased;
            answer = client.answer() => break answer,
            _ = drip.tick() => {}
        }
        client.send("G").await;
    };
    assert!(began.elapsed() >= SHORT);
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(server.service.refused.lock()[0].0, "header_timeout");
}

#[tokio::test]
async fn the_deadline_of_a_head_begins_with_its_first_byte() {
    let setup = Setup::new(answers(1, "ok")).limits(|limits| limits.header_timeout = SHORT);
    let server = setup.start().await;
    let mut client = server.connect().await;
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_body_that_stalls_is_told_so() {
    let setup = Setup::new(answers(1, "ok")).limits(|limits| limits.stall_timeout = SHORT);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    client.closed().await;
    assert_eq!(server.outcome(0).await.error, Some(error::BODY_TIMEOUT));
}

#[tokio::test]
async fn a_body_that_drips_has_a_deadline_as_a_whole() {
    let setup = Setup::new(answers(1, "ok")).limits(|limits| limits.body_timeout = SHORT);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
    let mut drip = tokio::time::interval(SHORT / 6);
    let answer = loop {
        tokio::select! {
            biased;
            answer = client.answer() => break answer,
            _ = drip.tick() => {}
        }
        client.send("x").await;
    };
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn once_the_answer_has_begun_the_body_may_pause() {
    let setup = Setup::new(echoes(1)).limits(|limits| {
        limits.stall_timeout = SHORT;
        limits.body_timeout = SHORT;
    });
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    tokio::time::sleep(SHORT * 2).await;
    client.send("ab").await;
    assert_eq!(client.take(7).await, "2\r\nab\r\n");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let data = Bytes::from(vec![b'x'; 1 << 20]);
    let mut events = vec![Ok(OriginEvent::Head(TestOrigin::head(200), false))];
    events.extend((0..64).map(|_| Ok(OriginEvent::Frame(Frame::data(data.clone())))));
    let setup = Setup::new(TestOrigin::scripted([Script::Events(events)]));
    let server = setup.limits(|limits| limits.stall_timeout = SHORT).start().await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // More than sockets hold was offered, and none of it is read.
    let outcome = server.outcome(0).await;
    assert_eq!(outcome.termination.as_str(), "client_gone");
    assert!(outcome.response_bytes < 64 << 20);
}

#[tokio::test]
async fn a_head_is_answered_though_its_body_takes_long() {
    let head = super::support::with_length(200, 3);
    let script = Script::Events(vec![Ok(OriginEvent::Head(head, false))]);
    let server = Setup::new(TestOrigin::scripted([script])).start().await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = soon(client.head()).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("3")));
    drop(client);
    until(|| server.service.log.lock().len() == 1).await;
}
