//! HELLO and LOGIN are barriers.

use bytes::Bytes;

use super::{
    basics::request_of,
    pair::{Pair, hello},
};
use crate::{
    code::CloseCode,
    greeting::{Auth, Hello, UserResult, Welcome},
    session::*,
};

fn call(channel: u8) -> NewRequest<'static> {
    NewRequest { channel, ..NewRequest::new(Operation::Name("o"), Bytes::new()) }
}

fn auth() -> Option<Auth> {
    Some(Auth { scheme: "Bearer".into(), credential: b"t".as_slice().into() })
}

#[test]
fn nothing_is_handed_on_before_hello_is_accepted() {
    let hello = Hello { auth: auth(), epoch: 3, ..hello() };
    let mut pair = Pair::with(Config::default(), Config::default(), &hello);
    pair.accepts = false;
    let key = pair.client.request(call(1)).unwrap();
    pair.settle();
    let Event::Hello(seen) = pair.server_event() else { panic!() };
    assert_eq!((seen.auth, seen.epoch), (auth(), 3));
    assert_eq!(pair.at_server.pop_front(), None);
    pair.server.accept(Welcome { user: Some("u".into()), ..Welcome::default() }, 3);
    pair.settle();
    assert_eq!(request_of(pair.server_event()).key, key);
    assert_eq!(pair.client.login(None), Some(4));
    pair.settle();
    assert!(matches!(pair.server_event(), Event::Login(_)));
}

#[test]
fn calls_around_a_login_belong_where_they_were_made() {
    let mut pair = Pair::greeted();
    let before = pair.client.request(call(1)).unwrap();
    assert_eq!(pair.client.login(auth()), Some(1));
    let between = pair.client.request(call(1)).unwrap();
    assert_eq!(pair.client.login(None), Some(2));
    let after = pair.client.request(call(16)).unwrap();
    pair.settle();
    assert_eq!(request_of(pair.server_event()).key, before);
    let Event::Login(login) = pair.server_event() else { panic!() };
    assert_eq!((login.epoch, login.auth), (1, auth()));
    assert_eq!(pair.at_server.pop_front(), None, "what follows waits");
    pair.server.user(&UserResult { epoch: 1, user: Some("u".into()), ..UserResult::default() });
    pair.settle();
    let Event::User(user) = pair.client_event() else { panic!() };
    assert_eq!(user.user.as_deref(), Some("u"));
    assert_eq!(request_of(pair.server_event()).key, between);
    let Event::Login(logout) = pair.server_event() else { panic!() };
    assert_eq!((logout.epoch, logout.auth), (2, None));
    assert_eq!(pair.at_server.pop_front(), None);
    pair.server.user(&UserResult { epoch: 2, ..UserResult::default() });
    pair.settle();
    assert_eq!(request_of(pair.server_event()).key, after);
}

#[test]
fn a_login_does_not_overtake_a_call_without_credit() {
    let mut pair = Pair::greeted();
    let large = NewRequest { data: Bytes::from(vec![0; 70_000]), ..call(1) };
    let first = pair.client.request(large).unwrap();
    let waits = pair.client.request(NewRequest { data: Bytes::from(vec![0; 3000]), ..call(1) });
    let waits = waits.unwrap();
    pair.client.login(auth());
    pair.run(1_000);
    let mut cost = 0;
    let mut seen = Vec::new();
    for _ in 0..20 {
        while let Some(event) = pair.at_server.pop_front() {
            match event {
                Event::Request(request) => {
                    seen.push(Some(request.key));
                    cost += request.cost;
                }
                Event::Data { cost: own, .. } => cost += own,
                Event::Login(_) => seen.push(None),
                other => panic!("{other:?}"),
            }
        }
        pair.server.consumed(1, std::mem::take(&mut cost));
        pair.run(1_000);
    }
    assert_eq!(seen, [Some(first), Some(waits), None]);
}

#[test]
fn epochs_do_not_skip_and_logins_do_not_pile_up() {
    let login = |epoch: u8| [0x68, 1, epoch];
    let mut pair = Pair::greeted();
    pair.server.receive(&login(2), pair.now);
    pair.settle();
    let Event::Closed(closed) = pair.server_event() else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::MALFORMED);

    let mut pair = Pair::greeted();
    for epoch in 1..=9 {
        pair.server.receive(&login(epoch), pair.now);
    }
    pair.settle();
    let closed = pair.at_server.pop_back();
    let Some(Event::Closed(closed)) = closed else { panic!("{closed:?}") };
    assert_eq!(closed.closing.code, CloseCode::TOO_FAST);
}
