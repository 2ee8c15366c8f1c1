//! Bytes that end a connection, with the code that they end it with, and calls that are answered with an error.

use super::{frames, hex, list, read, unhex};
use bytes::{Bytes, BytesMut};
use paifang_mmtp::code::CloseCode;
use paifang_mmtp::frame::{Frame, Part};
use paifang_mmtp::greeting::{Hello, Welcome};
use paifang_mmtp::session::{Config, Event, Millis, NewRequest, Operation, Session};
use paifang_mmtp::tlv::{TlvWriter, Tlvs, kind};
use serde_json::{Value, json};

/// Who receives the bytes, and what was before them.
const STAGES: [(&str, &str); 3] = [
    ("first", "a server; nothing came before"),
    ("server", "a server; the smallest HELLO came and was accepted"),
    ("client", "a client that had a WELCOME and has made its first call on channel 1"),
];

/// What ends a connection.
pub(super) fn all() -> Value {
    let mut vectors = Vec::new();
    for (stage, cases) in [("first", first()), ("server", server()), ("client", client())] {
        for (name, bytes, code) in cases {
            vectors.push(json!({ "name": name, "to": stage, "hex": hex(&bytes), "code": code.0 }));
        }
    }
    let stages: serde_json::Map<_, _> =
        STAGES.iter().map(|(name, means)| ((*name).to_owned(), json!(means))).collect();
    json!({ "to": stages, "vectors": vectors })
}

type Case = (&'static str, Vec<u8>, CloseCode);

fn bytes(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out.to_vec()
}

fn part(channel: u8, sequence: u32) -> Part<'static> {
    Part { channel, sequence, ..Part::default() }
}

const NAMED: &[u8] = &[0x33, 1, b'o'];

fn request(channel: u8, sequence: u32) -> Frame<'static> {
    Frame::Request {
        operation: 1,
        part: Part { tlvs: Tlvs::trusted(NAMED), ..part(channel, sequence) },
    }
}

/// HELLO of these TLVs.
fn hello(tlvs: &[u8]) -> Vec<u8> {
    bytes(&[Frame::Hello { lowest: 1, highest: 1, tlvs: Tlvs::trusted(tlvs) }])
}

/// The TLVs of the smallest HELLO: APP, DEVICE, NONCE.
fn least() -> Vec<u8> {
    let mut tlvs = Vec::new();
    TlvWriter(&mut tlvs)
        .bytes(kind::APP, b"a")
        .bytes(kind::DEVICE, &[1])
        .bytes(kind::NONCE, &[7; 16]);
    tlvs
}

fn with(more: &[u8]) -> Vec<u8> {
    hello(&[&least()[..], more].concat())
}

