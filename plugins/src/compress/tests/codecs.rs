//! The codecs by themselves: what goes in comes out, however it is cut, and others can read it.

use super::{FREE, decoded, encoded, text};
use crate::compress::{
    codec::{CODECS, Codec, Levels},
    decode::{DecodeError, Decoder},
    encode::{Encoder, Then},
};
use proptest::prelude::*;
use std::{cell::RefCell, io::Read};

/// The same by the crates' own readers.
fn read_by_others(codec: Codec, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec {
        Codec::Gzip => drop(flate2::read::GzDecoder::new(data).read_to_end(&mut out).unwrap()),
        Codec::Br => drop(brotli::Decompressor::new(data, 0).read_to_end(&mut out).unwrap()),
        Codec::Zstd => {
            out.reserve(8 << 20);
            zstd_safe::decompress(&mut out, data).unwrap();
        }
    }
    out
}

/// Cuts `data` into pieces of these sizes, again and again.
fn cut<'a>(mut data: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if data.is_empty() {
            break;
        }
        let (piece, rest) = data.split_at((*size).clamp(1, data.len()));
        pieces.push(piece);
        data = rest;
    }
    pieces
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..3000),
        proptest::collection::vec(0u8..3, 0..20_000),
        (0usize..200_000).prop_map(|length| text(length).to_vec()),
    ]
}

