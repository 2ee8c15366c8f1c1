//! Clients that go away at each stage of a call: the account says so, and the origin is told.

use super::support::{Client, Server, Setup, answers, until, with_length};
use bytes::Bytes;
use paifang_pipeline::{
    Frame, Handler, OriginEvent, RequestCall, Stages, Verdict,
    testkit::{Script, TestOrigin},
};
use std::{future::pending, pin::Pin};

/// Both ways to go: in order, and by a reset.
#[derive(Clone, Copy, Debug)]
enum Way {
    End,
    Reset,
}

impl Way {
    const BOTH: [Self; 2] = [Self::End, Self::Reset];

    fn go(self, client: Client) {
        match self {
            Self::End => drop(client),
            Self::Reset => client.reset(),
        }
    }
}

async fn is_gone(server: &Server, way: Way) {
    let outcome = server.outcome(0).await;
    assert_eq!(outcome.termination.as_str(), "client_gone", "{way:?}");
}

#[tokio::test]
async fn before_and_inside_a_head_there_is_no_call() {
    for way in Way::BOTH {
        for text in ["", "GET / HTTP/1.1\r\nHo"] {
            let server = Setup::new(answers(1, "ok")).start().await;
            let mut client = server.connect().await;
            client.send(text).await;
            way.go(client);
            let mut next = server.connect().await;
            assert_eq!(next.get("/").await.status, 200);
            assert_eq!((server.calls(), server.service.refused.lock().len()), (1, 0));
        }
    }
}

/// Waits for ever.
struct Waits;

impl Handler for Waits {
    fn stages(&self) -> Stages {
        Stages::REQUEST
    }
    fn request(&self, _: &mut RequestCall<'_>) -> Verdict {
        Verdict::Wait(Box::pin(pending()) as Pin<Box<_>>)
    }
}

#[tokio::test]
async fn while_a_handler_waits() {
    for way in Way::BOTH {
        let server = Setup::new(answers(0, "")).step(Waits).start().await;
        let mut client = server.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        until(|| server.calls() == 1).await;
        way.go(client);
        is_gone(&server, way).await;
    }
}

#[tokio::test]
async fn while_connecting_to_the_origin() {
    for way in Way::BOTH {
        let server = Setup::new(TestOrigin::scripted([Script::Hang])).start().await;
        let mut client = server.connect().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        until(|| server.calls() == 1).await;
        way.go(client);
        is_gone(&server, way).await;
    }
}

#[tokio::test]
async fn inside_its_body() {
    for way in Way::BOTH {
        for request in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
        ] {
            let server = Setup::new(answers(1, "ok")).start().await;
            let mut client = server.connect().await;
            client.send(request).await;
            until(|| server.service.origin.requests() == 1).await;
            way.go(client);
            is_gone(&server, way).await;
            assert_ne!(server.service.origin.request(0).complete, Some(true));
        }
    }
}

#[tokio::test]
async fn before_the_answer_and_inside_it() {
    let head = || OriginEvent::Head(with_length(200, 9), false);
    let piece = || OriginEvent::Frame(Frame::data(Bytes::from_static(b"abc")));
    for way in Way::BOTH {
        for (events, wait_for_head) in
            [(vec![], false), (vec![Ok(head())], true), (vec![Ok(head()), Ok(piece())], true)]
        {
            let server = Setup::new(TestOrigin::scripted([Script::Events(events)])).start().await;
            let mut client = server.connect().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            match wait_for_head {
                true => assert_eq!(client.head().await.status, 200),
                false => until(|| server.service.origin.requests() == 1).await,
            }
            way.go(client);
            is_gone(&server, way).await;
            assert_ne!(server.service.origin.request(0).complete, Some(true));
        }
    }
}
