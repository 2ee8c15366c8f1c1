//! Messages by the numbers of their dictionaries.

use super::super::{Known, Numbered, Pattern, Plain, Rules};
use super::*;

fn message() -> Vec<u8> {
    Corpus::new(9).find(|message| message.bytes.len() > 300).unwrap().bytes
}

fn set() -> super::super::Dictionaries {
    let patterns = [Pattern::read("orders.*").unwrap()];
    Rules::default().add(dictionary(), Some(1), patterns).build().unwrap()
}

#[test]
fn a_message_says_by_number_what_it_was_made_with() {
    let server = Numbered::in_order(set());
    let client = Numbered::by(set(), |id| if id == dictionary().id() { 7 } else { 0 });
    assert_eq!(
        (server.number(dictionary().id()), client.number(dictionary().id())),
        (Some(1), Some(7))
    );
    let (compressor, decompressor, data) = (eager(), Decompressor::new(1), message());
    let plain = |channel, operation| Plain { channel, operation, data: &data };
    for (numbered, number) in [(&server, 1), (&client, 7)] {
        let orders = plain(1, Some("orders.create"));
        let encoded = numbered.encode(&compressor, Known::ALL, orders).unwrap();
        assert_eq!(encoded.dictionary, Some(number));
        let decode = |number, limit| numbered.decode(&decompressor, number, &encoded.data, limit);
        assert_eq!(decode(Some(number), LIMIT).unwrap(), data);
        assert_eq!(decode(Some(2), LIMIT), Err(CompressError::UnknownNumber(2)));
        assert_eq!(decode(Some(0), LIMIT), Err(CompressError::UnknownNumber(0)));
        assert!(matches!(decode(Some(number), 10), Err(CompressError::TooLong { limit: 10, .. })));
        // Without its dictionary it is none, or another.
        assert_ne!(decode(None, LIMIT).ok().as_deref(), Some(&data[..]));
        for (channel, operation, known) in [
            (1, Some("orders.create"), Known::NONE),
            (1, Some("users.get"), Known::ALL),
            (2, Some("orders.create"), Known::ALL),
        ] {
            let encoded = numbered.encode(&compressor, known, plain(channel, operation)).unwrap();
            assert_eq!(encoded.dictionary, None, "{channel} {operation:?}");
        }
    }
}

#[test]
fn what_a_peer_gets_to_know_is_added() {
    let server = Numbered::in_order(set());
    let known = Known::NONE.and(server.set().known([dictionary().id()]));
    assert_eq!(known, server.set().known([dictionary().id()]));
    assert!(!known.is_empty() && Known::NONE.and(Known::NONE).is_empty());
}

#[test]
fn short_messages_go_as_they_are() {
    let server = Numbered::in_order(set());
    let compressor = Compressor::new(Settings::default(), 1).unwrap();
    let plain = Plain { channel: 1, operation: None, data: &[b'a'; 63] };
    assert_eq!(server.encode(&compressor, Known::ALL, plain), None);
    let plain = Plain { data: &[b'a'; 64], ..plain };
    assert!(server.encode(&compressor, Known::ALL, plain).is_some());
}
