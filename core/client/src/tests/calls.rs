//! Calls over one connection.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;

use super::{FIRST, builder, connected, ms, network, server::Server, until};
use crate::{
    CallHead, Error, Intercept, ResponseHead, State, body,
    simnet::{Profile, SimNet},
};

#[tokio::test(start_paused = true)]
async fn a_call_and_its_answer() {
    let (net, server) = network();
    let client = connected(&net).await;
    let begun = Instant::now();
    let answer = client.call("echo").body("hello").send().await.unwrap();
    assert_eq!(begun.elapsed(), ms(40), "one round trip");
    assert_eq!((answer.status(), &answer.body()[..]), (200, &b"hello"[..]));
    assert_eq!(answer.field("x-name"), Some(&b"echo"[..]));
    assert_eq!((answer.head().error(), answer.head().attempts()), (None, 1));
    let seen = &server.calls()[0];
    assert_eq!((answer.head().call_id(), seen.deadline_ms), (seen.id, Some(30_000)));

    let answer = client.request("GET", "/a?b=1").send().await.unwrap();
    assert_eq!(answer.field("x-name"), Some(&b"GET /a?b=1"[..]));
    let answer = client.call("missing").send().await.unwrap();
    assert_eq!((answer.status(), answer.head().error()), (404, Some(1101)));
    assert_eq!(answer.head().after(), Some(ms(300)));
}

