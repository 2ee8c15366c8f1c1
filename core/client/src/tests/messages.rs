//! Messages both ways.

use bytes::Bytes;
use paifang_mmtp::{
    code::CloseCode,
    greeting::Closing,
    session::{Key, NewMessage},
};

use super::{connected, here, ms, network, until};
use crate::Error;

fn delivery(data: &'static str) -> NewMessage {
    NewMessage { delivery: true, data: data.into(), ..NewMessage::default() }
}

#[tokio::test(start_paused = true)]
async fn push_comes_and_is_acknowledged() {
    let (net, server) = network();
    let client = connected(&net).await;
    let mut push = client.messages(2).unwrap();
    server.order(0, |session| {
        session.message(2, delivery("one"));
        session.message(2, delivery("two"));
    });
    let one = push.next().await.unwrap();
    assert_eq!((&one.data[..], one.delivery, one.channel), (&b"one"[..], true, 2));
    one.acknowledge();
    until(|| server.acked() == [Key { channel: 2, sequence: 1 }]).await;
    let two = push.next().await.unwrap();
    two.acknowledge();
    until(|| server.acked().len() == 2).await;
    client.close();
    assert!(push.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_holds_up_its_own_channel_only() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| {
        for _ in 0..100 {
            let data = vec![b'm'; 10_000].into();
            session.message(8, NewMessage { delivery: true, data, ..NewMessage::default() });
        }
        session.message(9, delivery("other"));
    });
    let mut other = client.messages(9).unwrap();
    assert_eq!(&other.next().await.unwrap().data[..], b"other");
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    let mut slow = client.messages(8).unwrap();
    for _ in 0..100 {
        assert_eq!(slow.next().await.unwrap().data.len(), 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_of_a_lost_connection_are_not_handed_on_twice() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| {
        session.message(2, delivery("first"));
    });
    tokio::time::sleep(ms(100)).await;
    server.order(0, |session| session.close(Closing::new(CloseCode::DRAINING)));
    until(|| server.hellos().len() == 2).await;
    here(&client).await;
    server.order(1, |session| {
        session.message(2, delivery("first, again"));
    });
    tokio::time::sleep(ms(100)).await;
    let mut push = client.messages(2).unwrap();
    assert_eq!(&push.next().await.unwrap().data[..], b"first, again");
    assert!(tokio::time::timeout(ms(1000), push.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn messages_to_the_server() {
    let (net, server) = network();
    let client = connected(&net).await;
    client.message(4, "log").unwrap();
    client.deliver(3, "sync").await.unwrap();
    assert_eq!(server.messages().len(), 2);
    assert!(matches!(client.message(1, ""), Err(Error::Invalid(_))));
    assert!(matches!(client.messages(5), Err(Error::Invalid(_))));
    net.stall(crate::simnet::Way::Down);
    let client_of = client.clone();
    let lost = tokio::spawn(async move { client_of.deliver(3, "lost").await });
    tokio::time::sleep(ms(500)).await;
    net.cut();
    assert_eq!(lost.await.unwrap(), Err(Error::NotAcknowledged));
}

#[tokio::test(start_paused = true)]
async fn large_messages_that_nobody_takes_hold_up_their_channel() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| {
        for number in 0..40_u8 {
            let data = vec![number; 1_000_000].into();
            session.message(8, NewMessage { delivery: true, data, ..NewMessage::default() });
        }
    });
    tokio::time::sleep(ms(60_000)).await;
    let (said, queued) = std::sync::mpsc::channel();
    server.order(0, move |session| said.send(session.queued(None)).unwrap());
    until_some(|| queued.try_recv().ok(), |queued| assert!(queued > 30_000_000, "{queued}")).await;
    let mut slow = client.messages(8).unwrap();
    for number in 0..40_u8 {
        let message = slow.next().await.unwrap();
        assert_eq!((message.data.len(), message.data[0]), (1_000_000, number));
    }
    assert_eq!(server.hellos().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn small_deliveries_are_never_left_out_and_plain_messages_are_the_oldest_first() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| {
        for number in 0..20_000_u32 {
            let data = Bytes::copy_from_slice(&number.to_be_bytes());
            session.message(8, NewMessage { delivery: true, data, ..NewMessage::default() });
        }
        for number in 0..20_000_u32 {
            let mut data = vec![0; 20];
            data[..4].copy_from_slice(&number.to_be_bytes());
            session.message(9, NewMessage { data: data.into(), ..NewMessage::default() });
        }
    });
    tokio::time::sleep(ms(60_000)).await;
    let number = |data: &[u8]| u32::from_be_bytes(data[..4].try_into().unwrap());
    let mut deliveries = client.messages(8).unwrap();
    for expected in 0..20_000 {
        assert_eq!(number(&deliveries.next().await.unwrap().data), expected);
    }
    // What was dropped has given its credit back, or the last ones had not come.
    let mut plain = client.messages(9).unwrap();
    for expected in 20_000 - 1_024..20_000 {
        assert_eq!(number(&plain.next().await.unwrap().data), expected);
    }
    assert_eq!(server.hellos().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_delivers_without_end_to_who_does_not_read_is_left() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| {
        for _ in 0..100_000 {
            // Without data they cost no credit.
            session.message(8, delivery(""));
        }
    });
    until(|| server.hellos().len() == 2).await;
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_sent_are_refused_before_they_are_many() {
    let (net, server) = network();
    let client = connected(&net).await;
    let large = vec![0; (1 << 20) + 1];
    assert!(matches!(client.message(4, large.clone()), Err(Error::Invalid(_))));
    assert!(matches!(client.deliver(4, large).await, Err(Error::Invalid(_))));
    net.stall(crate::simnet::Way::Up);
    let sent = (0..100_000).take_while(|_| client.message(4, "log").is_ok()).count();
    assert!((10_000..20_000).contains(&sent), "{sent}");
    assert_eq!(client.message(4, ""), Err(Error::Busy));
    net.cut();
    until(|| server.hellos().len() == 2).await;
    here(&client).await;
    client.deliver(3, "sync").await.unwrap();
    assert_eq!(client.message(4, "log"), Ok(()));
}

/// Waits for something, and looks at it.
async fn until_some<T>(mut some: impl FnMut() -> Option<T>, look: impl FnOnce(T)) {
    for _ in 0..1000 {
        if let Some(found) = some() {
            return look(found);
        }
        tokio::time::sleep(ms(10)).await;
    }
    panic!("it does not come");
}
