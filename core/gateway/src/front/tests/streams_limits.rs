//! HTTP/2's limits: flow control, floods, idle and draining connections, panics.

use super::{
    streams_raw::{GOAWAY, PREFACE, open_streams, reason, whole_frames},
    support::{PANIC, Setup, answers, echoes, soon, until},
    support2::{Client2, request},
};
use bytes::Bytes;
use h2::Reason;
use http::Method;
use paifang_pipeline::{
    Frame, Handler, OriginEvent, RequestCall, Stages, Verdict, error,
    testkit::{Script, TestOrigin},
};
use std::time::Duration;

/// Why a server has told its client to go, each time.
fn goaways(sent: &[u8]) -> Vec<u32> {
    whole_frames(sent).filter(|frame| frame.kind == GOAWAY).map(|frame| reason(&frame)).collect()
}

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_body_nobody_reads_gives_no_window_back() {
    let server = Setup::new(TestOrigin::scripted([Script::Hang])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let (_answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    out.reserve_capacity(1 << 20);
    let mut sent = 0;
    loop {
        let room = std::future::poll_fn(|cx| out.poll_capacity(cx));
        let Ok(room) = tokio::time::timeout(SHORT, room).await else { break };
        let room = room.unwrap().unwrap();
        out.send_data(Bytes::from(vec![0; room]), false).unwrap();
        sent += room;
    }
    assert_eq!(sent, 256 << 10, "the stream's window and not a byte more");
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let server = Setup::new(echoes(1)).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let body: &'static str = Box::leak("0123456789abcdef".repeat(60_000).into_boxed_str());
    let answer = client.call(request(Method::POST, "/"), Some(body)).await.unwrap();
    assert_eq!(answer.body.len(), body.len());
    assert!(answer.body == body);
}

#[tokio::test]
async fn a_client_that_gives_no_window_is_given_up() {
    let data = Bytes::from(vec![0; 1 << 20]);
    let script = Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(200), false)),
        Ok(OriginEvent::Frame(Frame::data(data))),
    ]);
    let setup = Setup::new(TestOrigin::scripted([script])).http2();
    let server = setup.limits(|limits| limits.stall_timeout = SHORT).start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, _body) = client.send(request(Method::GET, "/"), true).await;
    let unread = soon(answer).await.unwrap().into_body();
    assert_eq!(server.outcome(0).await.termination.as_str(), "client_gone");
    drop(unread);
}

#[tokio::test]
async fn a_body_that_stalls_is_told_so() {
    let setup = Setup::new(answers(1, "ok")).http2();
    let server = setup.limits(|limits| limits.stall_timeout = SHORT).start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    out.send_data(Bytes::from_static(b"abc"), false).unwrap();
    assert_eq!(Client2::read(answer).await.unwrap().status, 408);
    assert_eq!(server.outcome(0).await.error, Some(error::BODY_TIMEOUT));
}

#[tokio::test]
async fn an_early_answer_arrives_whole_though_the_body_is_not_read() {
    let script = Script::Events(vec![
        Ok(OriginEvent::Head(TestOrigin::head(413), false)),
        Ok(OriginEvent::Frame(Frame::last(Bytes::from_static(b"too much")))),
    ]);
    let server = Setup::new(TestOrigin::scripted([script])).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    let answer = Client2::read(answer).await.unwrap();
    assert_eq!((answer.status, &*answer.body), (413, "too much"));
    let reason = soon(std::future::poll_fn(|cx| out.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::NO_ERROR);
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = Setup::new(TestOrigin::scripted([])).http2().start().await;
    let mut client = server.connect().await;
    client.send(PREFACE).await;
    open_streams(&mut client, 0..10_000, true).await;
    let (sent, _) = client.rest_bytes().await;
    // First it is asked to go; it goes on all the same.
    let reasons = goaways(&sent);
    assert_eq!(reasons.first(), Some(&0));
    assert_eq!(reasons.last(), Some(&u32::from(Reason::ENHANCE_YOUR_CALM)));
    assert!(server.calls() <= 10 + 5 + 10 + 1, "{}", server.calls());
    // Whatever had become a call has ended as one whose client is gone.
    until(|| server.service.log.lock().len() == server.calls()).await;
    assert!(
        server.service.log.lock().iter().all(|call| call.termination.as_str() == "client_gone")
    );
}

#[tokio::test]
async fn who_gives_up_now_and_then_is_no_flood() {
    let scripts = (0..60).map(|index| match index % 2 {
        0 => Script::Hang,
        _ => Script::Events(vec![Ok(OriginEvent::Head(TestOrigin::head(204), true))]),
    });
    let server = Setup::new(TestOrigin::scripted(scripts)).http2().start().await;
    let mut client = Client2::connect(&server).await;
    for round in 0..30 {
        let (_answer, mut body) = client.send(request(Method::POST, "/"), true).await;
        until(|| server.calls() == 2 * round + 1).await;
        body.send_reset(Reason::CANCEL);
        until(|| server.service.log.lock().len() == 2 * round + 1).await;
        assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 204);
    }
}

