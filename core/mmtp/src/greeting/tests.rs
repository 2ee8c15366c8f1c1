//! Greetings there and back, and greetings that are none.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;

use super::*;
use crate::{
    code::CloseCode,
    frame::{Frame, MAX_FRAME, Split, split},
    tlv::{TlvWriter, Tlvs, kind},
};

fn hello() -> Hello {
    Hello {
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
        cursors: vec![(3, [1, 9].into())],
        foreground: Some(true),
        fields: vec![("user-agent".into(), b"wallet/10".as_slice().into())],
        settings: Settings { max_frame: 4096, connection_window: 1 << 20, ..Settings::default() },
        epoch: 4,
    }
}

fn decoded<T>(bytes: &[u8], read: impl Fn(Frame<'_>) -> T) -> T {
    match split(bytes, MAX_FRAME).unwrap() {
        Split::Frame(frame, length) if length == bytes.len() => read(frame),
        other => panic!("{other:?}"),
    }
}

#[test]
fn greetings_round_trip() {
    let mut bytes = BytesMut::new();
    hello().encode(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::Hello { lowest, highest, tlvs } => Hello::decode((lowest, highest), tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(hello()));

    let welcome = Welcome {
        version: 1,
        features: 1,
        cursors: vec![(3, [8].into())],
        settings: Settings { max_calls: 100, ..Settings::default() },
        server_time: 1_790_000_000_123,
        connection: 1 << 40,
        heartbeat: Some(Heartbeat { initial: 60, least: 20, most: 300 }),
        token: Some(Token { lifetime: 86_400, bytes: [1; 40].into() }),
        resumed: Some(Resumed::Foreign),
        user: Some("u-1".into()),
        alternates: vec!["a.example:443".into(), "b.example:443".into()],
        dictionaries: vec![Dictionary {
            number: 1,
            identity: [7; 16],
            channel: 1,
            operation: "orders.list".into(),
        }],
    };
    let mut bytes = BytesMut::new();
    welcome.encode(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::Welcome { version, tlvs } => Welcome::decode(version, tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(welcome));
}

#[test]
fn changes_round_trip() {
    let update = Update {
        network: Some(Network { kind: NetworkKind::Wifi, carrier: "".into() }),
        dictionaries: vec![[3; 16], [4; 16]],
        cursors: vec![(2, [1, 2].into()), (8, [].into())],
        foreground: Some(false),
        learnt: Some(285),
        heartbeat: Some(Heartbeat { initial: 30, least: 30, most: 30 }),
        token: Some(Token { lifetime: 1, bytes: [2].into() }),
        resumed: Some(Resumed::Used),
        alternates: vec!["[2001:db8::1]:443".into()],
    };
    let mut bytes = BytesMut::new();
    update.encode(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::Update { tlvs } => Update::decode(tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(update));

    for auth in [None, hello().auth] {
        let change = UserChange { epoch: 300, auth };
        let mut bytes = BytesMut::new();
        change.encode(&mut bytes);
        let read = decoded(&bytes, |frame| match frame {
            Frame::Login { epoch, tlvs } => UserChange::decode(epoch, tlvs),
            other => panic!("{other:?}"),
        });
        assert_eq!(read, Ok(change));
    }

    let result = UserResult {
        epoch: 2,
        status: 401,
        server_time: 5,
        token: Some(Token { lifetime: 9, bytes: [3; 1024].into() }),
        user: Some("u".into()),
        error: 2010,
        detail: "expired".into(),
    };
    let mut bytes = BytesMut::new();
    result.encode(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::User { epoch, status, tlvs } => UserResult::decode(epoch, status, tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(result));
}

#[test]
fn closings_round_trip_with_what_each_may_say() {
    let closing = Closing {
        alternates: vec!["a:1".into()],
        error: 3000,
        after: 500,
        jitter: 60_000,
        last: vec![(1, 300), (16, 0)],
        ..Closing::new(CloseCode::DRAINING).detail("so\nlong")
    };
    assert_eq!(&*closing.detail, "solong");
    let mut bytes = BytesMut::new();
    closing.encode_goaway(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::Goaway { code, tlvs } => Closing::decode(code, tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(Closing { error: 0, detail: "".into(), ..closing.clone() }));
    let mut bytes = BytesMut::new();
    closing.encode_close(&mut bytes);
    let read = decoded(&bytes, |frame| match frame {
        Frame::Close { code, tlvs } => Closing::decode(code, tlvs),
        other => panic!("{other:?}"),
    });
    assert_eq!(read, Ok(Closing { last: vec![], ..closing }));
    assert_eq!(Closing::new(CloseCode::DONE).detail(&"é".repeat(200)).detail.len(), 256);
}

/// HELLO with one TLV in place of, or beside, what it must have.
fn hello_with(kind: u32, value: &[u8]) -> Result<Hello, Malformed> {
    let mut all =
        vec![(kind::APP, b"a".to_vec()), (kind::DEVICE, b"d".to_vec()), (kind::NONCE, vec![0; 16])];
    all.retain(|(own, _)| *own != kind);
    all.push((kind, value.to_vec()));
    all.sort();
    let mut bytes = Vec::new();
    for (kind, value) in &all {
        TlvWriter(&mut bytes).bytes(*kind, value);
    }
    Hello::decode((1, 1), Tlvs::new(&bytes, 99).unwrap())
}

#[test]
fn what_is_no_hello() {
    let field = |name: &[u8], value: &[u8]| {
        let mut bytes = Vec::new();
        TlvWriter(&mut bytes).pair(2, name, value);
        bytes[2..].to_vec()
    };
    let bad: Vec<(u32, Vec<u8>)> = vec![
        (kind::APP, vec![]),
        (kind::APP, vec![b'a'; 65]),
        (kind::APP, vec![0xff]),
        (kind::APP, b"a\nb".to_vec()),
        (kind::DEVICE, vec![]),
        (kind::DEVICE, vec![0; 65]),
        (kind::NONCE, vec![0; 15]),
        (kind::NONCE, vec![0; 17]),
        (kind::NETWORK, vec![]),
        (kind::AUTH, field(b"", b"x")),
        (kind::AUTH, field(b"Be arer", b"x")),
        (kind::AUTH, field(b"Bearer", b"a\r\nx: y")),
        (kind::AUTH, field(b"Bearer", &[b'a'; 8193])),
        (kind::AUTH, vec![9, 1]),
        (kind::RESUME, vec![]),
        (kind::RESUME, vec![0; 1025]),
        (kind::DEVICE_KEY, vec![3; 33]),
        (kind::DEVICE_KEY, vec![2; 32]),
        (kind::PROOF, vec![0; 63]),
        (kind::DICTIONARIES, vec![0; 17]),
        (kind::DICTIONARIES, vec![0; 16 * 65]),
        (kind::CURSOR, vec![]),
        (kind::CURSOR, vec![0x80, 2]),
        (kind::CURSOR, vec![1; 66]),
        (kind::STATE, vec![]),
        (kind::FIELD, field(b"Upper", b"")),
        (kind::FIELD, field(b":path", b"")),
        (kind::FIELD, field(b"", b"")),
        (kind::FIELD, field(b"a", b"b\r\nc")),
        (kind::SETTINGS, vec![1]),
        (kind::EPOCH, vec![1, 1]),
        (0x61, vec![]),
    ];
    for (kind, value) in bad {
        assert!(hello_with(kind, &value).is_err(), "{kind:#x} {value:x?}");
    }
    for missing in [kind::APP, kind::DEVICE, kind::NONCE] {
        let mut bytes = Vec::new();
        let mut put = TlvWriter(&mut bytes);
        for (kind, value) in
            [(kind::APP, &[b'a'][..]), (kind::DEVICE, &[1]), (kind::NONCE, &[0; 16])]
        {
            if kind != missing {
                put.bytes(kind, value);
            }
        }
        let read = Hello::decode((1, 1), Tlvs::new(&bytes, 9).unwrap());
        assert!(matches!(read, Err(Malformed::Missing(_))), "{missing:#x}");
    }
    assert!(hello_with(kind::GREASE_FIRST, b"anything").is_ok());
    assert_eq!(
        hello_with(kind::NETWORK, &[99]).unwrap().network.unwrap().kind,
        NetworkKind::Unknown
    );
}

#[test]
fn settings_never_fall_below_what_early_requests_rely_on() {
    let small = hello_with(kind::SETTINGS, &[1, 0, 2, 1, 3, 1, 4, 0, 5, 0, 6, 0, 99, 7]).unwrap();
    assert_eq!(small.settings, Settings { max_frame: 1024, ..Settings::default() });
    let large = [1, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let large = hello_with(kind::SETTINGS, &large).unwrap();
    assert_eq!(large.settings.connection_window, Settings::MAX_WINDOW);
}

#[test]
fn secrets_stay_out_of_debug() {
    let text = format!("{:?}", hello());
    assert!(!text.contains("abc.def") && text.contains("Bearer"), "{text}");
    let token = Token { lifetime: 1, bytes: b"secret".as_slice().into() };
    assert_eq!(format!("{token:?}"), "Token { lifetime: 1, .. }");
}