fn first() -> Vec<Case> {
    use CloseCode as C;
    let whole = frames::smallest_hello();
    let versions = |low, high| [&whole[..2], &[low, high], &whole[4..]].concat();
    let without = |from: usize, to: usize| hello(&[&least()[..from], &least()[to..]].concat());
    vec![
        ("a REQUEST first", bytes(&[request(1, 1)]), C::EARLY_FRAME),
        ("a PING first", vec![8, 1], C::EARLY_FRAME),
        ("a PONG first", vec![16, 1], C::EARLY_FRAME),
        ("a CREDIT first", vec![0x60, 2, 0, 1], C::EARLY_FRAME),
        ("a WELCOME first", vec![0x20, 1, 1], C::MALFORMED),
        ("no version in common", versions(2, 9), C::VERSION),
        ("a range of versions upside down", versions(2, 1), C::MALFORMED),
        ("version 0", versions(0, 1), C::MALFORMED),
        ("two HELLOs", [&whole[..], &whole].concat(), C::MALFORMED),
        ("HELLO without APP", without(0, 3), C::MALFORMED),
        ("HELLO without DEVICE", without(3, 6), C::MALFORMED),
        ("HELLO without NONCE", without(6, 24), C::MALFORMED),
        ("HELLO with an empty APP", hello(&[&[3, 0][..], &least()[3..]].concat()), C::MALFORMED),
        (
            "HELLO with a NONCE of 15 bytes",
            hello(&[&least()[..6], &[7, 15], &[7; 15]].concat()),
            C::MALFORMED,
        ),
        (
            "HELLO with a text that is no UTF-8",
            with(&[]).into_iter().map(|byte| if byte == b'a' { 0xff } else { byte }).collect(),
            C::MALFORMED,
        ),
        (
            "HELLO with a control character",
            with(&[]).into_iter().map(|byte| if byte == b'a' { 9 } else { byte }).collect(),
            C::MALFORMED,
        ),
        ("HELLO with a critical TLV that is unknown", with(&[0x61, 0]), C::MALFORMED),
        ("HELLO with AUTH whose scheme is longer than it", with(&[9, 2, 5, b'B']), C::MALFORMED),
        (
            "HELLO with half an identity of a dictionary",
            with(&[0x10, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
            C::MALFORMED,
        ),
        (
            "HELLO with a PROOF of 63 bytes",
            with(&[&[0x0e, 63][..], &[4; 63]].concat()),
            C::MALFORMED,
        ),
        ("HELLO with TLVs out of order", with(&[2, 1, 1]), C::MALFORMED),
        (
            "HELLO with a FIELD whose name is in capitals",
            with(&[0x15, 3, 1, b'A', b'b']),
            C::MALFORMED,
        ),
        (
            "HELLO with a FIELD with a line break",
            with(&[0x15, 4, 1, b'a', b'\r', b'\n']),
            C::MALFORMED,
        ),
        (
            "an early LOGIN that is not the next epoch",
            [&whole[..], &[0x68, 1, 2]].concat(),
            C::MALFORMED,
        ),
    ]
}

fn server() -> Vec<Case> {
    use CloseCode as C;
    let begun = Frame::Request {
        operation: 1,
        part: Part { more: true, tlvs: Tlvs::trusted(NAMED), ..part(1, 1) },
    };
    let message = |sequence| Frame::Message(Part { more: true, ..part(4, sequence) });
    let mut many = Vec::new();
    (0..65).for_each(|_| {
        TlvWriter(&mut many).pair(kind::FIELD, b"a", b"1");
    });
    let many =
        Frame::Request { operation: 1, part: Part { tlvs: Tlvs::trusted(&many), ..part(1, 1) } };
    vec![
        ("type 0", vec![0], C::MALFORMED),
        ("a flag that PING has not", vec![9, 1], C::MALFORMED),
        ("a flag that UPDATE has not", vec![0x79, 0], C::MALFORMED),
        ("ZSTD on DATA", vec![0x3c, 2, 1, 1], C::MALFORMED),
        ("MORE on ACK", vec![0x51, 2, 3, 1], C::MALFORMED),
        ("a length that is not in its shortest form", vec![0x28, 0x80, 0], C::MALFORMED),
        ("a length of more than 32 bits", vec![0x28, 0xff, 0xff, 0xff, 0xff, 0x1f], C::MALFORMED),
        ("a frame of 16,385 bytes", vec![0x28, 0xfe, 0x7f], C::TOO_LARGE),
        ("a frame of four gibibytes", vec![0x28, 0xff, 0xff, 0xff, 0xff, 0x0f], C::TOO_LARGE),
        ("an empty REQUEST", vec![0x28, 0], C::MALFORMED),
        ("a REQUEST that ends within its operation", vec![0x28, 3, 1, 1, 0x80], C::MALFORMED),
        ("an operation not in its shortest form", vec![0x28, 4, 1, 1, 0x81, 0], C::MALFORMED),
        ("channel 256", vec![0x28, 4, 0x80, 2, 1, 1], C::MALFORMED),
        ("sequence 0", vec![0x28, 3, 1, 0, 1], C::MALFORMED),
        ("an empty block of TLVs", vec![0x2a, 4, 1, 1, 1, 0], C::MALFORMED),
        ("a block longer than its frame", vec![0x2a, 5, 1, 1, 1, 9, 2], C::MALFORMED),
        ("a TLV longer than its block", vec![0x2a, 7, 1, 1, 1, 3, 0x33, 2, b'o'], C::MALFORMED),
        ("a TLV twice", vec![0x2a, 8, 1, 1, 1, 4, 0x40, 0, 0x40, 0], C::MALFORMED),
        ("TLVs out of order", vec![0x2a, 10, 1, 1, 1, 6, 0x40, 1, 1, 0x3a, 1, 1], C::MALFORMED),
        ("65 TLVs", bytes(&[many]), C::MALFORMED),
        ("an ACK with something behind it", vec![0x50, 3, 3, 1, 0], C::MALFORMED),
        ("a CREDIT of nothing", vec![0x60, 2, 0, 0], C::MALFORMED),
        ("a number left out", bytes(&[request(1, 2)]), C::SEQUENCE),
        ("a number used again", bytes(&[request(1, 1), request(1, 1)]), C::SEQUENCE),
        (
            "a number left out on another channel",
            bytes(&[request(1, 1), request(16, 2)]),
            C::SEQUENCE,
        ),
        ("a REQUEST on a message channel", bytes(&[request(2, 1)]), C::MALFORMED),
        ("a REQUEST on a reserved channel", bytes(&[request(5, 1)]), C::MALFORMED),
        ("a REQUEST on channel 0", bytes(&[request(0, 1)]), C::MALFORMED),
        ("a MESSAGE on a call channel", bytes(&[Frame::Message(part(1, 1))]), C::MALFORMED),
        (
            "an ACK on a call channel",
            bytes(&[Frame::Ack { channel: 1, sequence: 1 }]),
            C::MALFORMED,
        ),
        (
            "an ACK of what was not sent",
            bytes(&[Frame::Ack { channel: 3, sequence: 1 }]),
            C::SEQUENCE,
        ),
        ("a CANCEL on a reserved channel", vec![0x58, 3, 7, 1, 1], C::MALFORMED),
        (
            "a CREDIT of a reserved channel",
            bytes(&[Frame::Credit { channel: 6, bytes: 1 }]),
            C::MALFORMED,
        ),
        (
            "a CREDIT beyond 2^31 - 1",
            bytes(&[Frame::Credit { channel: 0, bytes: 1 << 31 }]),
            C::FLOW_CONTROL,
        ),
        ("DATA of no call", bytes(&[Frame::Data(part(1, 1))]), C::SEQUENCE),
        ("DATA behind the end", bytes(&[request(1, 1), Frame::Data(part(1, 1))]), C::SEQUENCE),
        ("DATA of no message", bytes(&[Frame::Data(part(4, 1))]), C::SEQUENCE),
        (
            "DATA with TLVs that is not the last",
            bytes(&[
                begun,
                Frame::Data(Part {
                    more: true,
                    tlvs: Tlvs::trusted(&[0x15, 2, 1, b'a']),
                    ..part(1, 1)
                }),
            ]),
            C::MALFORMED,
        ),
        ("a message within a message", bytes(&[message(1), message(2)]), C::SEQUENCE),
        (
            "a LOGIN within a message",
            bytes(&[message(1), Frame::Login { epoch: 1, tlvs: Tlvs::default() }]),
            C::MALFORMED,
        ),
        ("a LOGIN that is not the next epoch", vec![0x68, 1, 2], C::MALFORMED),
        ("a LOGIN of the same epoch", vec![0x68, 1, 0], C::MALFORMED),
        ("an UPDATE with a critical TLV that is unknown", vec![0x78, 2, 0x61, 0], C::MALFORMED),
        (
            "a compressed message, which WELCOME does not say are taken",
            bytes(&[Frame::Message(Part { zstd: true, ..part(4, 1) })]),
            C::COMPRESSION,
        ),
        ("a RESPONSE", bytes(&[Frame::Response { status: 200, part: part(1, 1) }]), C::MALFORMED),
        ("a WELCOME", vec![0x20, 1, 1], C::MALFORMED),
        ("a USER", vec![0x70, 2, 1, 0], C::MALFORMED),
        ("a GOAWAY", vec![0x80, 2, 0xe8, 7], C::MALFORMED),
        ("a second HELLO", frames::smallest_hello(), C::MALFORMED),
    ]
}

fn client() -> Vec<Case> {
    use CloseCode as C;
    let answer = |sequence| Frame::Response { status: 200, part: part(1, sequence) };
    let begun = Frame::Response { status: 200, part: Part { more: true, ..part(1, 1) } };
    vec![
        ("an answer to a call that was not made", bytes(&[answer(2)]), C::SEQUENCE),
        ("two answers to one call", bytes(&[begun, answer(1)]), C::SEQUENCE),
        ("DATA before the answer", bytes(&[Frame::Data(part(1, 1))]), C::SEQUENCE),
        ("status 200 as a number", vec![0x30, 4, 1, 1, 0xc8, 1], C::MALFORMED),
        ("status 100", vec![0x30, 3, 1, 1, 100], C::MALFORMED),
        (
            "an answer with a critical TLV that is unknown",
            vec![0x32, 6, 1, 1, 0, 2, 0x61, 0],
            C::MALFORMED,
        ),
        ("a REQUEST", bytes(&[request(1, 1)]), C::MALFORMED),
        ("a LOGIN", vec![0x68, 1, 1], C::MALFORMED),
        ("a HELLO", frames::smallest_hello(), C::MALFORMED),
        ("a second WELCOME", vec![0x20, 1, 1], C::MALFORMED),
        ("a gap in messages", bytes(&[Frame::Delivery(part(2, 2))]), C::SEQUENCE),
        ("a DELIVERY on a call channel", bytes(&[Frame::Delivery(part(1, 1))]), C::MALFORMED),
        ("a HEARTBEAT of no seconds", vec![0x78, 5, 0x24, 3, 0, 0, 0], C::MALFORMED),
    ]
}

/// A session at a stage.
fn at(stage: &str) -> Session {
    if stage == "client" {
        let hello =
            Hello { app: "a".into(), device: [1].into(), nonce: [7; 16], ..Hello::default() };
        let mut session = Session::client(Config::default(), &hello, Millis(0));
        session.request(NewRequest::new(Operation::Name("o"), Bytes::new())).unwrap();
        let mut welcome = BytesMut::new();
        Welcome { version: 1, ..Welcome::default() }.encode(&mut welcome);
        session.receive(&welcome, Millis(0));
        return session;
    }
    let mut session = Session::server(Config::default(), Millis(0));
    if stage == "server" {
        session.receive(&frames::smallest_hello(), Millis(0));
        session.accept(Welcome::default(), 0);
    }
    session
}

#[test]
fn connections_end_as_the_file_says() {
    let file = read();
    let list = file["refused"]["vectors"].as_array().unwrap();
    assert!(list.len() > 60);
    for vector in list {
        let (name, bytes) = (&vector["name"], unhex(&vector["hex"]));
        for piece in [usize::MAX, 1] {
            let mut session = at(vector["to"].as_str().unwrap());
            while session.poll_event().is_some() {}
            bytes.chunks(piece).for_each(|some| session.receive(some, Millis(0)));
            let last = std::iter::from_fn(|| session.poll_event()).last();
            let Some(Event::Closed(closed)) = last else { panic!("{name}: {last:?}") };
            assert_eq!(
                u64::from(closed.closing.code.0),
                vector["code"],
                "{name}: {}",
                closed.closing.detail
            );
        }
    }
}

/// Requests of a greeted client that are answered with an error, and leave the connection alone.
pub(super) fn answered() -> Value {
    let block = |write: &dyn Fn(&mut TlvWriter<'_, Vec<u8>>)| {
        let mut tlvs = Vec::new();
        write(&mut TlvWriter(&mut tlvs));
        tlvs
    };
    let named = |tlv: u32, value: &[u8]| {
        block(&|put| {
            let (before, after) =
                if tlv < kind::OPERATION { (Some(value), None) } else { (None, Some(value)) };
            if let Some(value) = before {
                put.bytes(tlv, value);
            }
            put.bytes(kind::OPERATION, b"o");
            if let Some(value) = after {
                put.bytes(tlv, value);
            }
        })
    };
    let cases: Vec<(&str, u32, Vec<u8>, u16, u32)> = vec![
        ("a number that means nothing", 7, vec![], 400, 1101),
        ("number 0 and no name", 0, vec![], 400, 1101),
        ("a number beyond max_operations", 257, NAMED.to_vec(), 400, 1101),
        ("an empty name", 1, vec![0x33, 0], 400, 1000),
        ("a name that is no text", 1, vec![0x33, 1, 0xff], 400, 1000),
        (
            "a name and a target",
            0,
            block(&|put| {
                put.bytes(kind::OPERATION, b"o").pair(kind::TARGET, b"GET", b"/");
            }),
            400,
            1000,
        ),
        (
            "a target and a number",
            1,
            block(&|put| {
                put.pair(kind::TARGET, b"GET", b"/");
            }),
            400,
            1000,
        ),
        (
            "a target and a query",
            0,
            block(&|put| {
                put.pair(kind::TARGET, b"GET", b"/").bytes(kind::QUERY, b"a=1");
            }),
            400,
            1000,
        ),
        ("a CALL_ID of 7 bytes", 1, named(kind::CALL_ID, &[1; 7]), 400, 1000),
        ("a CALL_ID of 33 bytes", 1, named(kind::CALL_ID, &[1; 33]), 400, 1000),
        ("a PRIORITY of two bytes", 1, named(kind::PRIORITY, &[1, 1]), 400, 1000),
        (
            "a DEADLINE that is not in its shortest form",
            1,
            named(kind::DEADLINE, &[0x80, 0]),
            400,
            1000,
        ),
        ("a critical TLV that is unknown", 1, named(0x61, &[]), 501, 1100),
    ];
    let vectors: Vec<_> = cases
        .into_iter()
        .map(|(name, operation, tlvs, status, error)| {
            let part = Part { tlvs: Tlvs::trusted(&tlvs), ..part(1, 1) };
            let hex = hex(&bytes(&[Frame::Request { operation, part }]));
            json!({ "name": name, "hex": hex, "status": status, "error": error })
        })
        .collect();
    vectors.into()
}

#[test]
fn calls_are_answered_as_the_file_says() {
    for vector in list(&read(), "answered") {
        let name = &vector["name"];
        let mut session = at("server");
        let mut out = BytesMut::new();
        session.poll_transmit(&mut out, 1);
        session.receive(&unhex(&vector["hex"]), Millis(0));
        out.clear();
        session.poll_transmit(&mut out, 1 << 14);
        let answer = super::describe::frame(&out);
        assert_eq!(answer["type"], "RESPONSE", "{name}");
        assert_eq!(answer["status"], vector["status"], "{name}");
        assert_eq!(answer["tlvs"][0]["name"], "ERROR", "{name}");
        assert_eq!(answer["tlvs"][0]["value"], vector["error"], "{name}");
        assert!(!session.is_closed(), "{name}");
    }
}
