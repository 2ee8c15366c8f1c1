//! There and back: the same message, shorter, whatever was compressed before it.

use super::super::{MAX_WINDOW, allowed, frame};
use super::*;
use crate::compress::pool::ContextPool;
use proptest::collection::vec;
use proptest::prelude::*;

fn there_and_back(message: &[u8], dictionary: Option<&Dictionary>) -> Option<usize> {
    let mut wire = BytesMut::from("before");
    let Some(made) = eager().compress(message, dictionary, &mut wire) else {
        assert_eq!(&wire[..], b"before");
        return None;
    };
    let wire = &wire["before".len()..];
    assert_eq!(wire.len(), made.bytes);
    assert!(made.bytes < message.len());
    let used = dictionary.filter(|used| made.dictionary == Some(used.id()));
    assert_eq!(made.dictionary.is_some(), used.is_some());
    assert_eq!(decompress(wire, used, message.len()).unwrap(), message);
    Some(made.bytes)
}

#[test]
fn messages_of_the_corpus_come_back_and_a_dictionary_makes_them_shorter() {
    let dictionary = dictionary();
    let (mut raw, mut alone, mut with) = (0, 0, 0);
    for message in Corpus::new(2).take(300) {
        let length = message.bytes.len();
        raw += length;
        alone += there_and_back(&message.bytes, None).unwrap_or(length);
        with += there_and_back(&message.bytes, Some(&dictionary)).unwrap_or(length);
    }
    assert!(alone < raw * 3 / 4, "{alone} of {raw}");
    assert!(with < alone * 3 / 4, "{with} of {alone}");
}

#[test]
fn nothing_of_one_message_is_in_the_next() {
    let dictionary = dictionary();
    let compressor = eager();
    let messages: Vec<_> = Corpus::new(3).take(50).map(|message| message.bytes).collect();
    let wire = |message: &[u8], with| {
        let mut out = BytesMut::new();
        compressor.compress(message, with, &mut out).map(|_| out)
    };
    for with in [None, Some(&dictionary)] {
        let first: Vec<_> = messages.iter().map(|message| wire(message, with)).collect();
        let again: Vec<_> = messages.iter().rev().map(|message| wire(message, with)).collect();
        assert!(first.iter().eq(again.iter().rev()));
        // Twice the same in a row: the second says everything again.
        assert_eq!(wire(&messages[0], with), wire(&messages[0], with));
    }
}

#[test]
fn messages_of_every_length_keep_to_the_window() {
    let dictionary = dictionary();
    let text: Vec<u8> = Corpus::new(4).flat_map(|message| message.bytes).take(1 << 20).collect();
    let window = MAX_WINDOW as usize;
    for length in [1, 255, 256, 65_791, 65_792, window, window + 1, 3 * window, 1 << 20] {
        let message = &text[..length];
        for with in [None, Some(&dictionary)] {
            let mut wire = BytesMut::new();
            if let Some(made) = eager().compress(message, with, &mut wire) {
                assert_eq!(frame::check(&wire, length), Ok(length));
                assert_eq!(made.dictionary.is_some(), with.is_some() && length <= window);
            }
            there_and_back(message, with);
        }
    }
}

#[test]
fn what_is_not_worth_it_is_sent_as_it_is() {
    let compressor =
        Compressor::new(Settings { min_bytes: 100, min_saving: 50, level: 3 }, 1).unwrap();
    let mut out = BytesMut::from("before");
    assert_eq!(compressor.compress(&[b'a'; 99], None, &mut out), None);
    assert_eq!(compressor.compress(b"", None, &mut out), None);
    assert!(compressor.compress(&[b'a'; 100], None, &mut out).is_some());

    // Random text of sixteen letters shrinks to half of its length at best.
    let hex: Vec<u8> = ring::digest::digest(&ring::digest::SHA256, b"seed")
        .as_ref()
        .iter()
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .chain([b'0'; 36])
        .collect();
    assert_eq!(hex.len(), 100);
    let mut exact = BytesMut::new();
    let made = eager().compress(&hex, None, &mut exact).unwrap();
    let saved = hex.len() - made.bytes;
    for (min_saving, worth) in [(saved, true), (saved + 1, false)] {
        let settings = Settings { min_bytes: 1, min_saving, level: 3 };
        let mut out = BytesMut::new();
        let done = Compressor::new(settings, 1).unwrap().compress(&hex, None, &mut out);
        assert_eq!(done.is_some(), worth, "{min_saving}");
        assert_eq!(out.is_empty(), !worth);
    }
}

#[test]
fn a_message_that_shrinks_like_a_bomb_is_sent_as_it_is() {
    let mut out = BytesMut::new();
    assert_eq!(eager().compress(&vec![0; 1 << 20], None, &mut out), None);
    assert!(out.is_empty());
    let short = vec![0; 16 << 10];
    let made = eager().compress(&short, None, &mut out).unwrap();
    assert!(allowed(short.len() as u64, made.bytes) && made.bytes < 30);
}

#[test]
fn contexts_are_kept_up_to_a_number_and_lent_again() {
    let pool = ContextPool::new(2, || Some(0));
    pool.lend(|first| {
        *first = 1;
        pool.lend(|second| {
            *second = 2;
            pool.lend(|third| assert_eq!(*third, 0));
        });
    });
    assert_eq!(pool.idle(), 2);
    let mut seen = [0, 0];
    pool.lend(|one| pool.lend(|other| seen = [*one, *other]));
    assert!(seen.contains(&2) && seen.contains(&0), "{seen:?}");
    assert_eq!(ContextPool::new(1, || None::<u8>).lend(|_| ()), None);
}

proptest! {
    #[test]
    fn any_message_comes_back(message in vec(any::<u8>(), 0..3000), with in any::<bool>()) {
        there_and_back(&message, with.then(dictionary).as_ref());
    }

    #[test]
    fn any_repeating_message_comes_back(
        part in vec(any::<u8>(), 1..80), times in 1_usize..4000, level in 1..=19_i32,
    ) {
        let message = part.repeat(times);
        let compressor = Compressor::new(Settings { min_bytes: 1, min_saving: 1, level }, 1).unwrap();
        let mut wire = BytesMut::new();
        if compressor.compress(&message, None, &mut wire).is_some() {
            prop_assert_eq!(decompress(&wire, None, LIMIT).unwrap(), message);
        }
    }
}
