//! Messages both ways.

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
