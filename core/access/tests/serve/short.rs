//! The short form: a conversation that ends with its answers.

use std::time::Duration;

use bytes::Bytes;
use paifang_access::Form;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Hello},
    session::{ClosedBy, Event, NewMessage, NewRequest, Operation},
};
use tokio::io::AsyncWriteExt;

use crate::support::{Echo, Peer, Running, hello};

fn call(name: &str) -> NewRequest<'_> {
    NewRequest::new(Operation::Name(name), Bytes::from_static(b"hi"))
}

/// Sends what the machine has, and then nothing more.
async fn ends(peer: &mut Peer) {
    peer.flush().await;
    peer.stream.shutdown().await.unwrap();
}

/// The code of the server's CLOSE.
async fn closed(peer: &mut Peer) -> CloseCode {
    let Event::Closed(closed) = peer.event().await else { panic!("no end") };
    assert_eq!(closed.by, ClosedBy::Peer);
    closed.closing.code
}

#[tokio::test(start_paused = true)]
async fn all_is_answered_and_then_it_ends() {
    let running = Running::new(Echo::default());
    let auth = Auth { scheme: "Bearer".into(), credential: b"ann".as_slice().into() };
    let hello = Hello { auth: Some(auth), epoch: 1, ..hello(1) };
    let mut peer = running.converse(&hello);
    peer.session.request(call("wait")).unwrap();
    peer.session.request(call("echo")).unwrap();
    peer.session
        .message(4, NewMessage { data: "log".into(), delivery: true, ..NewMessage::default() });
    ends(&mut peer).await;
    let Event::Welcome(welcome) = peer.event().await else { panic!() };
    assert_eq!((welcome.user.as_deref(), welcome.heartbeat), (Some("ann"), None));
    let mut acked = false;
    let mut answered = 0;
    while answered < 1 || !acked {
        match peer.event().await {
            Event::Acked(_) => acked = true,
            Event::Response(answer) => {
                assert_eq!(answer.key.sequence, 2);
                answered += u32::from(answer.end);
            }
            Event::Data { end, .. } => answered += u32::from(end),
            other => panic!("{other:?}"),
        }
    }
    // The slow call holds the end, however long it takes.
    assert!(peer.event_within(Duration::from_secs(3600)).await.is_none());
    // It is nobody's connection: nothing can be pushed over it.
    assert_eq!(running.server.registry().of_device("a", &[1]).len(), 0);
    assert_eq!(running.server.registry().of_user("a", "ann").len(), 0);
    running.host.go.notify_one();
    assert_eq!(peer.answer().await, (200, b"hi!".to_vec()));
    assert_eq!(closed(&mut peer).await, CloseCode::DONE);
    let post = running.server.stats().form(Form::Post);
    assert_eq!((post.opened, post.calls), (1, 2));
    assert_eq!(running.server.stats().form(Form::Long).opened, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_whole_is_broken_off_and_the_others_are_answered() {
    let running = Running::new(Echo::default());
    let mut peer = running.converse(&hello(1));
    let half = peer.session.request(NewRequest { end: false, ..call("echo") }).unwrap();
    peer.session.request(call("echo")).unwrap();
    ends(&mut peer).await;
    let mut cancelled = None;
    let mut answered = false;
    let code = loop {
        match peer.event().await {
            Event::Welcome(_) => {}
            Event::Cancelled { key, .. } => cancelled = Some(key),
            Event::Response(answer) => answered |= answer.end && answer.key != half,
            Event::Data { key, end, .. } => answered |= end && key != half,
            Event::Closed(closed) => break closed.closing.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((cancelled, answered, code), (Some(half), true, CloseCode::DONE));
}

#[tokio::test(start_paused = true)]
async fn ends_that_come_too_early_are_malformed() {
    let running = Running::new(Echo::default());
    let mut peer = running.converse(&hello(1));
    peer.stream.shutdown().await.unwrap();
    assert_eq!(closed(&mut peer).await, CloseCode::MALFORMED);
    let mut peer = running.converse(&hello(1));
    peer.flush().await;
    peer.stream.write_all(&[0x28, 0x05, 1]).await.unwrap();
    peer.stream.shutdown().await.unwrap();
    loop {
        match peer.event().await {
            Event::Welcome(_) => {}
            Event::Closed(closed) => {
                assert_eq!(closed.closing.code, CloseCode::MALFORMED);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_connection_of_the_device_stays() {
    let running = Running::new(Echo::default());
    let mut long = running.greeted().await;
    let mut short = running.converse(&hello(1));
    short.session.request(call("echo")).unwrap();
    ends(&mut short).await;
    assert!(matches!(short.event().await, Event::Welcome(_)));
    assert_eq!(short.answer().await, (200, b"hi!".to_vec()));
    assert_eq!(closed(&mut short).await, CloseCode::DONE);
    assert!(long.event_within(Duration::from_secs(5)).await.is_none());
    assert_eq!(running.server.registry().of_device("a", &[1]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_windows_is_broken_off() {
    let running = Running::new(Echo::default());
    let mut peer = running.converse(&hello(1));
    // 60,000 and a message that waits behind it: more than the window that the client has given, and it can give no more.
    for _ in 0..2 {
        peer.session.request(call("halves")).unwrap();
    }
    peer.session.request(call("echo")).unwrap();
    ends(&mut peer).await;
    running.host.go.notify_one();
    let code = loop {
        match peer.event().await {
            Event::Closed(closed) => break closed.closing.code,
            _ => running.host.go.notify_one(),
        }
    };
    assert_eq!(code, CloseCode::SLOW_READER);
    assert_eq!(running.server.stats().form(Form::Post).open, 0);
}
