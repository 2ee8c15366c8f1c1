//! Messages both ways, and clients that take too little.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_access::Limits;
use paifang_mmtp::{
    code::CloseCode,
    session::{Event, NewMessage},
};

use crate::support::{Echo, Running, hello};

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
