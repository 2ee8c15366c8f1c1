//! Bytes that are no frame of the wire form: each is refused by its own reason, none makes a panic.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn sample(with: Option<&Dictionary>) -> (Vec<u8>, Vec<u8>) {
    let message = Corpus::new(6).find(|message| message.bytes.len() > 600).unwrap().bytes;
    let mut wire = BytesMut::new();
    eager().compress(&message, with, &mut wire).unwrap();
    (message, wire.to_vec())
}

fn refused(bytes: &[u8]) -> CompressError {
    decompress(bytes, None, LIMIT).unwrap_err()
}

#[test]
fn a_frame_cut_anywhere_is_cut_short() {
    let dictionary = dictionary();
    for with in [None, Some(&dictionary)] {
        let (_, wire) = sample(with);
        for end in 0..wire.len() {
            assert_eq!(
                decompress(&wire[..end], with, LIMIT),
                Err(CompressError::Truncated),
                "{end}"
            );
        }
    }
}

#[test]
fn nothing_follows_the_frame() {
    let (_, wire) = sample(None);
    let followed = |by: &[u8]| refused(&[&wire, by].concat());
    assert_eq!(followed(b"x"), CompressError::Trailing(1));
    // Another frame, with its magic number and without.
    let whole = [&super::super::frame::MAGIC[..], &wire].concat();
    assert_eq!(followed(&whole), CompressError::Trailing(whole.len()));
    assert_eq!(followed(&wire), CompressError::Trailing(wire.len()));
    // A frame that is to be skipped.
    assert_eq!(followed(&[0x50, 0x2A, 0x4D, 0x18, 0, 0, 0, 0]), CompressError::Trailing(8));
}

#[test]
fn frames_of_other_forms_are_refused() {
    let (message, wire) = sample(None);
    let malformed = |bytes: &[u8], why: &str| {
        let error = refused(bytes).to_string();
        assert!(error.contains(why), "{error}");
    };
    let flip = |bit: u8| [&[wire[0] ^ bit], &wire[1..]].concat();
    malformed(&flip(0b0000_1000), "reserved bits");
    malformed(&flip(0b0001_0000), "reserved bits");
    malformed(&flip(0b0000_0100), "checksum");
    malformed(&flip(0b0000_0001), "dictionary id");
    malformed(&flip(0b0000_0010), "dictionary id");
    // No single segment, and no length.
    malformed(&[0, 7 << 3, 1, 0, 0], "how long");
    // A block of the reserved type; one that is larger than the frame's window.
    malformed(&[0b0010_0000, 3, 0b111, 0, 0], "reserved type");
    malformed(&[0b0010_0000, 3, 0b0010_0001, 0, 0, 1, 2, 3, 4], "larger than the window");

    // What zstd writes when nobody asks it otherwise: with its magic number, a checksum, an id.
    let mut usual = vec![0; 2 * message.len()];
    let made = zstd_safe::compress(&mut usual[..], &message, 3).unwrap();
    assert!(decompress(&usual[..made], None, LIMIT).is_err());
    assert_eq!(decompress(&usual[4..made], None, LIMIT).unwrap(), message);
}

#[test]
fn another_dictionary_or_none_gives_no_message() {
    let (right, other) = (dictionary(), Dictionary::load(train(9, 4 << 10), 3).unwrap());
    let (message, wire) = sample(Some(&right));
    assert_eq!(decompress(&wire, Some(&right), LIMIT).unwrap(), message);
    for wrong in [None, Some(&other)] {
        assert_ne!(decompress(&wire, wrong, LIMIT).ok(), Some(message.clone()));
    }
    // The other way round a dictionary does not matter, for the frame does not ask for it.
    let (message, wire) = sample(None);
    assert_eq!(decompress(&wire, Some(&right), LIMIT).unwrap(), message);
}

#[test]
fn a_context_that_met_a_bad_frame_takes_the_next_one() {
    let (message, wire) = sample(None);
    let decompressor = Decompressor::new(1);
    let mut broken = wire.clone();
    for index in 8..broken.len() {
        broken[index] = !broken[index];
        let mut out = BytesMut::new();
        let _ = decompressor.decompress(&broken, None, LIMIT, &mut out);
        broken[index] = !broken[index];
        out.clear();
        decompressor.decompress(&wire, None, LIMIT, &mut out).unwrap();
        assert_eq!(out, message);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_a_message_within_limits(
        bytes in vec(any::<u8>(), 0..200), with in any::<bool>(),
    ) {
        if let Ok(message) = decompress(&bytes, with.then(dictionary).as_ref(), 1 << 16) {
            prop_assert!(message.len() <= 1 << 16);
        }
    }

    #[test]
    fn a_damaged_frame_is_refused_or_a_message_of_the_said_length(
        at in any::<proptest::sample::Index>(), bit in 0..8_u32, with in any::<bool>(),
    ) {
        let with = with.then(dictionary);
        let (_, mut wire) = sample(with.as_ref());
        let at = at.index(wire.len());
        wire[at] ^= 1_u8 << bit;
        let _ = decompress(&wire, with.as_ref(), LIMIT);
    }
}
