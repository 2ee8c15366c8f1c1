//! Messages both ways, and clients that take too little.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_access::{Limits, NotSent, Wanted};
use paifang_mmtp::{
    code::CloseCode,
    session::{Event, NewMessage, NewRequest, Operation},
};

use crate::support::{Echo, Peer, Running, hello};

fn message(data: impl Into<Bytes>) -> NewMessage {
    NewMessage { data: data.into(), ..NewMessage::default() }
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_order_and_deliveries_are_acknowledged_when_taken() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let delivery = |data: &'static str| NewMessage { delivery: true, ..message(data) };
    peer.session.message(4, message("one")).unwrap();
    let two = peer.session.message(4, delivery("two")).unwrap();
    assert_eq!(peer.event().await, Event::Acked(two));
    peer.session.message(4, delivery("bad")).unwrap();
    // What was not taken is not acknowledged, nor is anything behind it.
    peer.session.message(4, delivery("three")).unwrap();
    let Event::Closed(closed) = peer.event().await else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::UNAVAILABLE);
    assert_eq!(*running.host.messages.lock(), [&b"one"[..], b"two", b"bad"]);
}

#[tokio::test(start_paused = true)]
async fn a_push_reaches_a_device_and_its_user() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let to = running.server.registry().of_device("a", &[1]);
    assert_eq!(running.server.push(&to, 2, &message("news")).sent, 1);
    let Event::Message(news) = peer.event().await else { panic!() };
    assert_eq!(&news.data[..], b"news");
    assert!(running.server.registry().of_device("a", &[2]).is_empty());
    assert!(running.server.registry().of_device("b", &[1]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_loses_what_may_be_dropped_first_and_then_the_connection() {
    let limits = Arc::new(Limits { push_bytes: 100_000, ..Limits::default() });
    let running = Running::new(Echo { limits, ..Echo::default() });
    let mut peer = running.connect(1024, &hello(1));
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let to = running.server.registry().of_device("a", &[1]);
    let droppable = NewMessage { droppable: true, ..message(vec![0; 30_000]) };
    for _ in 0..3 {
        assert_eq!(running.server.push(&to, 2, &droppable).dropped, 0);
        tokio::task::yield_now().await;
    }
    // The first has begun to be sent; the two behind it go.
    let pushed = running.server.push(&to, 2, &message(vec![0; 30_000]));
    assert_eq!((pushed.sent, pushed.dropped), (1, 2));
    let pushed = running.server.push(&to, 2, &message(vec![0; 90_000]));
    assert_eq!((pushed.sent, pushed.dropped), (0, 0));
    loop {
        match peer.event().await {
            Event::Closed(closed) => {
                assert_eq!(closed.closing.code, CloseCode::SLOW_READER);
                return;
            }
            Event::Message(_) | Event::Cancelled { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_at_all_is_dropped() {
    let running = Running::new(Echo::default());
    let mut peer = running.connect(256, &hello(1));
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let to = running.server.registry().of_device("a", &[1]);
    running.server.push(&to, 2, &message(vec![0; 10_000]));
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(running.server.stats().totals().open, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_push_that_fails_has_dropped_is_counted_all_the_same() {
    let limits = Arc::new(Limits { push_bytes: 100_000, ..Limits::default() });
    let running = Running::new(Echo { limits, ..Echo::default() });
    let mut peer = running.connect(1024, &hello(1));
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let to = running.server.registry().of_device("a", &[1]);
    let droppable = |length| NewMessage { droppable: true, ..message(vec![0; length]) };
    for _ in 0..3 {
        running.server.push(&to, 2, &droppable(30_000));
        tokio::task::yield_now().await;
    }
    // It has no room although two are dropped for it, and is dropped itself.
    let pushed = running.server.push(&to, 2, &droppable(99_000));
    assert_eq!((pushed.sent, pushed.dropped), (0, 3));
    assert_eq!(running.server.stats().totals().dropped, 3);
    running.server.push(&to, 2, &droppable(30_000));
    // The same where it ends the connection, and where one connection alone is meant.
    let failed = running.server.push_one(&to[0], 2, message(vec![0; 99_000]));
    assert_eq!(failed, Err(NotSent::Slow));
    assert_eq!(running.server.stats().totals().dropped, 4);
    assert_eq!(running.server.stats().totals().messages_out, 4);
}

#[tokio::test(start_paused = true)]
async fn messages_without_data_and_dropped_ones_take_room_too() {
    let running = Running::new(Echo::default());
    let mut peer = running.connect(1024, &hello(1));
    assert!(matches!(peer.event().await, Event::Welcome(_)));
    let to = running.server.registry().of_device("a", &[1]);
    // What is first waits for credit, which never comes.
    running.server.push(&to, 2, &message(vec![0; 100_000]));
    let empty = NewMessage { droppable: true, ..message("") };
    let sent: usize = (0..10_000).map(|_| running.server.push(&to, 2, &empty).sent).sum();
    assert!((100..5_000).contains(&sent), "{sent}");
    let totals = running.server.stats().totals();
    assert_eq!(totals.dropped as usize, 10_000, "those that were sent were dropped for others");
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_leave_messages_their_room() {
    let limits = Arc::new(Limits { push_bytes: 100_000, ..Limits::default() });
    let running = Running::new(Echo { limits, ..Echo::default() });
    let mut peer = running.greeted().await;
    // Their credit is used up, and some of them waits.
    for _ in 0..8 {
        peer.session.request(NewRequest::new(Operation::Name("halves"), Bytes::new())).unwrap();
    }
    peer.flush().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let to = running.server.registry().of_device("a", &[1]);
    assert!(
        running.server.registry().find(&Wanted { limit: 1, ..Wanted::default() }).connections[0]
            .queued
            > 100_000
    );
    assert_eq!(running.server.push(&to, 2, &message(vec![0; 50_000])).sent, 1);
}

/// The code of the CLOSE that comes within a minute to a client that beats, and gives back so much credit now and then.
async fn ends(peer: &mut Peer, gives: u32) -> Option<CloseCode> {
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        peer.session.handle_timeout(peer.now());
        match peer.event_within(Duration::from_secs(20)).await {
            Some(Event::Closed(closed)) => return Some(closed.closing.code),
            None if gives > 0 => peer.session.consumed(2, gives),
            _ => {}
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_no_credit_loses_the_connection_and_one_that_gives_some_does_not() {
    let running = Running::new(Echo::default());
    let mut peer = running.greeted().await;
    let to = running.server.registry().of_device("a", &[1]);
    // Each is a frame.
    for _ in 0..60 {
        assert_eq!(running.server.push(&to, 2, &message(vec![0; 4_000])).sent, 1);
    }
    // It reads, it beats, and takes nothing beyond its first window.
    assert_eq!(ends(&mut peer, 40_000).await, None);
    assert_eq!(ends(&mut peer, 0).await, Some(CloseCode::SLOW_READER));
}
