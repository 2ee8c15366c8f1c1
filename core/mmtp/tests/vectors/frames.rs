//! Frames that are good, each type and each TLV at least once.

use bytes::BytesMut;
use paifang_mmtp::code::{CancelCode, CloseCode};
use paifang_mmtp::frame::{Frame, Part};
use paifang_mmtp::greeting::{
    Auth, Closing, DeviceKey, DeviceKeyKind, Dictionary, Heartbeat, Hello, Network, NetworkKind,
    Resumed, Settings, Token, Update, UserChange, UserResult, Welcome,
};
use paifang_mmtp::tlv::{TlvWriter, Tlvs, kind};

type Named = (&'static str, Vec<u8>);

/// Every good frame.
pub(super) fn all() -> Vec<Named> {
    [greetings(), calls(), messages(), others()].concat()
}

fn written(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut out);
    out.to_vec()
}

fn frame(frame: Frame<'_>) -> Vec<u8> {
    written(|out| frame.encode(out))
}

/// The least that a client may say.
pub(super) fn smallest_hello() -> Vec<u8> {
    let hello = Hello {
        versions: (1, 1),
        app: "a".into(),
        device: [1].into(),
        nonce: [7; 16],
        ..Hello::default()
    };
    written(|out| hello.encode(out))
}

fn greetings() -> Vec<Named> {
    let hello = Hello {
        versions: (1, 3),
        features: 5,
        app: "wallet".into(),
        app_version: "10.2.0".into(),
        device: [7; 16].into(),
        platform: "android 16; Pixel 9".into(),
        nonce: [9; 16],
        network: Some(Network { kind: NetworkKind::Mobile4g, carrier: "46000".into() }),
        auth: Some(Auth { scheme: "Bearer".into(), credential: b"abc.def".as_slice().into() }),
        resume: Some([1, 2, 3].into()),
        device_key: Some(DeviceKey { kind: DeviceKeyKind::Ed25519, key: [3; 32].into() }),
        proof: Some([4; 64].into()),
        authority: Some("api.example.com".into()),
        dictionaries: vec![[5; 16], [6; 16]],
        cursors: vec![(3, [1, 9].into()), (8, [].into())],
        foreground: Some(true),
        fields: vec![("user-agent".into(), b"wallet/10".as_slice().into())],
        settings: Settings { max_frame: 4096, connection_window: 1 << 20, ..Settings::default() },
        epoch: 4,
    };
    let token = Token { lifetime: 86_400, bytes: [1, 2, 3, 4].into() };
    let welcome = Welcome {
        version: 1,
        features: 1,
        cursors: vec![(3, [1, 9].into())],
        settings: Settings { max_calls: 100, max_message: 4 << 20, ..Settings::default() },
        server_time: 1_795_392_000_123,
        connection: 1 << 40,
        heartbeat: Some(Heartbeat { initial: 60, least: 20, most: 300 }),
        token: Some(token.clone()),
        resumed: Some(Resumed::Yes),
        user: Some("u-7".into()),
        alternates: vec!["b.example.com:443".into(), "192.0.2.7:443".into()],
        dictionaries: vec![Dictionary {
            number: 1,
            identity: [5; 16],
            channel: 1,
            operation: "orders.create".into(),
        }],
    };
    let smallest = Welcome { version: 1, ..Welcome::default() };
    let change = UserChange { epoch: 1, auth: hello.auth.clone() };
    let accepted = UserResult {
        epoch: 1,
        server_time: 1_795_392_000_123,
        token: Some(token.clone()),
        user: Some("u-7".into()),
        ..UserResult::default()
    };
    let refused = UserResult {
        epoch: 2,
        status: 401,
        error: 401,
        detail: "expired".into(),
        ..UserResult::default()
    };
    let moved = Update {
        network: Some(Network { kind: NetworkKind::Wifi, carrier: "".into() }),
        dictionaries: vec![[7; 16]],
        foreground: Some(false),
        learnt: Some(285),
        ..Update::default()
    };
    let renewed = Update {
        heartbeat: Some(Heartbeat { initial: 30, least: 30, most: 30 }),
        token: Some(token.clone()),
        alternates: vec!["c.example.com:443".into()],
        ..Update::default()
    };
    let resumed = Update {
        cursors: vec![(2, b"p7".as_slice().into()), (3, [1, 9].into())],
        token: Some(token),
        resumed: Some(Resumed::Yes),
        ..Update::default()
    };
    let unknown = [smallest_hello(), vec![0xfe, 0x7e, 2, 0xab, 0xcd]].concat();
    vec![
        ("the smallest HELLO", smallest_hello()),
        ("HELLO with everything", written(|out| hello.encode(out))),
        ("HELLO with a TLV of the grease range", longer(unknown, 5)),
        ("the smallest WELCOME", written(|out| smallest.encode(out))),
        ("WELCOME with everything", written(|out| welcome.encode(out))),
        ("LOGIN", written(|out| change.encode(out))),
        ("LOGIN that is a logout", written(|out| UserChange { epoch: 2, auth: None }.encode(out))),
        ("USER, accepted", written(|out| accepted.encode(out))),
        ("USER, refused", written(|out| refused.encode(out))),
        ("UPDATE of a client", written(|out| moved.encode(out))),
        ("UPDATE of a server", written(|out| renewed.encode(out))),
        ("UPDATE of a server that has looked at the token", written(|out| resumed.encode(out))),
    ]
}

