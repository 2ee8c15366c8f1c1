//! Every bad thing that a peer can send, and the code that it ends with.

use bytes::{Bytes, BytesMut};

use super::pair::{Pair, hello};
use crate::{
    code::{CancelCode, CloseCode},
    frame::{Frame, Part},
    session::*,
    tlv::{TlvWriter, Tlvs, kind},
};

/// Frames as bytes.
fn bytes(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out
}

fn part(channel: u8, sequence: u32) -> Part<'static> {
    Part { channel, sequence, ..Part::default() }
}

fn request(channel: u8, sequence: u32) -> Frame<'static> {
    let tlvs = Tlvs::trusted(&[0x33, 1, b'o']);
    Frame::Request { operation: 1, part: Part { tlvs, ..part(channel, sequence) } }
}

fn answer(sequence: u32) -> Frame<'static> {
    Frame::Response { status: 200, part: part(1, sequence) }
}

#[track_caller]
fn end_of(events: &mut std::collections::VecDeque<Event>) -> CloseCode {
    let last = events.pop_back();
    match last {
        Some(Event::Closed(Closed { by: ClosedBy::Us, closing })) => closing.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_ends_a_connection_at_the_server() {
    let large = vec![0; 16_000];
    let data = Part { data: &large, more: true, ..part(1, 1) };
    let flood: Vec<_> = std::iter::once(Frame::Request {
        operation: 1,
        part: Part { tlvs: Tlvs::trusted(&[0x33, 1, b'o']), more: true, ..part(1, 1) },
    })
    .chain((0..5).map(|_| Frame::Data(data)))
    .collect();
    let whole_message = Frame::Message(Part { more: true, ..part(4, 1) });
    let update = [0x79u8, 0];
    let cases: Vec<(&str, Vec<u8>, CloseCode)> = vec![
        ("type 0", vec![0], CloseCode::MALFORMED),
        ("a flag", vec![0x79, 0], CloseCode::MALFORMED),
        ("a length", vec![0x28, 0xff, 0xff, 3], CloseCode::TOO_LARGE),
        ("a gap", bytes(&[request(1, 2)]), CloseCode::SEQUENCE),
        ("a number again", bytes(&[request(1, 1), request(1, 1)]), CloseCode::SEQUENCE),
        ("another channel's gap", bytes(&[request(1, 1), request(16, 2)]), CloseCode::SEQUENCE),
        ("calls on push", bytes(&[request(2, 1)]), CloseCode::MALFORMED),
        ("a reserved channel", bytes(&[request(5, 1)]), CloseCode::MALFORMED),
        ("channel 0", bytes(&[request(0, 1)]), CloseCode::MALFORMED),
        ("messages on calls", bytes(&[Frame::Message(part(1, 1))]), CloseCode::MALFORMED),
        ("data for nothing", bytes(&[Frame::Data(part(1, 1))]), CloseCode::SEQUENCE),
        (
            "data behind the end",
            bytes(&[request(1, 1), Frame::Data(part(1, 1))]),
            CloseCode::SEQUENCE,
        ),
        ("data on 0", bytes(&[Frame::Data(part(0, 1))]), CloseCode::MALFORMED),
        ("message data for nothing", bytes(&[Frame::Data(part(4, 1))]), CloseCode::SEQUENCE),
        (
            "a message in a message",
            bytes(&[whole_message, Frame::Message(part(4, 2))]),
            CloseCode::SEQUENCE,
        ),
        ("credit exceeded", bytes(&flood), CloseCode::FLOW_CONTROL),
        (
            "too much credit",
            bytes(&[Frame::Credit { channel: 0, bytes: u32::MAX >> 1 }]),
            CloseCode::FLOW_CONTROL,
        ),
        (
            "credit on a reserved",
            bytes(&[Frame::Credit { channel: 6, bytes: 1 }]),
            CloseCode::MALFORMED,
        ),
        (
            "an ack of nothing",
            bytes(&[Frame::Ack { channel: 3, sequence: 1 }]),
            CloseCode::SEQUENCE,
        ),
        (
            "an ack of a call",
            bytes(&[Frame::Ack { channel: 1, sequence: 1 }]),
            CloseCode::MALFORMED,
        ),
        ("an answer to a server", bytes(&[answer(1)]), CloseCode::MALFORMED),
        ("a welcome to a server", vec![0x20, 1, 1], CloseCode::MALFORMED),
        ("a user to a server", vec![0x70, 2, 1, 0], CloseCode::MALFORMED),
        ("goaway to a server", vec![0x80, 2, 0xe8, 7], CloseCode::MALFORMED),
        ("a second hello", vec![0x18, 2, 1, 1], CloseCode::MALFORMED),
        ("a critical TLV", vec![0x78, 2, 0x61, 0], CloseCode::MALFORMED),
        ("cancel on a reserved", vec![0x58, 3, 7, 1, 1], CloseCode::MALFORMED),
    ];
    assert_eq!(update[0] >> 3, 15);
    for (what, bytes, expected) in cases {
        // Whole, and byte by byte.
        for size in [usize::MAX, 1] {
            let mut pair = Pair::greeted();
            bytes
                .chunks(size.min(bytes.len()))
                .for_each(|some| pair.server.receive(some, pair.now));
            pair.settle();
            assert_eq!(end_of(&mut pair.at_server), expected, "{what}");
            let Some(Event::Closed(closed)) = pair.at_client.pop_back() else { panic!("{what}") };
            assert!(closed.is_by_peer() && closed.closing.code == expected, "{what}");
        }
    }
}

#[test]
fn what_ends_a_connection_at_the_client() {
    let cases: Vec<(&str, Vec<u8>, CloseCode)> = vec![
        ("an answer to nothing", bytes(&[answer(2)]), CloseCode::SEQUENCE),
        (
            "two answers",
            bytes(&[
                Frame::Response { status: 200, part: Part { more: true, ..part(1, 1) } },
                answer(1),
            ]),
            CloseCode::SEQUENCE,
        ),
        ("data before the answer", bytes(&[Frame::Data(part(1, 1))]), CloseCode::SEQUENCE),
        ("a request", bytes(&[request(1, 1)]), CloseCode::MALFORMED),
        ("a login", vec![0x68, 1, 1], CloseCode::MALFORMED),
        ("a hello", vec![0x18, 2, 1, 1], CloseCode::MALFORMED),
        ("a second welcome", vec![0x20, 1, 1], CloseCode::MALFORMED),
        ("a bad status", vec![0x30, 3, 1, 1, 5], CloseCode::MALFORMED),
    ];
    for (what, bytes, expected) in cases {
        let mut pair = Pair::greeted();
        pair.client.request(NewRequest::new(Operation::Name("o"), Bytes::new())).unwrap();
        pair.settle();
        pair.client.receive(&bytes, pair.now);
        pair.settle();
        assert_eq!(end_of(&mut pair.at_client), expected, "{what}");
    }
}

#[test]
fn before_the_greeting_only_the_greeting() {
    let credit = Frame::Credit { channel: 0, bytes: 1 };
    for frame in [request(1, 1), Frame::Ping(1), Frame::Pong(1), credit] {
        let mut server = Session::server(Config::default(), Millis(0));
        server.receive(&bytes(&[frame]), Millis(0));
        let Some(Event::Closed(closed)) = server.poll_event() else { panic!() };
        assert_eq!(closed.closing.code, CloseCode::EARLY_FRAME);
        // The CLOSE is still to be written, and nothing else.
        let mut out = BytesMut::new();
        assert!(server.poll_transmit(&mut out, 100));
        assert!(!server.poll_transmit(&mut out, 100) && out[0] == 0x88);
    }
    // Frames that mean nothing are no frames.
    let mut server = Session::server(Config::default(), Millis(0));
    server.receive(&[0xe0, 3, 1, 2, 3], Millis(0));
    assert!(!server.is_closed());
}

#[test]
fn versions_that_are_not_spoken() {
    let mut hello_bytes = BytesMut::new();
    hello().encode(&mut hello_bytes);
    let mut server = Session::server(Config::default(), Millis(0));
    hello_bytes[2..4].copy_from_slice(&[2, 9]);
    server.receive(&hello_bytes, Millis(0));
    let Some(Event::Closed(closed)) = server.poll_event() else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::VERSION);
    // A client that speaks more is told which one it is.
    let mut server = Session::server(Config::default(), Millis(0));
    hello_bytes[2..4].copy_from_slice(&[1, 9]);
    server.receive(&hello_bytes, Millis(0));
    assert!(matches!(server.poll_event(), Some(Event::Hello(_))));
}

#[test]
fn calls_that_are_refused_leave_the_connection_alone() {
    let mut unknown = Vec::new();
    TlvWriter(&mut unknown).bytes(kind::OPERATION, b"o").bytes(0x61, b"");
    let mut no_name = Vec::new();
    TlvWriter(&mut no_name).bytes(kind::OPERATION, b"");
    let mut both = Vec::new();
    TlvWriter(&mut both).bytes(kind::OPERATION, b"o").pair(kind::TARGET, b"GET", b"/");
    let mut short_id = Vec::new();
    TlvWriter(&mut short_id).bytes(kind::OPERATION, b"o").bytes(kind::CALL_ID, b"1234567");
    let cases: [(u32, &[u8], u32); 6] = [
        (1, &unknown, 1100),
        (7, &[], 1101),
        (9999, &[0x33, 1, b'o'], 1101),
        (1, &no_name, 1000),
        (0, &both, 1000),
        (1, &short_id, 1000),
    ];
    for (operation, tlvs, error) in cases {
        let mut pair = Pair::greeted();
        // The client has the number too, so that it knows the answer.
        let key = pair.client.request(NewRequest::new(Operation::Name("x"), Bytes::new())).unwrap();
        let mut out = BytesMut::new();
        pair.client.poll_transmit(&mut out, 1);
        let part = Part { tlvs: Tlvs::trusted(tlvs), ..part(1, 1) };
        pair.server.receive(&bytes(&[Frame::Request { operation, part }]), pair.now);
        pair.settle();
        assert_eq!(pair.server_event(), Event::Refused { key, error });
        let Event::Response(answer) = pair.client_event() else { panic!() };
        let said = answer.tlvs().get(kind::ERROR).map(|value| crate::tlv::integer(value, "error"));
        assert_eq!(said, Some(Ok(error)));
        assert!(answer.end && answer.status >= 400);
        assert!(pair.server.is_quiet() && !pair.server.is_closed());
    }
}

#[test]
fn more_calls_than_allowed_are_refused_and_many_more_end_it() {
    let mut pair = Pair::greeted();
    let first = bytes(&[request(1, 1)]);
    pair.server.receive(&first, pair.now);
    for sequence in 2..=64 {
        let plain = Frame::Request { operation: 1, part: part(1, sequence) };
        pair.server.receive(&bytes(&[plain]), pair.now);
    }
    let mut refused = 0;
    for sequence in 65..=128 {
        // Its body goes on, and is read to its end for nobody.
        let plain = Frame::Request { operation: 1, part: Part { more: true, ..part(1, sequence) } };
        pair.server.receive(&bytes(&[plain]), pair.now);
    }
    while let Some(event) = pair.server.poll_event() {
        refused += u32::from(matches!(event, Event::Refused { error: 1102, .. }));
    }
    assert_eq!(refused, 64);
    assert!(!pair.server.is_closed());
    pair.server.receive(&bytes(&[Frame::Request { operation: 1, part: part(1, 129) }]), pair.now);
    let Some(Event::Closed(closed)) = pair.server.poll_event() else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::TOO_FAST);
}