#[tokio::test(start_paused = true)]
async fn fields_params_and_query_come_through() {
    let (net, _server) = network();
    let client = builder().field("User-Agent", "wallet/1").build(net).unwrap();
    let call = client.call("fields").field("X-One", "1").param("shop", "7").query("q=%20");
    let answer = call.send().await.unwrap();
    assert_eq!(&answer.body()[..], b"x-one: 1\nq=%20");
    for (call, about) in [
        (client.call("echo").field("bad name", ""), "a name"),
        (client.call("echo").field("x", "a\r\nb: c"), "a value"),
        (client.call(""), "no operation"),
        (client.request("GET", "/").query("a"), "a query twice"),
        (client.call("echo").channel(2), "no call channel"),
        (client.call("echo").field("x", vec![b'a'; 9000]), "too much"),
    ] {
        assert!(matches!(call.send().await, Err(Error::Invalid(_))), "{about}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_call_goes_with_hello() {
    let net = SimNet::new(Profile::latency(ms(100)), 7);
    let server = Server::default();
    server.serve(&net, FIRST);
    let client = builder().build(net).unwrap();
    let begun = Instant::now();
    client.call("echo").send().await.unwrap();
    // TCP's round trip, and one for HELLO and call together.
    assert_eq!(begun.elapsed(), ms(400));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_passes_and_the_server_is_told() {
    let (net, server) = network();
    let client = connected(&net).await;
    let begun = Instant::now();
    let failed = client.call("never").deadline(ms(700)).send().await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(700));
    let id = server.calls()[0].id;
    assert_eq!(failed, Error::Deadline { call_id: Some(id) });
    until(|| server.cancelled().len() == 1).await;
    // The connection is as good as before.
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    assert_eq!(server.hellos().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_cancels_the_call() {
    let (net, server) = network();
    let client = connected(&net).await;
    let call = tokio::time::timeout(ms(100), client.call("never").send());
    assert!(call.await.is_err());
    until(|| server.cancelled().len() == 1).await;
    // An answer whose body nobody wants.
    let (head, body) = client.call("large").body("10000000").open().await.unwrap();
    assert_eq!(head.status(), 200);
    drop(body);
    until(|| server.cancelled().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_server_breaks_off() {
    let (net, _server) = network();
    let client = connected(&net).await;
    let failed = client.call("broken").send().await.unwrap_err();
    assert_eq!(failed, Error::Cancelled(crate::CancelCode::BROKEN));
}

#[tokio::test(start_paused = true)]
async fn large_bodies_both_ways() {
    let (net, _server) = network();
    let client = connected(&net).await;
    let large = vec![b'u'; 3_000_000];
    let answer = client.call("echo").body(large.clone()).send().await.unwrap();
    assert!(answer.body()[..] == large[..]);
    let call = client.call("large").body("3000000").limit(1_000_000);
    assert_eq!(call.send().await.unwrap_err(), Error::TooLarge(1_000_000));
    // A body that nobody takes stops at its channel's credit, and other calls go on.
    let (_, mut body) = client.call("large").body("3000000").open().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut taken = 0;
    while let Some(chunk) = body.chunk().await.unwrap() {
        taken += chunk.len();
    }
    assert_eq!(taken, 3_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_waits_for_room() {
    let (net, server) = network();
    let client = connected(&net).await;
    let (sender, stream) = body::channel();
    let call = tokio::spawn(client.call("echo").body_stream(stream).send());
    for piece in 0..100u8 {
        sender.send(vec![piece; 10_000]).await.unwrap();
    }
    sender.finish().await.unwrap();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.body().len(), 1_000_000);
    let pieces = answer.body().chunks(10_000);
    assert!((0..100u8).zip(pieces).all(|(number, piece)| piece == vec![number; 10_000]));

    // A sender that goes away breaks the call off.
    let (sender, stream) = body::channel();
    let call = tokio::spawn(client.call("echo").body_stream(stream).send());
    sender.send("half").await.unwrap();
    until(|| server.calls().len() == 2).await;
    drop(sender);
    until(|| server.cancelled().len() == 1).await;
    assert_eq!(call.await.unwrap().unwrap_err(), Error::BodyDropped);
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_server_takes_wait() {
    let (net, server) = network();
    let client = connected(&net).await;
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..64 {
        stuck.spawn(client.call("never").send());
    }
    until(|| server.calls().len() == 64).await;
    let waits = tokio::spawn(client.call("echo").send());
    tokio::time::sleep(ms(500)).await;
    assert_eq!(server.calls().len(), 64, "one more waits here");
    stuck.abort_all();
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_has_so_many_calls_and_no_more() {
    let (net, _server) = network();
    let client = builder().max_calls(1).build(net).unwrap();
    let stuck = tokio::spawn(client.call("never").send());
    tokio::time::sleep(ms(200)).await;
    assert_eq!(client.call("echo").send().await.unwrap_err(), Error::Busy);
    stuck.abort();
    assert!(stuck.await.is_err());
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_closes_its_connection() {
    let (net, server) = network();
    let client = connected(&net).await;
    let other = client.clone();
    let stuck = tokio::spawn(client.call("never").send());
    until(|| server.calls().len() == 1).await;
    other.close();
    assert!(stuck.await.unwrap().is_err());
    assert_eq!(other.call("echo").send().await.unwrap_err(), Error::Closed);
    until(|| other.state() == State::Closed).await;
    until(|| net.links().is_empty()).await;
}

/// Adds to a field of each call, and notes what came of it.
struct Noting(&'static str, Arc<Mutex<Vec<String>>>);

impl Intercept for Noting {
    fn before(&self, call: &mut CallHead<'_>) {
        let before = call.fields().find(|(name, _)| *name == "x-seen");
        let before =
            before.map_or(String::new(), |(_, value)| String::from_utf8_lossy(value).into());
        call.set_field("X-Seen", format!("{before}{}", self.0));
    }

    fn after(&self, call: &CallHead<'_>, outcome: Result<&ResponseHead, &Error>, took: Duration) {
        let outcome = outcome.map_or_else(ToString::to_string, |head| head.status().to_string());
        let what = call.operation().or(call.target().map(|(_, path)| path)).unwrap();
        let line = format!("{} {what} {outcome} {}", self.0, took.as_millis());
        self.1.lock().unwrap().push(line);
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_each_call_and_its_outcome() {
    let (net, _server) = network();
    let notes = Arc::<Mutex<Vec<String>>>::default();
    let builder = builder().intercept(Noting("a", notes.clone()));
    let client = builder.intercept(Noting("b", notes.clone())).build(net).unwrap();
    super::here(&client).await;
    let answer = client.call("fields").field("x-seen", "0").send().await.unwrap();
    assert_eq!(&answer.body()[..], b"x-seen: 0ab\n");
    client.request("GET", "/x").send().await.unwrap();
    assert!(client.call("never").deadline(ms(100)).send().await.is_err());
    assert_eq!(
        *notes.lock().unwrap(),
        [
            "b fields 200 40",
            "a fields 200 40",
            "b /x 200 40",
            "a /x 200 40",
            "b never the deadline has passed after the call was sent 100",
            "a never the deadline has passed after the call was sent 100",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_on_gives_its_credit_back() {
    let (net, server) = network();
    let client = connected(&net).await;
    for dropped in 1..5 {
        let (_, body) = client.call("large").body("3000000").open().await.unwrap();
        // All that the channel's credit allows waits here.
        tokio::time::sleep(ms(1000)).await;
        drop(body);
        until(|| server.cancelled().len() == dropped).await;
        let answer = client.call("large").body("200000").deadline(ms(5000)).send().await;
        assert_eq!(answer.map(|answer| answer.body().len()), Ok(200_000), "after {dropped}");
    }
    // One that its deadline ends, and one whose head has come and was not taken.
    let call = client.call("large").body("3000000").deadline(ms(2000));
    let (_, mut body) = call.open().await.unwrap();
    tokio::time::sleep(ms(2500)).await;
    while let Ok(Some(_)) = body.chunk().await {}
    for _ in 0..20 {
        let mut call = Box::pin(client.call("large").body("3000000").send());
        assert!(polled_once(call.as_mut()).await.is_none());
        tokio::time::sleep(ms(500)).await;
    }
    let answer = client.call("large").body("200000").deadline(ms(5000)).send().await;
    assert_eq!(answer.map(|answer| answer.body().len()), Ok(200_000));
}

/// Polls a future once.
async fn polled_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut future = Some(future);
    poll_fn(|cx| match future.take().map(|future| future.poll(cx)) {
        Some(Poll::Ready(output)) => Poll::Ready(Some(output)),
        _ => Poll::Ready(None),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_that_waited_for_its_turn_goes_on() {
    let (net, server) = network();
    let client = connected(&net).await;
    let mut stuck = tokio::task::JoinSet::new();
    for _ in 0..64 {
        stuck.spawn(client.call("never").send());
    }
    until(|| server.calls().len() == 64).await;
    let (sender, stream) = body::channel();
    let call = tokio::spawn(client.call("echo").body_stream(stream).send());
    let sends = tokio::spawn(async move {
        for _ in 0..100 {
            sender.send(vec![b'p'; 10_000]).await.unwrap();
        }
        sender.finish().await.unwrap();
    });
    // Its budget is full before the server has room for it.
    tokio::time::sleep(ms(1000)).await;
    stuck.abort_all();
    let answer = call.await.unwrap().unwrap();
    assert_eq!(answer.body().len(), 1_000_000);
    sends.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_for_credit_tells_what_is_left_then() {
    let (net, server) = network();
    let client = connected(&net).await;
    // The server takes nothing of the first one, which has all of the channel's credit.
    server.keep_credit(true);
    let large = tokio::spawn(client.call("never").body(vec![b'x'; 100_000]).send());
    tokio::time::sleep(ms(100)).await;
    let waits = tokio::spawn(client.call("echo").deadline(ms(9000)).body("x").send());
    tokio::time::sleep(ms(4000)).await;
    server.keep_credit(false);
    assert_eq!(waits.await.unwrap().unwrap().body(), "x");
    let left = server.calls()[1].deadline_ms.unwrap();
    assert!((4900..=5000).contains(&left), "{left}");
    large.abort();
}
