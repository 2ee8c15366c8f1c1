//! Corners that are met seldom: what overlaps the greeting, what is broken off before it began, small frames.

use bytes::{Bytes, BytesMut};

use super::{
    basics::request_of,
    pair::{Pair, hello},
};
use crate::{
    code::{CancelCode, CloseCode},
    frame::{Frame, MAX_FRAME, Part, Split, split},
    greeting::{FEATURE_ZSTD, Hello, Settings, UserResult, Welcome},
    session::*,
    tlv::{TlvWriter, Tlvs, kind},
};

fn named(name: &'static str) -> NewRequest<'static> {
    NewRequest::new(Operation::Name(name), Bytes::new())
}

fn hello_bytes() -> BytesMut {
    let mut bytes = BytesMut::new();
    Hello { versions: (1, 1), ..hello() }.encode(&mut bytes);
    bytes
}

/// The types of the frames that a session writes now.
fn written(session: &mut Session) -> Vec<u8> {
    let mut out = BytesMut::new();
    while session.poll_transmit(&mut out, 16_384) {}
    let (mut rest, mut types) = (&out[..], Vec::new());
    while let Ok(Split::Frame(_, length)) = split(rest, MAX_FRAME) {
        types.push(rest[0] >> 3);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    types
}

#[test]
fn nothing_of_a_server_comes_before_welcome() {
    // Half of the window is taken by a message in pieces, so credit is due; a call without a meaning is answered.
    let mut early = hello_bytes();
    let piece = vec![0; 8000];
    let part =
        |sequence| Part { channel: 4, sequence, more: true, data: &piece, ..Part::default() };
    Frame::Message(part(1)).encode(&mut early);
    (0..6).for_each(|_| Frame::Data(part(1)).encode(&mut early));
    let call = Part { channel: 1, sequence: 1, ..Part::default() };
    Frame::Request { operation: 9, part: call }.encode(&mut early);
    Frame::Ping(3).encode(&mut early);

    let mut server = Session::server(Config::default(), Millis(0));
    server.receive(&early, Millis(0));
    assert!(!server.wants_write() && written(&mut server).is_empty());
    server.accept(Welcome::default(), 0);
    assert!(server.wants_write());
    let types = written(&mut server);
    assert_eq!(types[0], 4, "{types:?}");
    for expected in [2, 6, 12] {
        assert!(types.contains(&expected), "{types:?}");
    }

    // A refusal is the only frame.
    let mut server = Session::server(Config::default(), Millis(0));
    server.receive(&early, Millis(0));
    server.close(crate::greeting::Closing::new(CloseCode::AUTH_FAILED));
    assert_eq!(written(&mut server), [17]);
}

#[test]
fn a_large_early_message_does_not_break_the_greeting() {
    let mut pair = Pair::new();
    pair.client.message(4, NewMessage { data: vec![1; 60_000].into(), ..NewMessage::default() });
    pair.accepts = false;
    pair.settle();
    assert!(!pair.client.is_closed());
    let Event::Hello(hello) = pair.server_event() else { panic!() };
    pair.server.accept(Welcome::default(), hello.epoch);
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Welcome(_)));
    let Event::Message(message) = pair.server_event() else { panic!() };
    assert_eq!(message.data.len(), 60_000);
}

#[test]
fn a_call_that_is_broken_off_before_it_began_still_names_its_operation() {
    let mut pair = Pair::greeted();
    let first = pair.client.request(named("orders.get")).unwrap();
    pair.client.cancel(first, CancelCode::UNWANTED);
    let second = pair.client.request(named("orders.get")).unwrap();
    pair.settle();
    let begun = request_of(pair.server_event());
    assert_eq!((begun.key, begun.end), (first, false));
    assert!(matches!(pair.server_event(), Event::Cancelled { key, .. } if key == first));
    let request = request_of(pair.server_event());
    assert_eq!(request.key, second);
    assert_eq!(request.called, Called::Operation(1, "orders.get".into()));
}

