//! Connections that end, well and badly.

use bytes::Bytes;

use super::{basics::request_of, pair::Pair};
use crate::{
    code::{Advice, CancelCode, CloseCode},
    greeting::Closing,
    session::*,
};

fn call() -> NewRequest<'static> {
    NewRequest::new(Operation::Name("o"), Bytes::new())
}

fn closed(event: Event) -> (ClosedBy, CloseCode) {
    match event {
        Event::Closed(closed) => (closed.by, closed.closing.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn close_is_heard_with_its_advice() {
    let mut pair = Pair::greeted();
    let closing = Closing {
        after: 500,
        jitter: 2000,
        alternates: vec!["b.example:443".into()],
        ..Closing::new(CloseCode::OVERLOADED).detail("full")
    };
    pair.server.close(closing.clone());
    pair.settle();
    assert_eq!(closed(pair.server_event()), (ClosedBy::Us, CloseCode::OVERLOADED));
    let expected = Event::Closed(Closed { by: ClosedBy::Peer, closing });
    assert_eq!(pair.client_event(), expected);
    assert_eq!(CloseCode::OVERLOADED.advice(), Advice::BackOff);
    assert_eq!(pair.client.request(call()), Err(Refusal::Going));
    assert_eq!(pair.client.timeout(), None);
}

#[test]
fn a_dead_connection_is_found_within_five_seconds_of_a_call() {
    let mut pair = Pair::greeted();
    pair.run(30_000);
    pair.dead = true;
    pair.client.request(call()).unwrap();
    pair.run(4_999);
    assert_eq!(pair.client_event(), Event::Suspect);
    assert!(!pair.client.is_closed());
    pair.run(1);
    assert_eq!(closed(pair.client_event()), (ClosedBy::Us, CloseCode::HALF_DEAD));
}

#[test]
fn a_server_that_waits_for_an_ack_finds_out_too() {
    let mut pair = Pair::greeted();
    pair.dead = true;
    pair.server.message(2, NewMessage { delivery: true, ..NewMessage::default() });
    pair.run(5_000);
    assert_eq!(pair.server_event(), Event::Suspect);
    assert_eq!(closed(pair.server_event()), (ClosedBy::Us, CloseCode::HALF_DEAD));
}

#[test]
fn a_slow_answer_kills_nothing() {
    let mut pair = Pair::greeted();
    pair.client.request(call()).unwrap();
    pair.run(600_000);
    request_of(pair.server_event());
    assert!(pair.at_client.is_empty() && !pair.client.is_closed());
}

#[test]
fn silence_ends_at_the_server_by_itself() {
    let mut pair = Pair::greeted();
    pair.dead = true;
    pair.run(464_000);
    assert!(!pair.server.is_closed());
    pair.run(2_000);
    assert_eq!(closed(pair.server_event()), (ClosedBy::Us, CloseCode::IDLE));
}

#[test]
fn no_greeting_in_time() {
    let mut pair = Pair::new();
    pair.dead = true;
    pair.run(10_000);
    assert_eq!(closed(pair.server_event()), (ClosedBy::Us, CloseCode::IDLE));
    assert_eq!(closed(pair.client_event()), (ClosedBy::Us, CloseCode::IDLE));
}

#[test]
fn a_clock_that_jumps_kills_nothing() {
    let mut pair = Pair::greeted();
    pair.client.request(call()).unwrap();
    pair.settle();
    pair.now = pair.now.plus(7_200_000);
    pair.client.handle_timeout(pair.now);
    assert!(!pair.client.is_closed(), "it asks first");
    // The server's own clock did not jump with it.
    pair.server.receive(&[], pair.now);
    pair.run(10_000);
    assert!(!pair.client.is_closed());
    // Back again.
    pair.client.handle_timeout(Millis(1));
    assert!(!pair.client.is_closed());
}

#[test]
fn goaway_lets_what_came_finish_and_tells_what_was_not_looked_at() {
    let mut pair = Pair::greeted();
    let known = pair.client.request(call()).unwrap();
    pair.settle();
    request_of(pair.server_event());
    pair.server.goaway(Closing { jitter: 9, ..Closing::new(CloseCode::DRAINING) });
    let crossing = pair.client.request(call()).unwrap();
    let elsewhere = pair.client.request(NewRequest { channel: 16, ..call() }).unwrap();
    pair.settle();
    let Event::Goaway(closing) = pair.client_event() else { panic!() };
    assert_eq!((closing.jitter, &closing.last[..]), (9, &[(1, 1)][..]));
    for key in [crossing, elsewhere] {
        let code = CancelCode::NOT_LOOKED_AT;
        assert_eq!(pair.client_event(), Event::Cancelled { key, code });
    }
    assert!(pair.at_server.is_empty(), "calls behind GOAWAY are not handed on");
    assert_eq!(pair.client.request(call()), Err(Refusal::Going));
    let (status, data, tlvs) = (204, Bytes::new(), Bytes::new());
    assert!(pair.server.respond(known, NewResponse { status, tlvs, zstd: false, data, end: true }));
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Response(_)));
    assert!(pair.client.is_quiet());
}

#[test]
fn goaway_forgets_calls_that_were_cancelled_before_they_began() {
    let mut pair = Pair::greeted();
    let large = Bytes::from(vec![0; 100_000]);
    let begun = pair.client.request(NewRequest { data: large, ..call() }).unwrap();
    pair.settle();
    // There is no credit left for a request that brings a name with it.
    let named = |name| NewRequest::new(Operation::Name(name), Bytes::new());
    let waiting = pair.client.request(named("p")).unwrap();
    let unwanted = pair.client.request(named("q")).unwrap();
    pair.client.cancel(unwanted, CancelCode::UNWANTED);
    pair.server.goaway(Closing::new(CloseCode::DRAINING));
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Goaway(_)));
    let code = CancelCode::NOT_LOOKED_AT;
    assert_eq!(pair.client_event(), Event::Cancelled { key: waiting, code });
    pair.server.consumed(begun.channel, 60_000);
    pair.settle();
    assert!(!pair.server.is_closed(), "a number was left out");
}

#[test]
fn a_lost_connection_is_told_once() {
    let mut pair = Pair::greeted();
    pair.client.lost();
    pair.client.lost();
    pair.client.close(Closing::new(CloseCode::DONE));
    pair.settle();
    assert_eq!(closed(pair.client_event()), (ClosedBy::Lost, CloseCode::DONE));
    assert!(pair.at_client.is_empty());
}
