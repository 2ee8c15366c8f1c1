//! Connections that end, and what follows.

use std::time::Duration;

use paifang_mmtp::{
    code::{CancelCode, CloseCode},
    greeting::{Closing, Welcome, proof_text},
    session::Key,
};
use ring::signature::{ED25519, UnparsedPublicKey};
use tokio::time::Instant;

use super::{FIRST, SECOND, Server, at, builder, connected, here, ms, network, until};
use crate::{
    DeviceIdentity, Error, State,
    simnet::{Answer, Profile, SimNet, Way},
};

#[tokio::test(start_paused = true)]
async fn a_lost_connection_comes_back() {
    let (net, server) = network();
    let client = connected(&net).await;
    let safe = tokio::spawn(client.call("never").idempotent(true).deadline(ms(5000)).send());
    let unsafe_call = tokio::spawn(client.call("never").send());
    until(|| server.calls().len() == 2).await;
    net.cut();
    let id = server.calls()[1].id;
    assert_eq!(unsafe_call.await.unwrap().unwrap_err(), Error::UnknownOutcome { call_id: id });
    // The one that does no harm goes once more, under its first name.
    until(|| server.calls().len() == 3).await;
    let calls = server.calls();
    assert_eq!((calls[2].id, calls[2].attempt, calls[2].connection), (calls[0].id, 2, 1));
    assert!(matches!(safe.await.unwrap(), Err(Error::Deadline { call_id: Some(_) })));
    assert_ne!(server.hellos()[0].nonce, server.hellos()[1].nonce);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_connection_as_long_as_they_may() {
    let (net, _server) = network();
    net.offline();
    let client = builder().build(net.clone()).unwrap();
    let failed = client.call("echo").deadline(ms(3000)).send().await.unwrap_err();
    let Error::NotConnected(why) = failed else { panic!("{failed}") };
    assert!(why.contains(FIRST), "{why}");
    let waits = tokio::spawn(client.call("echo").send());
    tokio::time::sleep(ms(1000)).await;
    net.restore();
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_own_wait_doubles_and_a_server_is_not_asked_in_step() {
    let (net, _server) = network();
    net.answer(at(FIRST), Answer::Refuse);
    let client = builder().backoff(ms(1000), ms(8000)).build(net).unwrap();
    let mut states = client.states();
    let mut waits = Vec::new();
    while waits.len() < 40 {
        states.changed().await.unwrap();
        if let State::Waiting { until, .. } = &*states.borrow_and_update() {
            waits.push(until.duration_since(Instant::now()));
        }
    }
    let bound = |index: usize| ms((1000 << (index + 1).min(10)).min(8000));
    assert!(waits.iter().enumerate().all(|(index, wait)| *wait <= bound(index)), "{waits:?}");
    // The chance that none of 40 is above half of its bound is below 1e-11.
    assert!(waits.iter().any(|wait| *wait > ms(4000)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait < ms(4000)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn goaway_goes_over_without_a_break() {
    let (net, server) = network();
    let client = connected(&net).await;
    let slow = tokio::spawn(client.call("never").deadline(ms(20_000)).send());
    until(|| server.calls().len() == 1).await;
    let going = Closing { after: 1000, ..Closing::new(CloseCode::DRAINING) };
    server.order(0, move |session| session.goaway(going));
    let begun = Instant::now();
    until(|| server.hellos().len() == 2).await;
    assert!(begun.elapsed() >= ms(1000), "AFTER is kept: {:?}", begun.elapsed());
    until(|| matches!(client.state(), State::Connected(now) if now.serial == 2)).await;
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    assert_eq!(server.calls().last().unwrap().connection, 1);
    // The old one lives as long as its call does.
    assert_eq!(net.links().len(), 2);
    slow.abort();
    until(|| net.links().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_goaway_has_not_looked_at_is_made_again() {
    let (net, server) = network();
    let client = connected(&net).await;
    // The server says GOAWAY while the call, which may be done once only, is on its way.
    server.order(0, |session| session.goaway(Closing::new(CloseCode::DRAINING)));
    let answer = client.call("echo").body("once").send().await.unwrap();
    assert_eq!((&answer.body()[..], answer.head().attempts()), (&b"once"[..], 2));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_half_dead_connection_is_left_before_it_is_dead() {
    let (net, server) = network();
    let client = connected(&net).await;
    net.stall(Way::Both);
    let begun = Instant::now();
    let safe = tokio::spawn(client.call("echo").idempotent(true).send());
    let harmful = tokio::spawn(client.call("echo").send());
    let answer = safe.await.unwrap().unwrap();
    // Suspected after three seconds, and one round trip for TCP, one for HELLO, one for the call.
    assert_eq!((begun.elapsed(), answer.head().attempts()), (ms(3120), 2));
    assert!(matches!(harmful.await.unwrap(), Err(Error::UnknownOutcome { .. })));
    assert_eq!(begun.elapsed(), ms(5000));
    assert_eq!(server.hellos().len(), 2);
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    assert_eq!(server.hellos().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_only_paused_is_kept() {
    let (net, server) = network();
    // Nothing but the old path works for a while, so the other one comes too late.
    let client = connected(&net).await;
    net.stall(Way::Both);
    net.answer(at(FIRST), Answer::Silent);
    let call = tokio::spawn(client.call("echo").send());
    tokio::time::sleep(ms(3500)).await;
    net.restore();
    assert_eq!(call.await.unwrap().unwrap().head().attempts(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(server.hellos().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_stop_is_left_alone() {
    let (net, server) = network();
    server.refuse(Closing::new(CloseCode::BANNED).detail("gone"));
    let client = builder().build(net).unwrap();
    let failed = client.call("echo").send().await.unwrap_err();
    let ended = Error::Ended { code: CloseCode::BANNED, detail: "gone".into() };
    assert_eq!(failed, ended);
    assert_eq!(client.connected(ms(10)).await.unwrap_err(), ended);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.hellos().len(), 1);
    client.reconnect();
    here(&client).await;
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn another_device_that_takes_over_is_not_fought() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.order(0, |session| session.goaway(Closing::new(CloseCode::REPLACED)));
    until(|| matches!(client.state(), State::Ended { code: CloseCode::REPLACED, .. })).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.hellos().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn overload_is_given_the_time_it_asks_for() {
    let (net, server) = network();
    let busy = Closing { after: 7000, jitter: 1000, ..Closing::new(CloseCode::OVERLOADED) };
    server.refuse(busy.clone());
    server.refuse(busy);
    let begun = Instant::now();
    let client = builder().build(net).unwrap();
    here(&client).await;
    assert!(begun.elapsed() >= ms(14_000), "{:?}", begun.elapsed());
    assert!(begun.elapsed() <= ms(14_000 + 2000 + 3000 + 200), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_user_that_lives_elsewhere_is_followed() {
    let (net, server) = network();
    let elsewhere = super::Server::default();
    elsewhere.serve(&net, SECOND);
    let moved = Closing { alternates: vec![SECOND.into()], ..Closing::new(CloseCode::MOVED) };
    server.refuse(moved);
    let client = builder().build(net.clone()).unwrap();
    assert_eq!(here(&client).await.address, at(SECOND));
    assert_eq!((server.hellos().len(), elsewhere.hellos().len()), (1, 1));
    // It is remembered: the next connection begins there.
    net.cut();
    until(|| elsewhere.hellos().len() == 2).await;
    assert_eq!(server.hellos().len(), 1);
    // Nobody lives nowhere.
    here(&client).await;
    client.logout().await.unwrap();
    net.cut();
    until(|| server.hellos().len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_connection_shows_the_token_and_whose_it_is() {
    let (net, server) = network();
    server.welcome(Welcome { cursors: vec![(3, [9, 9].into())], ..Welcome::default() });
    let (key, _) = DeviceIdentity::generate().unwrap();
    let client = builder().device_key(key).authority("api.example").build(net.clone()).unwrap();
    here(&client).await;
    client.set_cursor(2, *b"p7").unwrap();
    net.cut();
    until(|| server.hellos().len() == 2).await;
    let hellos = server.hellos();
    let (first, second) = (&hellos[0], &hellos[1]);
    assert_eq!((&first.resume, second.resume.as_deref()), (&None, Some(&[1; 8][..])));
    assert_eq!(second.cursors, [(2, b"p7"[..].into()), (3, [9, 9].into())]);
    // The key is proven without a token too.
    for (hello, token) in [(first, &[][..]), (second, &[1; 8])] {
        let text = proof_text("api.example", b"device", &hello.nonce, token);
        let public = &hello.device_key.as_ref().unwrap().key;
        let proof = hello.proof.as_deref().unwrap();
        assert!(UnparsedPublicKey::new(&ED25519, public).verify(&text, proof).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_token_restores_may_come_behind_the_welcome() {
    use paifang_mmtp::greeting::{Resumed, Token, Update};
    let (net, server) = network();
    let (key, _) = DeviceIdentity::generate().unwrap();
    let client = builder().device_key(key).build(net.clone()).unwrap();
    here(&client).await;
    let update = Update {
        cursors: vec![(2, [5].into())],
        token: Some(Token { lifetime: 60, bytes: [7].into() }),
        resumed: Some(Resumed::Yes),
        ..Update::default()
    };
    server.order(0, move |session| session.update(&update));
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
    net.cut();
    until(|| server.hellos().len() == 2).await;
    let again = server.hellos().remove(1);
    assert_eq!((again.resume, again.cursors), (Some([7].into()), vec![(2, [5].into())]));
}

#[tokio::test(start_paused = true)]
async fn another_network_gets_a_connection_of_its_own_at_once() {
    use crate::{Network, NetworkKind};
    let (net, server) = network();
    let client = connected(&net).await;
    client.set_network(Network { kind: NetworkKind::Mobile5g, carrier: "46000".into() });
    until(|| server.hellos().len() == 2).await;
    let network = server.hellos()[1].network.clone().unwrap();
    assert_eq!((network.kind, &*network.carrier), (NetworkKind::Mobile5g, "46000"));
    // The old one goes once nothing is in flight on it.
    until(|| net.links().len() == 1).await;
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_half_way_comes_again_where_that_does_no_harm() {
    for safe in [true, false] {
        let mut profile = Profile::latency(ms(20));
        profile.down.bandwidth = Some(100_000);
        let net = SimNet::new(profile, 7);
        let server = Server::default();
        server.serve(&net, FIRST);
        let client = connected(&net).await;
        let call = tokio::spawn(client.call("large").body("1000000").idempotent(safe).send());
        until(|| server.calls().len() == 1).await;
        // It takes ten seconds.
        tokio::time::sleep(ms(3000)).await;
        net.cut();
        let id = server.calls()[0].id;
        match call.await.unwrap() {
            Ok(answer) => {
                assert!(safe);
                assert_eq!((answer.body().len(), answer.head().attempts()), (1_000_000, 2));
                assert_eq!(server.calls()[1].id, id);
            }
            Err(lost) => assert_eq!((lost, safe), (Error::UnknownOutcome { call_id: id }, false)),
        }
        assert_eq!(server.calls().len(), 1 + usize::from(safe));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_others_that_was_never_written_is_made_elsewhere() {
    let (net, server) = network();
    let client = connected(&net).await;
    server.keep_credit(true);
    let large = tokio::spawn(client.call("echo").body(vec![b'x'; 100_000]).send());
    tokio::time::sleep(ms(100)).await;
    let waits = tokio::spawn(client.call("echo").body("once").send());
    tokio::time::sleep(ms(100)).await;
    net.cut();
    assert!(matches!(large.await.unwrap(), Err(Error::UnknownOutcome { .. })));
    let answer = waits.await.unwrap().unwrap();
    assert_eq!((&answer.body()[..], answer.head().attempts()), (&b"once"[..], 2));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_done_once_does_not_go_on_a_suspected_connection() {
    let (net, server) = network();
    let client = connected(&net).await;
    net.stall(Way::Both);
    let safe = tokio::spawn(client.call("echo").idempotent(true).send());
    // The connection is suspected, and the other one on its way.
    tokio::time::sleep(ms(3010)).await;
    let answer = client.call("echo").body("once").send().await.unwrap();
    assert_eq!((&answer.body()[..], answer.head().attempts()), (&b"once"[..], 1));
    assert_eq!(safe.await.unwrap().unwrap().head().attempts(), 2);
    assert!(server.calls().iter().all(|call| call.connection == 1));
}

#[tokio::test(start_paused = true)]
async fn addresses_that_a_server_names_do_not_crowd_out_the_own_ones() {
    let (net, server) = network();
    let client = connected(&net).await;
    let alternates = (1..=16).map(|number| format!("10.9.9.{number}:443").into()).collect();
    let going = Closing { alternates, ..Closing::new(CloseCode::DRAINING) };
    server.order(0, move |session| session.close(going));
    let begun = Instant::now();
    until(|| server.hellos().len() == 2).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(client.call("echo").send().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_second_goaway_says_where_to_go_anew() {
    let (net, server) = network();
    let elsewhere = Server::default();
    elsewhere.serve(&net, SECOND);
    let client = connected(&net).await;
    // While something is in flight the connection stays.
    let slow = tokio::spawn(client.call("never").deadline(ms(20_000)).send());
    until(|| server.calls().len() == 1).await;
    let going = Closing { after: 3_600_000, ..Closing::new(CloseCode::DRAINING) };
    server.order(0, move |session| session.goaway(going));
    tokio::time::sleep(ms(1000)).await;
    let moved = Closing { alternates: vec![SECOND.into()], ..Closing::new(CloseCode::MOVED) };
    server.order(0, move |session| session.goaway(moved));
    until(|| elsewhere.hellos().len() == 1).await;
    tokio::time::sleep(ms(1000)).await;
    assert_eq!(here(&client).await.address, at(SECOND));
    assert!(matches!(slow.await.unwrap(), Err(Error::Deadline { .. })));
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_the_foreground_finds_a_connection_that_works() {
    let (net, server) = network();
    let client = connected(&net).await;
    client.set_foreground(false);
    net.stall(Way::Both);
    tokio::time::sleep(ms(10_000)).await;
    assert_eq!(server.hellos().len(), 1);
    client.set_foreground(true);
    let begun = Instant::now();
    until(|| server.hellos().len() == 2).await;
    // The silence is asked about at once, and is suspicious after three seconds.
    assert!(begun.elapsed() < ms(3500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_cannot_have_a_call_made_twice_by_what_it_says_of_it() {
    let (net, server) = network();
    let client = connected(&net).await;
    let call = tokio::spawn(client.call("never").send());
    until(|| server.calls().len() == 1).await;
    let key = Key { channel: 1, sequence: 1 };
    server.order(0, move |session| session.cancel(key, CancelCode::NOT_LOOKED_AT));
    assert_eq!(call.await.unwrap().unwrap_err(), Error::Cancelled(CancelCode::BROKEN));
    assert_eq!(server.calls().len(), 1);
}