#[test]
fn a_flood_of_pings_that_nobody_reads_ends_it() {
    let mut pair = Pair::greeted();
    for _ in 0..40_000 {
        pair.server.receive(&[0x08, 1], pair.now);
    }
    let Some(Event::Closed(closed)) = pair.server.poll_event() else { panic!() };
    assert_eq!(closed.closing.code, CloseCode::FLOW_CONTROL);
}

#[test]
fn messages_with_what_is_not_known_are_dropped_and_acknowledged() {
    let mut pair = Pair::greeted();
    let tlvs = Tlvs::trusted(&[0x61, 0]);
    let frame = Frame::Delivery(Part { tlvs, data: b"x", ..part(4, 1) });
    // The client's own account has to know the number, for the ACK.
    pair.client.message(4, NewMessage { delivery: true, ..NewMessage::default() });
    let mut out = BytesMut::new();
    pair.client.poll_transmit(&mut out, 1);
    pair.server.receive(&bytes(&[frame]), pair.now);
    pair.settle();
    assert_eq!(pair.at_server.pop_front(), None);
    assert_eq!(pair.client_event(), Event::Acked(Key { channel: 4, sequence: 1 }));
}

#[test]
fn a_message_beyond_the_limit_ends_it_and_one_that_is_cancelled_is_forgotten() {
    let mut pair = Pair::greeted();
    let large =
        |length: usize| NewMessage { data: vec![0; length].into(), ..NewMessage::default() };
    assert_eq!(pair.client.message(4, large((1 << 20) + 1)), None);
    // What this side does not send, another may.
    let piece = vec![0; 16_000];
    let part = Part { more: true, data: &piece, ..part(4, 1) };
    pair.server.receive(&bytes(&[Frame::Message(part)]), pair.now);
    for _ in 0..65 {
        pair.server.receive(&bytes(&[Frame::Data(part)]), pair.now);
    }
    pair.settle();
    assert_eq!(end_of(&mut pair.at_server), CloseCode::TOO_LARGE);
    let mut pair = Pair::greeted();
    pair.client.message(4, large(1 << 20)).unwrap();
    pair.run(60_000);
    let Event::Message(message) = pair.server_event() else { panic!() };
    assert_eq!(message.data.len(), 1 << 20);

    let mut pair = Pair::greeted();
    let message = NewMessage { data: Bytes::from(vec![0; 9000]), ..NewMessage::default() };
    let key = pair.client.message(4, message.clone()).unwrap();
    let mut out = BytesMut::new();
    pair.client.poll_transmit(&mut out, 1);
    pair.server.receive(&out, pair.now);
    pair.client.cancel(key, CancelCode::UNWANTED);
    pair.client.message(4, message).unwrap();
    pair.settle();
    let Event::Message(message) = pair.server_event() else { panic!() };
    assert_eq!((message.key.sequence, message.data.len()), (2, 9000));
}