#[test]
fn a_call_that_is_refused_still_names_its_operation() {
    let call = |sequence, tlvs| Frame::Request {
        operation: 1,
        part: Part { channel: 1, sequence, tlvs: Tlvs::trusted(tlvs), ..Part::default() },
    };
    let mut unknown = Vec::new();
    TlvWriter(&mut unknown).bytes(kind::OPERATION, b"o").bytes(0x61, b"");
    let mut wrong = Vec::new();
    TlvWriter(&mut wrong).bytes(kind::OPERATION, b"o").bytes(kind::PRIORITY, b"??");
    for (tlvs, error) in [(&unknown, 1100), (&wrong, 1000)] {
        let mut pair = Pair::greeted();
        let mut bytes = BytesMut::new();
        call(1, tlvs).encode(&mut bytes);
        call(2, &[]).encode(&mut bytes);
        pair.server.receive(&bytes, pair.now);
        let mut events = std::iter::from_fn(|| pair.server.poll_event());
        assert!(matches!(events.next(), Some(Event::Refused { error: said, .. }) if said == error));
        let Some(Event::Request(request)) = events.next() else { panic!("{error}") };
        assert_eq!(request.called, Called::Operation(1, "o".into()));
    }
}

#[test]
fn a_call_beyond_max_calls_still_names_its_operation() {
    let mut pair = Pair::greeted();
    let call = |sequence, name: Option<&[u8]>| {
        let mut tlvs = Vec::new();
        name.map(|name| TlvWriter(&mut tlvs).bytes(kind::OPERATION, name).0.len());
        let tlvs = Tlvs::trusted(&tlvs);
        let part = Part { channel: 1, sequence, tlvs, ..Part::default() };
        let mut bytes = BytesMut::new();
        Frame::Request { operation: if sequence < 65 { 1 } else { 2 }, part }.encode(&mut bytes);
        bytes
    };
    for sequence in 1..65 {
        pair.server.receive(&call(sequence, (sequence == 1).then_some(b"first")), pair.now);
    }
    pair.server.receive(&call(65, Some(b"late")), pair.now);
    let last = std::iter::from_fn(|| pair.server.poll_event()).last();
    assert!(matches!(last, Some(Event::Refused { error: 1102, .. })), "{last:?}");
    written(&mut pair.server);
    pair.server.cancel(Key { channel: 1, sequence: 4 }, CancelCode::BROKEN);
    pair.server.receive(&call(66, None), pair.now);
    let Some(Event::Request(request)) = pair.server.poll_event() else { panic!() };
    assert_eq!(request.called, Called::Operation(2, "late".into()));
}

#[test]
fn a_delivery_that_is_broken_off_is_not_waited_for() {
    for begun in [false, true] {
        let mut pair = Pair::greeted();
        let message =
            NewMessage { delivery: true, data: vec![0; 9000].into(), ..NewMessage::default() };
        let first = pair.client.message(3, message.clone()).unwrap();
        let second = pair.client.message(3, message.clone()).unwrap();
        if begun {
            let mut out = BytesMut::new();
            // The first whole, and the beginning of the second.
            for _ in 0..4 {
                pair.client.poll_transmit(&mut out, 1);
            }
            pair.server.receive(&out, pair.now);
        }
        pair.client.cancel(second, CancelCode::UNWANTED);
        pair.settle();
        let Event::Message(came) = pair.server_event() else { panic!() };
        assert_eq!(came.key, first);
        assert_eq!(pair.at_server.pop_front(), None);
        assert!(pair.client.awaits_ack());
        pair.server.acknowledge(first);
        pair.settle();
        assert_eq!(pair.client_event(), Event::Acked(first));
        assert!(!pair.client.awaits_ack(), "begun: {begun}");
        // So nothing asks for a sign of life but the heartbeat.
        assert!(pair.client.timeout().unwrap().since(pair.now) > 30_000);

        // The next one has the next number, and is acknowledged.
        let third = pair.client.message(3, message).unwrap();
        pair.settle();
        let Event::Message(came) = pair.server_event() else { panic!() };
        assert_eq!(came.key, third);
        pair.server.acknowledge(third);
        pair.settle();
        assert_eq!(pair.client_event(), Event::Acked(third));
        assert!(!pair.client.awaits_ack());
    }
}