thread_local! {
    /// Used again by every case, as the pool does.
    static USED: RefCell<Vec<Encoder>> =
        RefCell::new(CODECS.iter().map(|codec| Encoder::new(*codec).unwrap()).collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_goes_in_comes_out(
        data in bodies(),
        ins in proptest::collection::vec(1usize..9000, 1..6),
        outs in proptest::collection::vec(1usize..700, 1..6),
        flushes in any::<u64>(),
        level in 1u8..=9,
        told in any::<bool>(),
        leaves in any::<bool>(),
    ) {
        for codec in CODECS {
            let coded = USED.with_borrow_mut(|used| {
                let encoder = &mut used[codec as usize];
                encoder.begin(level, told.then_some(data.len() as u64)).unwrap();
                let mut coded = Vec::new();
                for (index, piece) in cut(&data, &ins).into_iter().enumerate() {
                    let flush = flushes >> (index % 64) & 1 == 1;
                    encoder.feed(piece, if flush { Then::Flush } else { Then::Go }).unwrap();
                    coded.extend_from_slice(&encoder.take());
                    if flush {
                        let mut decoder = Decoder::new(codec, FREE).unwrap();
                        decoder.feed(&coded).unwrap();
                        let so_far: usize = cut(&data, &ins)[..=index].iter().map(|p| p.len()).sum();
                        prop_assert_eq!(decoder.take().len(), so_far, "{:?} after a flush", codec);
                    }
                    if leaves && index == 3 {
                        // Broken off: the next response begins anew all the same.
                        encoder.begin(level, None).unwrap();
                        coded.clear();
                        encoder.feed(&data, Then::Go).unwrap();
                        coded.extend_from_slice(&encoder.take());
                        break;
                    }
                }
                encoder.feed(b"", Then::Finish).unwrap();
                coded.extend_from_slice(&encoder.take());
                Ok(coded)
            })?;
            let mut decoder = Decoder::new(codec, FREE).unwrap();
            let mut plain = Vec::new();
            for piece in cut(&coded, &outs) {
                decoder.feed(piece).unwrap();
                plain.extend_from_slice(&decoder.take());
            }
            prop_assert_eq!(decoder.finish(), Ok(()));
            prop_assert!(plain == data, "{:?}", codec);
            prop_assert!(read_by_others(codec, &coded) == data, "{:?}", codec);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic_or_pass_a_broken_body(
        data in bodies(),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cut_off in any::<bool>(),
    ) {
        for codec in CODECS {
            let mut coded = encoded(codec, &data);
            let at = at.index(coded.len());
            if cut_off { coded.truncate(at) } else { coded[at] ^= flip }
            let mut decoder = Decoder::new(codec, FREE).unwrap();
            let fed = decoder.feed(&coded);
            if cut_off && at > 0 {
                prop_assert!(fed.is_ok());
                prop_assert_eq!(decoder.finish(), Err(DecodeError::Malformed("it breaks off")));
            }
        }
    }
}

#[test]
fn all_levels_are_read_by_others_and_keep_to_their_windows() {
    let text = text(2 << 20);
    for codec in CODECS {
        for level in 1..=codec.most() {
            let mut encoder = Encoder::new(codec).unwrap();
            encoder.begin(level, None).unwrap();
            encoder.feed(&text, Then::Finish).unwrap();
            assert!(read_by_others(codec, &encoder.take()) == text, "{codec:?} {level}");
        }
    }
}

#[test]
fn several_members_and_frames_are_one_body() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let data = [encoded(codec, b"one"), encoded(codec, b""), encoded(codec, b"two")].concat();
        assert_eq!(decoded(codec, &data), b"onetwo");
        let mut decoder = Decoder::new(codec, FREE).unwrap();
        assert!(decoder.feed(&[&data[..], b"x"].concat()).is_err() || decoder.finish().is_err());
    }
    let skipped = [&0x184D_2A53u32.to_le_bytes()[..], &[2, 0, 0, 0, 7, 7]].concat();
    let data = [&skipped[..], &encoded(Codec::Zstd, b"one")].concat();
    assert_eq!(decoded(Codec::Zstd, &data), b"one");
    let mut decoder = Decoder::new(Codec::Br, FREE).unwrap();
    let twice = [encoded(Codec::Br, b"one"), encoded(Codec::Br, b"two")].concat();
    assert!(decoder.feed(&twice).is_err());
}

#[test]
fn nothing_is_a_body_and_something_else_is_none() {
    for codec in CODECS {
        assert_eq!(decoded(codec, b""), b"");
        assert_eq!(decoded(codec, &encoded(codec, b"")), b"");
        let mut decoder = Decoder::new(codec, FREE).unwrap();
        let fed = decoder.feed(b"{\"no\": \"coding at all\"}").and_then(|()| decoder.finish());
        assert!(matches!(fed, Err(DecodeError::Malformed(_))), "{codec:?}");
    }
}

#[test]
fn a_level_can_be_turned_and_has_its_bounds() {
    let levels = Levels::new(|codec| codec.most());
    levels.set(Codec::Zstd, 1);
    levels.set(Codec::Br, 200);
    levels.set(Codec::Gzip, 0);
    assert_eq!(CODECS.map(|codec| levels.get(codec)), [1, 6, 1]);
}

#[test]
fn a_zstd_encoder_keeps_to_the_memory_that_the_page_tells() {
    for level in 1..=Codec::Zstd.most() {
        for length in [None, Some(2000)] {
            let mut encoder = Encoder::new(Codec::Zstd).unwrap();
            encoder.begin(level, length).unwrap();
            encoder.feed(&text(2 << 20), Then::Flush).unwrap();
            let memory = encoder.c_memory();
            let most = if length.is_some() { 1 << 20 } else { 3 << 20 };
            assert!(memory < most, "{level} {length:?}: {memory}");
        }
    }
}

#[test]
fn an_encoder_that_broke_off_begins_anew() {
    for codec in CODECS {
        for level in 1..=codec.most() {
            let mut encoder = Encoder::new(codec).unwrap();
            for length in 1..200 {
                encoder.begin(level, None).unwrap();
                encoder.feed(&text(length), Then::Go).unwrap();
                encoder.begin(level, None).unwrap();
                for byte in &text(length)[..] {
                    encoder.feed(&[*byte], Then::Flush).unwrap();
                }
                encoder.feed(b"", Then::Finish).unwrap();
                assert_eq!(decoded(codec, &encoder.take()), text(length), "{codec:?} {level}");
            }
        }
    }
}
