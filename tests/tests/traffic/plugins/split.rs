//! `split`: calls go where their caller belongs, on every door, over reloads and retries.

use super::super::conformance::Door;
use paifang_tests::harness::{Ask, Client, Recorder, Running, Server, refused_address, soon};
use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};
use tokio::sync::Notify;

/// The API `all` with the upstream `one`, beside it `two` at these addresses, and these steps.
fn config(one: SocketAddr, two: &[SocketAddr], steps: &str) -> String {
    let two = two.iter().map(|address| format!("{{ address: \"{address}\" }}"));
    format!(
        "version: 1\n\
         listeners:\n  - {{ name: public, address: \"127.0.0.1:0\" }}\n\
         upstreams:\n\
         \x20 one: {{ endpoints: [ {{ address: \"{one}\" }} ] }}\n\
         \x20 two: {{ endpoints: [ {} ] }}\n\
         apis:\n  - {{ id: all, match: {{ path_prefix: / }}, handlers: {steps}, upstream: one }}\n",
        two.collect::<Vec<_>>().join(", ")
    )
}

const BY_DEVICE: &str = "[ split: { by: { header: x-device }, pin: x-variant, tell: x-told, \
    to: [ { upstream: two, share: SHARE, name: new, headers: { x-by: split } } ] } ]";

fn by_device(share: &str) -> String {
    BY_DEVICE.replace("SHARE", share)
}

#[tokio::test]
async fn callers_keep_their_variant_on_every_door_and_while_the_share_grows() {
    let (one, two) = (Recorder::start().await, Recorder::start().await);
    let config = |share: &str| config(one.address(), &[two.address()], &by_device(share));
    let running = Running::start(config("30%")).await;
    let members = async || {
        let mut new = BTreeSet::new();
        for id in 0..40 {
            let mut told = BTreeSet::new();
            for door in Door::ALL {
                let (before, ask) = (two.count(), Ask::new("GET", "/"));
                let ask = ask.field("x-device", id.to_string()).field("x-by", "forged");
                let reply = door.ask(running.address(), &ask).await;
                assert_eq!(reply.status, 200, "{door:?}");
                let went = two.count() > before;
                assert_eq!(reply.header("x-told"), if went { "new" } else { "rest" }, "{door:?}");
                let by =
                    if went { two.last() } else { one.last() }.header("x-by").map(str::to_owned);
                assert_eq!(by.as_deref(), went.then_some("split"));
                told.insert(went);
            }
            assert_eq!(told.len(), 1, "the doors disagree about {id}");
            new.extend(told.contains(&true).then_some(id));
        }
        new
    };
    let few = members().await;
    assert!((1..40).contains(&few.len()), "{few:?}");
    running.reload(config("70%")).await.unwrap();
    let more = members().await;
    assert!(few.is_subset(&more) && few.len() < more.len(), "{few:?} {more:?}");
    // Back again, and the same few have it.
    running.reload(config("30%")).await.unwrap();
    assert_eq!(members().await, few);
    running.stop().await;
}

#[tokio::test]
async fn a_caller_may_ask_for_a_variant_that_has_no_share() {
    let (one, two) = (Recorder::start().await, Recorder::start().await);
    let running = Running::start(config(one.address(), &[two.address()], &by_device("0%"))).await;
    let mut client = running.connect().await;
    for (asked, wanted) in [("new", "new"), ("rest", "rest"), ("newer", "rest"), ("", "rest")] {
        let request =
            format!("GET / HTTP/1.1\r\nhost: a\r\nx-device: a\r\nx-variant: {asked}\r\n\r\n");
        assert_eq!(client.ask(request).await.header("x-told"), Some(wanted), "{asked}");
    }
    assert_eq!((one.count(), two.count()), (3, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_retry_stays_with_the_upstream_that_was_chosen() {
    let (one, two) = (Recorder::start().await, Recorder::start().await);
    let (away, _held) = refused_address();
    let steps = by_device("100%");
    let running = Running::start(config(one.address(), &[away, two.address()], &steps)).await;
    let mut client = running.connect().await;
    for _ in 0..8 {
        let answer = client.ask("GET / HTTP/1.1\r\nhost: a\r\nx-device: a\r\n\r\n").await;
        assert_eq!((answer.status(), answer.header("x-told")), (200, Some("new")));
    }
    assert_eq!((one.count(), two.count()), (0, 8));
    running.stop().await;

    // With nobody left there, the answer is an error: never the other upstream's.
    let running = Running::start(config(one.address(), &[away], &steps)).await;
    let mut client = running.connect().await;
    let answer = client.ask("GET / HTTP/1.1\r\nhost: a\r\nx-device: a\r\n\r\n").await;
    assert_eq!((answer.status(), answer.code()), (502, "PF-4001".to_owned()));
    assert_eq!(one.count(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_call_in_flight_keeps_its_upstream_over_a_reload_that_takes_it_away() {
    let one = Recorder::start().await;
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (came, wait) = (arrived.clone(), go.clone());
    let two = Server::start(move |_, mut client: Client| {
        let (came, wait) = (came.clone(), wait.clone());
        async move {
            while client.request().await.is_some() {
                came.notify_one();
                wait.notified().await;
                client.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo").await;
            }
        }
    })
    .await;
    let running = Running::start(config(one.address(), &[two.address], &by_device("100%"))).await;
    let mut client = running.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: a\r\nx-device: a\r\n\r\n").await;
    soon(arrived.notified()).await;
    let without = config(one.address(), &[one.address()], "[]").replace("two:", "three:");
    running.reload(without).await.unwrap();
    go.notify_one();
    assert_eq!(client.answer().await.text(), "two");
    assert_eq!(client.get("/").await.text(), "upstream");
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_refuses_the_release() {
    let one = Recorder::start().await;
    let fine = config(one.address(), &[one.address()], &by_device("1%"));
    let running = Running::start(fine.clone()).await;
    let refused = running.reload(fine.replace("two:", "three:")).await.unwrap_err();
    let told = refused.details().unwrap_or_default();
    assert!(told.contains("there is no upstream `two`"), "{told}");
    assert_eq!(running.connect().await.get("/").await.status(), 200);
    running.stop().await;
}
