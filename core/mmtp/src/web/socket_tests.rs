//! What goes through, what is answered, what ends it.

use super::*;

/// Bytes that one side sends, received by the other.
fn hand(to: &mut WebSocket, bytes: Bytes, step: usize) -> (Vec<u8>, Result<bool, Broken>) {
    let (mut payload, mut last) = (BytesMut::new(), Ok(true));
    for piece in bytes.chunks(step) {
        last = to.receive(Bytes::copy_from_slice(piece), &mut payload);
        if last != Ok(true) {
            break;
        }
    }
    (payload.to_vec(), last)
}

/// A frame as a client sends it: masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Bytes {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes.into()
}

#[test]
fn bytes_go_through_both_ways_however_they_are_cut() {
    for step in [1, 7, 100_000] {
        let (mut client, mut server) = (WebSocket::new(Side::Client), WebSocket::new(Side::Server));
        client.send(Bytes::from_static(b"one"));
        client.send(vec![b'x'; 40_000].into());
        let (got, end) = hand(&mut server, client.take_output(), step);
        assert_eq!((got.len(), &got[..5], end), (40_003, &b"onexx"[..], Ok(true)));
        server.send(Bytes::from_static(b"back"));
        server.close();
        let (got, end) = hand(&mut client, server.take_output(), step);
        assert_eq!((got, end), (b"back".to_vec(), Ok(false)));
        // The client answers the close, and sends nothing behind it.
        client.send(Bytes::from_static(b"late"));
        let (got, end) = hand(&mut server, client.take_output(), step);
        assert_eq!((got, end), (vec![], Ok(false)));
    }
}

#[test]
fn fragments_are_joined_and_pings_between_them_are_answered() {
    let mut server = WebSocket::new(Side::Server);
    let pieces = [frame(0x02, b"a"), frame(0x89, b"hi"), frame(0x00, b"b"), frame(0x80, b"c")];
    let (got, end) = hand(&mut server, pieces.concat().into(), 100);
    assert_eq!((got, end), (b"abc".to_vec(), Ok(true)));
    assert_eq!(&server.take_output()[..], b"\x8a\x02hi");
}

#[test]
fn a_broken_rule_ends_it_and_is_told() {
    let large = vec![0; MAX_MESSAGE + 1];
    let half = vec![0; MAX_MESSAGE / 2 + 1];
    let cases: [(Bytes, u16); 9] = [
        (frame(0x81, b"text"), 1003),
        (frame(0x82, &large), 1009),
        ([frame(0x02, &half), frame(0x80, &half)].concat().into(), 1009),
        (frame(0x80, b"goes on with nothing"), 1002),
        (frame(0x83, b"no such frame"), 1002),
        (frame(0xc2, b"reserved bit"), 1002),
        (frame(0x09, b"a ping in pieces"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        // Not masked.
        (Bytes::from_static(b"\x82\x01x"), 1002),
    ];
    for (bytes, code) in cases {
        let mut server = WebSocket::new(Side::Server);
        let (got, end) = hand(&mut server, bytes, 10_000);
        assert_eq!((got.len(), end.map_err(|broken| broken.code)), (0, Err(code)));
        let told = server.take_output();
        assert_eq!((told[0], &told[2..4]), (0x88, &code.to_be_bytes()[..]));
    }
}

#[test]
fn a_close_is_answered_with_its_code() {
    let mut server = WebSocket::new(Side::Server);
    let (got, end) = hand(&mut server, frame(0x88, b"\x03\xe8bye"), 100);
    assert_eq!((got, end), (vec![], Ok(false)));
    assert_eq!(&server.take_output()[..], b"\x88\x05\x03\xe8bye");
    assert_eq!(hand(&mut server, frame(0x82, b"late"), 100).1, Ok(false));
}

#[test]
fn garbage_never_panics() {
    let mut state = 7_u64;
    for round in 0..2000_u64 {
        let mut server = WebSocket::new(Side::Server);
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
                (state >> 33) as u8
            })
            .collect();
        let _ = hand(&mut server, bytes.into(), 5);
    }
}
