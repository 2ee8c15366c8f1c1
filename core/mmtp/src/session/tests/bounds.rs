//! What a side bounds beside what credit bounds: frames a second, the room of a frame.

use bytes::{Bytes, BytesMut};

use super::pair::{Pair, hello};
use crate::{
    code::{Advice, CancelCode, CloseCode},
    frame::{Frame, MAX_FRAME, Part},
    greeting::{Dictionary, Hello, Welcome},
    session::*,
    tlv::{MAX_BLOCK, TlvWriter, kind},
};

fn bytes(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    frame.encode(&mut out);
    out
}

fn limited(per_second: u32, burst: u32) -> Pair {
    let server = Config { frames: Some(FrameRate::new(per_second, burst)), ..Config::default() };
    let mut pair = Pair::with(Config::default(), server, &hello());
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Welcome(_)));
    pair
}

#[test]
fn a_flood_of_small_frames_of_any_kind_ends_it_and_says_when_to_come_back() {
    let credit = Frame::Credit { channel: 0, bytes: 1 };
    let cancel = Frame::Cancel { channel: 1, sequence: 9, code: CancelCode::UNWANTED };
    let update = Frame::Update { tlvs: Default::default() };
    let nothing = Frame::Ignored(30);
    for frame in [Frame::Ping(1), Frame::Pong(1), credit, cancel, update, nothing] {
        let mut pair = limited(100, 50);
        let one = bytes(&frame);
        let passed = (0..1000)
            .take_while(|_| {
                pair.server.receive(&one, pair.now);
                !pair.server.is_closed()
            })
            .count();
        // HELLO was long ago.
        assert_eq!(passed, 50, "{frame:?}");
        pair.settle();
        let Some(Event::Closed(closed)) = pair.at_client.pop_back() else { panic!() };
        assert_eq!((closed.by, closed.closing.code), (ClosedBy::Peer, CloseCode::TOO_FAST));
        assert_eq!(closed.closing.code.advice(), Advice::BackOff);
        assert!(closed.closing.after > 0 && closed.closing.jitter > 0);
    }
}

#[test]
fn who_keeps_to_the_rate_goes_on_and_what_credit_bounds_is_free() {
    let mut pair = limited(100, 10);
    for _ in 0..1000 {
        pair.run(10);
        pair.server.receive(&[8, 1], pair.now);
    }
    assert!(!pair.server.is_closed());
    // A megabyte in frames that carry much, all at once.
    let large = vec![0; 4096];
    let first = Part { channel: 4, sequence: 1, more: true, data: &large, ..Part::default() };
    pair.server.receive(&bytes(&Frame::Message(first)), pair.now);
    for more in (0..14).map(|index| index < 13) {
        pair.server.receive(&bytes(&Frame::Data(Part { more, ..first })), pair.now);
    }
    let Some(Event::Message(message)) = pair.server.poll_event() else { panic!() };
    assert_eq!(message.data.len(), 15 * 4096);
}

#[test]
fn blocks_that_no_frame_may_have_break_their_call_off() {
    let mut pair = Pair::greeted();
    let large: Bytes = vec![0; MAX_BLOCK + 1].into();
    let calls: Vec<Key> = (0..2)
        .map(|_| {
            let call = NewRequest::new(Operation::Name("o"), Bytes::new());
            pair.client.request(call).unwrap()
        })
        .collect();
    pair.settle();
    let answer = |tlvs: Bytes, end| NewResponse {
        status: 200,
        tlvs,
        zstd: false,
        data: Bytes::from_static(b"x"),
        end,
    };
    assert!(!pair.server.respond(calls[0], answer(large.clone(), true)));
    assert!(pair.server.respond(calls[1], answer(Bytes::new(), false)));
    assert!(!pair.server.send(calls[1], Bytes::from_static(b"y"), true, large));
    pair.settle();
    let mut cancelled = Vec::new();
    while let Some(event) = pair.at_client.pop_front() {
        if let Event::Cancelled { key, code } = event {
            cancelled.push((key, code));
        }
    }
    assert_eq!(cancelled, [(calls[0], CancelCode::TOO_LARGE), (calls[1], CancelCode::TOO_LARGE)]);
    assert!(!pair.client.is_closed() && pair.server.calls_in_flight() == 0);
}

#[test]
fn a_welcome_is_cut_to_a_frame() {
    let dictionary = |number| Dictionary {
        number,
        identity: [1; 16],
        channel: 1,
        operation: "o".repeat(128).into(),
    };
    let mut welcome = Welcome {
        cursors: (0..64).map(|_| (3, vec![7; 64].into())).collect(),
        alternates: (0..100).map(|_| "a".repeat(255).into()).collect(),
        dictionaries: (1..=64).map(dictionary).collect(),
        ..Welcome::default()
    };
    let mut small = Welcome { alternates: vec!["a:1".into()], ..Welcome::default() };
    small.shorten();
    assert_eq!(small.alternates.len(), 1);
    welcome.shorten();
    assert!(welcome.dictionaries.is_empty() && welcome.cursors.len() == 64);
    assert!((40..64).contains(&welcome.alternates.len()));
    let mut server = Session::server(Config::default(), Millis(0));
    let mut out = BytesMut::new();
    Hello { versions: (1, 1), ..hello() }.encode(&mut out);
    server.receive(&out, Millis(0));
    server.accept(welcome.clone(), 0);
    out.clear();
    server.poll_transmit(&mut out, 1);
    assert!(out.len() <= MAX_FRAME);
    let mut client = Session::client(Config::default(), &hello(), Millis(0));
    client.receive(&out, Millis(0));
    let event = client.poll_event();
    let Some(Event::Welcome(heard)) = event else { panic!("{event:?}") };
    assert_eq!(heard.alternates, welcome.alternates);
}

#[test]
fn trailers_that_fit_go() {
    let mut pair = Pair::greeted();
    let key = pair.client.request(NewRequest::new(Operation::Name("o"), Bytes::new())).unwrap();
    pair.settle();
    let mut tlvs = Vec::new();
    TlvWriter(&mut tlvs).pair(kind::FIELD, b"grpc-status", &[b'0'; 8000]);
    let answer = NewResponse {
        status: 200,
        tlvs: Bytes::new(),
        zstd: false,
        data: Bytes::new(),
        end: false,
    };
    assert!(pair.server.respond(key, answer));
    pair.server.send(key, Bytes::new(), true, tlvs.clone().into());
    pair.settle();
    assert!(matches!(pair.client_event(), Event::Response(_)));
    let Event::Data { tlvs: heard, end: true, .. } = pair.client_event() else { panic!() };
    assert_eq!(heard, tlvs);
}