/// A frame with a length of one byte whose body has become so much longer.
fn longer(mut bytes: Vec<u8>, by: u8) -> Vec<u8> {
    bytes[1] += by;
    bytes
}

fn part(data: &'static [u8]) -> Part<'static> {
    Part { channel: 1, sequence: 1, data, ..Part::default() }
}

fn calls() -> Vec<Named> {
    let mut named = Vec::new();
    TlvWriter(&mut named)
        .pair(kind::FIELD, b"content-type", b"application/json")
        .pair(kind::FIELD, b"x-device", b"")
        .bytes(kind::OPERATION, b"orders.get")
        .pair(kind::PARAM, b"shop", "Caf\u{e9}".as_bytes())
        .bytes(kind::QUERY, b"page=2&size=10")
        .integer(kind::DEADLINE, 3000)
        .bytes(kind::PRIORITY, &[0])
        .bytes(kind::CALL_ID, &[0x22; 16])
        .integer(kind::ATTEMPT, 2);
    let mut target = Vec::new();
    TlvWriter(&mut target).integer(kind::ENCODED_WITH, 1).pair(
        kind::TARGET,
        b"GET",
        b"/v1/orders?page=2",
    );
    let mut refused = Vec::new();
    TlvWriter(&mut refused).integer(kind::ERROR, 1101).integer(kind::AFTER, 500);
    let mut trailers = Vec::new();
    TlvWriter(&mut trailers).pair(kind::FIELD, b"grpc-status", b"0");
    let with = |block, part: Part<'static>| Part { tlvs: Tlvs::trusted(block), ..part };
    let late = Part { sequence: 16_384, ..part(b"hi") };
    let last = Part { channel: 31, sequence: u32::MAX, ..part(b"") };
    vec![
        (
            "REQUEST of five bytes beside its data",
            frame(Frame::Request { operation: 1, part: part(b"hi") }),
        ),
        ("REQUEST with a long sequence", frame(Frame::Request { operation: 1, part: late })),
        ("REQUEST with the last sequence", frame(Frame::Request { operation: 300, part: last })),
        (
            "REQUEST that names its operation",
            frame(Frame::Request { operation: 1, part: with(&named, part(b"{}")) }),
        ),
        (
            "REQUEST by method and path, compressed, to be continued",
            frame(Frame::Request {
                operation: 0,
                part: Part { more: true, zstd: true, ..with(&target, part(b"\x20\x01")) },
            }),
        ),
        ("RESPONSE, 200", frame(Frame::Response { status: 200, part: part(b"ok") })),
        ("RESPONSE, 404, empty", frame(Frame::Response { status: 404, part: part(b"") })),
        (
            "RESPONSE that refuses the call",
            frame(Frame::Response { status: 400, part: with(&refused, part(b"")) }),
        ),
        ("DATA", frame(Frame::Data(Part { more: true, ..part(b"middle") }))),
        ("DATA, the last, with trailers", frame(Frame::Data(with(&trailers, part(b"end"))))),
        ("CANCEL", frame(Frame::Cancel { channel: 1, sequence: 9, code: CancelCode::DEADLINE })),
    ]
}

fn messages() -> Vec<Named> {
    let mut block = Vec::new();
    TlvWriter(&mut block).integer(kind::ENCODED_WITH, 2).integer(kind::EXPIRES, 60_000);
    let part = |channel, data| Part { channel, ..part(data) };
    let tlvs = Tlvs::trusted(&block);
    vec![
        ("MESSAGE", frame(Frame::Message(part(4, b"log line")))),
        (
            "MESSAGE, to be continued",
            frame(Frame::Message(Part { more: true, ..part(15, b"begin") })),
        ),
        ("DELIVERY", frame(Frame::Delivery(part(2, b"push")))),
        (
            "DELIVERY, compressed",
            frame(Frame::Delivery(Part { zstd: true, tlvs, ..part(3, b"\x20\x01") })),
        ),
        ("ACK", frame(Frame::Ack { channel: 3, sequence: 128 })),
    ]
}

fn others() -> Vec<Named> {
    let closing = Closing {
        after: 1000,
        jitter: 30_000,
        alternates: vec!["b.example.com:443".into()],
        last: vec![(1, 17), (16, 0)],
        ..Closing::new(CloseCode::DRAINING)
    };
    let refused = Closing { error: 1000, after: 500, ..Closing::new(CloseCode::AUTH_FAILED) }
        .detail("expired");
    vec![
        ("PING", frame(Frame::Ping(7))),
        ("PONG", frame(Frame::Pong(255))),
        ("CREDIT of the connection", frame(Frame::Credit { channel: 0, bytes: 65_536 })),
        ("CREDIT of a channel", frame(Frame::Credit { channel: 31, bytes: 1 })),
        ("GOAWAY", written(|out| closing.encode_goaway(out))),
        ("CLOSE", written(|out| Closing::new(CloseCode::DONE).encode_close(out))),
        ("CLOSE with reasons", written(|out| refused.encode_close(out))),
        ("a frame of a reserved type", vec![18 << 3 | 5, 2, 0xff, 0xff]),
        ("a frame of a grease type", vec![31 << 3, 0]),
    ]
}