#[test]
fn a_login_before_welcome_and_one_after_it() {
    let mut pair = Pair::new();
    assert_eq!(pair.client.login(None), Some(1));
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Welcome(_)));
    for epoch in [1, 2] {
        let Event::Login(change) = pair.server_event() else { panic!() };
        assert_eq!(change.epoch, epoch);
        pair.server.user(&UserResult { epoch, ..UserResult::default() });
        pair.settle();
        let Event::User(result) = pair.client_event() else { panic!() };
        assert_eq!(result.epoch, epoch);
        if epoch == 1 {
            assert_eq!(pair.client.login(None), Some(2));
            pair.settle();
        }
    }
    // An early one that is not the next one after HELLO's is malformed at once.
    let mut early = hello_bytes();
    Frame::Login { epoch: 7, tlvs: Tlvs::default() }.encode(&mut early);
    let mut server = Session::server(Config::default(), Millis(0));
    server.receive(&early, Millis(0));
    assert!(server.is_closed());
}

#[test]
fn compressed_messages_come_only_where_they_are_taken() {
    let takes = |yes| if yes { FEATURE_ZSTD } else { 0 };
    for (client, server) in [(false, true), (true, false), (true, true)] {
        let said = Hello { features: takes(client), ..hello() };
        let mut pair = Pair::with(Config::default(), Config::default(), &said);
        pair.accepts = false;
        pair.settle();
        let Event::Hello(_) = pair.server_event() else { panic!() };
        pair.server.accept(Welcome { features: takes(server), ..Welcome::default() }, 0);
        pair.settle();
        assert_eq!(
            (pair.server.peer_takes_zstd(), pair.client.peer_takes_zstd()),
            (client, server)
        );
        let message = NewMessage { zstd: true, data: vec![1, 2].into(), ..NewMessage::default() };
        pair.client.message(4, message.clone()).unwrap();
        pair.settle();
        if server {
            assert!(matches!(pair.server_event(), Event::Message(message) if message.zstd));
        } else {
            let Event::Closed(closed) = pair.server_event() else { panic!() };
            assert_eq!(closed.closing.code, CloseCode::COMPRESSION);
            continue;
        }
        pair.server.message(2, message).unwrap();
        pair.settle();
        assert!(matches!(pair.client_event(), Event::Welcome(_)));
        assert_eq!(matches!(pair.client_event(), Event::Closed(_)), !client);
    }
    // Before WELCOME a client cannot know.
    let mut early = hello_bytes();
    let part = Part { channel: 4, sequence: 1, zstd: true, ..Part::default() };
    Frame::Message(part).encode(&mut early);
    let mut server = Session::server(Config::default(), Millis(0));
    server.receive(&early, Millis(0));
    assert!(server.is_closed());
}

#[test]
fn a_side_that_wants_small_frames_takes_early_ones_and_large_blocks() {
    let settings = Settings { max_frame: 1024, ..Settings::default() };
    let server = Config { settings, ..Config::default() };
    let mut pair = Pair::with(Config::default(), server, &hello());
    // Before WELCOME the client knows nothing of it.
    pair.client.request(NewRequest { data: vec![1; 6000].into(), ..named("early") }).unwrap();
    pair.settle();
    assert!(!pair.server.is_closed());
    assert_eq!(request_of(pair.server_event()).key.sequence, 1);
    while let Some(event) = pair.at_server.pop_front() {
        assert!(matches!(event, Event::Data { .. }));
    }
    assert!(matches!(pair.client_event(), Event::Welcome(_)));

    let value = vec![b'v'; 5000];
    let large = NewRequest { fields: &[("x-large", &value)], ..named("late") };
    let large = pair.client.request(NewRequest { data: vec![2; 3000].into(), ..large }).unwrap();
    let mut out = BytesMut::new();
    let mut longest_data = 0;
    while pair.client.poll_transmit(&mut out, 1) {
        let Ok(Split::Frame(frame, length)) = split(&out, MAX_FRAME) else { panic!() };
        if matches!(frame, Frame::Data(_)) {
            longest_data = longest_data.max(length);
        }
        pair.server.receive(&out, pair.now);
        out.clear();
    }
    assert!((900..=1024).contains(&longest_data), "{longest_data}");
    let Some(Event::Request(request)) = pair.server.poll_event() else { panic!() };
    assert_eq!(request.key, large);
    assert_eq!(request.fields().next().unwrap().unwrap().1, value);
}
