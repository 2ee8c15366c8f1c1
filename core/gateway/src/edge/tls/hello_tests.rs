//! Reading ClientHellos that a real client wrote, whole, in pieces, and broken.

use std::sync::Arc;

use proptest::prelude::*;
use tokio_rustls::rustls::{self, ClientConfig, ClientConnection, RootCertStore, version};

use super::*;
use crate::edge::tls::hello as client_hello;

/// The checks of the fuzz target, which has the reader's file alone.
#[path = "../../../../../fuzz/bodies/client_hello.rs"]
#[allow(unreachable_pub)]
mod client_hello_body;
#[path = "../../../../../fuzz/replay.rs"]
#[allow(unreachable_pub)]
mod replay;

#[test]
fn client_hello_corpus() {
    replay::replay("client_hello", client_hello_body::run);
}

/// The first flight of a client that asks for `host`.
fn flight(host: &str, versions: &[&'static rustls::SupportedProtocolVersion]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = host.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same message in records of `size` bytes.
fn in_records(flight: &[u8], size: usize) -> Vec<u8> {
    let pieces = flight[RECORD_HEADER..].chunks(size);
    let record = |piece: &[u8]| {
        let length = (piece.len() as u16).to_be_bytes();
        [&[HANDSHAKE, 3, 1][..], &length, piece].concat()
    };
    pieces.flat_map(record).collect()
}

#[test]
fn a_client_is_understood() {
    let name = Some("shop.example".into());
    for (versions, tls13) in [
        (&[&version::TLS13, &version::TLS12][..], true),
        (&[&version::TLS12], false),
        (&[&version::TLS13], true),
    ] {
        let flight = flight("SHOP.example", versions);
        let expected = Hello { server_name: name.clone(), tls13, early_data: false };
        assert_eq!(read(&flight), First::Hello(expected.clone()));
        for size in [1, 3, 4, 5, 100] {
            assert_eq!(read(&in_records(&flight, size)), First::Hello(expected.clone()), "{size}");
        }
        // What follows in the same flight is another's affair.
        let followed = [&flight[..], &[20, 3, 3, 0, 1, 1, 23]].concat();
        assert_eq!(read(&followed), First::Hello(expected));
    }
    let nameless = flight("192.0.2.1", &[&version::TLS13]);
    let expected = Hello { server_name: None, tls13: true, early_data: false };
    assert_eq!(read(&nameless), First::Hello(expected));
}

#[test]
fn every_beginning_is_incomplete() {
    let flight = flight("a.example", &[&version::TLS13]);
    for bytes in [flight.clone(), in_records(&flight, 7)] {
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), First::Incomplete, "{end}");
        }
    }
}

#[test]
fn lengths_that_lie_and_other_protocols_are_left_to_rustls() {
    let flight = flight("a.example", &[&version::TLS13]);
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = flight.clone();
        changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes
    };
    for (name, bytes) in [
        ("another kind of record", with(&[(0, 23)])),
        ("another kind of message", with(&[(5, 2)])),
        ("an empty record", with(&[(3, 0), (4, 0)])),
        ("a record too long", with(&[(3, 0x40), (4, 1)])),
        ("a message too long", with(&[(6, 1)])),
        ("a session id beyond the end", with(&[(43, 255)])),
        ("extensions shorter than they say", with(&[(8, flight[8].wrapping_sub(1))])),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("one byte of HTTP", b"G".to_vec()),
    ] {
        assert_eq!(read(&bytes), First::Unreadable, "{name}");
    }
    // A message that never ends is given up.
    let endless =
        in_records(&[&[0; RECORD_HEADER][..], &[1, 0, 0x7f, 0xff], &[0; 0x7000]].concat(), 4);
    assert!(endless.len() > HELLO_MAX);
    assert_eq!(read(&endless), First::Unreadable);
    let crumbs = in_records(&[&[0; RECORD_HEADER][..], &[1, 0, 0x7f, 0xff], &[0; 600]].concat(), 1);
    assert_eq!(read(&crumbs), First::Unreadable);
}

proptest! {
    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        at in 0usize..400,
        byte: u8,
    ) {
        let _ = read(&bytes);
        let _ = read(&[&[HANDSHAKE, 3, 1][..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat());
        let mut flight = flight("a.example", &[&version::TLS13]);
        let at = at % flight.len();
        flight[at] = byte;
        let _ = read(&flight);
    }
}