#[tokio::test]
async fn who_does_not_hear_that_it_should_go_is_cut_off() {
    let setup = Setup::new(answers(1000, "ok")).http2();
    let server = setup.limits(|limits| limits.requests_per_connection = 3).start().await;
    let mut client = server.connect().await;
    client.send(PREFACE).await;
    open_streams(&mut client, 0..1000, false).await;
    let (sent, _) = client.rest_bytes().await;
    assert_eq!(goaways(&sent).last(), Some(&u32::from(Reason::ENHANCE_YOUR_CALM)));
    assert_eq!(server.calls(), 3 + 10);
}

/// Panics.
struct Panics;

impl Handler for Panics {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
    fn request(&self, _: &mut RequestCall<'_>) -> Verdict {
        panic!("the test's handler panics")
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_an_answer_like_any_other() {
    let server = Setup::new(answers(0, "")).step(Panics).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let answer = client.call(request(Method::GET, "/"), None).await.unwrap();
    assert_eq!(answer.status, 500);
}

#[tokio::test]
async fn a_panic_of_the_service_costs_its_stream_only() {
    let server = Setup::new(answers(1, "ok")).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let panics = request(Method::GET, PANIC);
    let error = client.call(panics, None).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
}

#[tokio::test]
async fn draining_finishes_what_runs_and_takes_nothing_new() {
    let server = Setup::new(echoes(2)).http2().start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    let answer = soon(answer).await.unwrap();
    server.begin_drain();
    // The client hears of it, and opens no further stream.
    until_refused(&mut client).await;
    out.send_data(Bytes::from_static(b"abc"), true).unwrap();
    let mut body = answer.into_body();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "abc");
    while let Some(data) = soon(body.data()).await {
        data.unwrap();
    }
    assert_eq!(server.outcome(0).await.termination.as_str(), "completed");
    soon(client.closed()).await.unwrap();
}

/// Waits until the client takes no new requests, without sending one.
async fn until_refused(client: &mut Client2) {
    soon(async {
        while std::future::poll_fn(|cx| client.sender.poll_ready(cx)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn draining_closes_what_is_idle() {
    let server = Setup::new(answers(1, "ok")).http2().start().await;
    let mut client = Client2::connect(&server).await;
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
    server.begin_drain();
    soon(client.closed()).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_told_to_go() {
    let setup = Setup::new(answers(1, "ok")).http2();
    let server = setup.limits(|limits| limits.idle_timeout = SHORT).start().await;
    let mut client = Client2::connect(&server).await;
    assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
    soon(client.closed()).await.unwrap();
}

#[tokio::test]
async fn a_connection_is_not_idle_while_a_stream_is_open() {
    let setup = Setup::new(echoes(1)).http2();
    let server = setup.limits(|limits| limits.idle_timeout = SHORT).start().await;
    let mut client = Client2::connect(&server).await;
    let (answer, mut out) = client.send(request(Method::POST, "/"), false).await;
    let mut body = soon(answer).await.unwrap().into_body();
    tokio::time::sleep(SHORT * 2).await;
    out.send_data(Bytes::from_static(b"abc"), true).unwrap();
    assert_eq!(soon(body.data()).await.unwrap().unwrap(), "abc");
}

#[tokio::test]
async fn after_so_many_requests_it_is_told_to_go() {
    let setup = Setup::new(answers(9, "ok")).http2();
    let server = setup.limits(|limits| limits.requests_per_connection = 3).start().await;
    let mut client = Client2::connect(&server).await;
    for _ in 0..3 {
        assert_eq!(client.call(request(Method::GET, "/"), None).await.unwrap().status, 200);
    }
    until_refused(&mut client).await;
    soon(client.closed()).await.unwrap();
}

#[tokio::test]
async fn who_opens_a_connection_and_says_nothing_is_closed() {
    let setup = Setup::new(answers(0, "")).http2();
    let server = setup.limits(|limits| limits.header_timeout = SHORT).start().await;
    let mut client = server.connect().await;
    client.send("PRI * HTTP/2.0\r\n").await;
    let (_, end) = client.rest_bytes().await;
    end.unwrap();
}
