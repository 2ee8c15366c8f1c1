//! Every frame as bytes and back, and bytes that are none.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    reader::Malformed,
    tlv::{TlvWriter, kind},
};

/// Each type of frame with its bytes, written by hand from the spec.
fn samples() -> Vec<(Frame<'static>, &'static [u8])> {
    let tlvs = Tlvs::trusted(&[0x02, 1, 5]);
    let part = Part { channel: 1, sequence: 200, data: b"hi", ..Part::default() };
    vec![
        (Frame::Ping(7), &[0x08, 7]),
        (Frame::Pong(255), &[0x10, 255]),
        (Frame::Hello { lowest: 1, highest: 2, tlvs }, &[0x18, 5, 1, 2, 2, 1, 5]),
        (Frame::Welcome { version: 1, tlvs }, &[0x20, 4, 1, 2, 1, 5]),
        (Frame::Request { operation: 3, part }, &[0x28, 6, 1, 0xc8, 1, 3, b'h', b'i']),
        (
            Frame::Request { operation: 0, part: Part { more: true, zstd: true, tlvs, ..part } },
            &[0x2f, 10, 1, 0xc8, 1, 0, 3, 2, 1, 5, b'h', b'i'],
        ),
        (Frame::Response { status: 200, part }, &[0x30, 6, 1, 0xc8, 1, 0, b'h', b'i']),
        (Frame::Response { status: 404, part }, &[0x30, 7, 1, 0xc8, 1, 0x94, 3, b'h', b'i']),
        (Frame::Data(Part { more: true, ..part }), &[0x39, 5, 1, 0xc8, 1, b'h', b'i']),
        (Frame::Message(Part { channel: 2, ..part }), &[0x40, 5, 2, 0xc8, 1, b'h', b'i']),
        (Frame::Delivery(Part { channel: 3, ..part }), &[0x48, 5, 3, 0xc8, 1, b'h', b'i']),
        (Frame::Ack { channel: 3, sequence: 9 }, &[0x50, 2, 3, 9]),
        (
            Frame::Cancel { channel: 1, sequence: 9, code: CancelCode::DEADLINE },
            &[0x58, 3, 1, 9, 2],
        ),
        (Frame::Credit { channel: 0, bytes: 65_536 }, &[0x60, 4, 0, 0x80, 0x80, 4]),
        (Frame::Login { epoch: 2, tlvs }, &[0x68, 4, 2, 2, 1, 5]),
        (Frame::User { epoch: 2, status: 401, tlvs }, &[0x70, 6, 2, 0x91, 3, 2, 1, 5]),
        (Frame::Update { tlvs }, &[0x78, 3, 2, 1, 5]),
        (Frame::Goaway { code: CloseCode::DRAINING, tlvs }, &[0x80, 5, 0xe9, 7, 2, 1, 5]),
        (Frame::Close { code: CloseCode::MALFORMED, tlvs }, &[0x88, 5, 0xa2, 0x1f, 2, 1, 5]),
        (Frame::Ignored(28), &[0xe0, 0]),
    ]
}

#[test]
fn every_frame_is_the_bytes_of_the_spec() {
    for (frame, bytes) in samples() {
        let mut written = Vec::new();
        frame.encode(&mut written);
        assert_eq!(written, bytes, "{frame:?}");
        assert_eq!(split(bytes, MAX_FRAME), Ok(Split::Frame(frame, bytes.len())));
        for cut in 0..bytes.len() {
            let Ok(Split::Partial(needed)) = split(&bytes[..cut], MAX_FRAME) else {
                panic!("{frame:?} cut at {cut}");
            };
            assert!(needed > cut && needed <= bytes.len(), "{frame:?} {cut} {needed}");
        }
    }
}

#[test]
fn bytes_behind_a_frame_are_left_alone() {
    for (frame, bytes) in samples() {
        let followed = [bytes, &[0xff; 40]].concat();
        assert_eq!(split(&followed, MAX_FRAME), Ok(Split::Frame(frame, bytes.len())));
    }
}

#[test]
fn what_is_no_frame() {
    use Malformed::*;
    let cases: &[(&[u8], Malformed)] = &[
        (&[0], NoType),
        (&[0x0c, 1], Flag("PING")),
        (&[0x52, 2, 3, 9], Flag("ACK")),
        (&[0x3c, 3, 1, 1, 0], Flag("DATA")),
        (&[0x28, 0x80, 0x00], Integer("length")),
        (&[0x28, 0xff, 0xff, 0x7f], TooLarge(0x1f_ffff + 4)),
        (&[0x28, 2, 1, 1], Short("operation")),
        (&[0x28, 3, 1, 0, 1], Value("sequence")),
        (&[0x28, 4, 0x80, 2, 1, 1], Value("channel")),
        (&[0x2a, 4, 1, 1, 1, 0], Value("block of TLVs")),
        (&[0x2a, 5, 1, 1, 1, 2, 2], Short("block of TLVs")),
        (&[0x2a, 6, 1, 1, 1, 2, 2, 9], Short("TLV's value")),
        (&[0x30, 3, 1, 1, 100], Value("status")),
        (&[0x30, 4, 1, 1, 0xc8, 1], Value("status")),
        (&[0x50, 3, 3, 9, 0], Trailing("ACK")),
        (&[0x60, 2, 0, 0], Value("credit")),
        (&[0x18, 2, 2, 1], Value("range of versions")),
        (&[0x18, 2, 0, 1], Value("range of versions")),
        (&[0x18, 6, 1, 1, 4, 0, 2, 0], Order(2)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(split(bytes, MAX_FRAME), Err(*expected), "{bytes:x?}");
    }
}

#[test]
fn a_small_call_costs_five_bytes() {
    let part = Part { channel: 1, sequence: 1, data: &[0; 100], ..Part::default() };
    for frame in [Frame::Request { operation: 9, part }, Frame::Response { status: 200, part }] {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        assert_eq!(bytes.len(), 105);
    }
}

#[test]
fn the_largest_frame_is_a_record_and_not_a_byte_more() {
    // First byte, two of length, channel, sequence, operation.
    for (data, fits) in [(MAX_FRAME - 6, true), (MAX_FRAME - 5, false)] {
        let data = vec![0; data];
        let part = Part { channel: 1, sequence: 1, data: &data, ..Part::default() };
        let mut bytes = Vec::new();
        Frame::Request { operation: 1, part }.encode(&mut bytes);
        assert_eq!(split(&bytes, MAX_FRAME).is_ok(), fits);
        assert_eq!(split(&bytes, usize::MAX).is_ok(), fits);
    }
}

#[test]
fn blocks_are_bounded() {
    let mut block = Vec::new();
    let mut writer = TlvWriter(&mut block);
    for _ in 0..crate::tlv::MAX_COUNT + 1 {
        writer.pair(kind::FIELD, b"a", b"1");
    }
    let part = Part { channel: 1, sequence: 1, tlvs: Tlvs::trusted(&block), ..Part::default() };
    let mut bytes = Vec::new();
    Frame::Request { operation: 1, part }.encode(&mut bytes);
    assert_eq!(split(&bytes, MAX_FRAME), Err(Malformed::TooManyTlvs));
}
