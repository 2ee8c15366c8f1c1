//! Bodies that grow: they are refused before they have grown.

use super::{encoded, text};
use crate::compress::{
    codec::{CODECS, Codec},
    decode::{DecodeError, Decoder, Limits},
};

/// How far a decoder goes with this body, and what it says; its output is never kept.
fn run(codec: Codec, data: &[u8], limits: Limits) -> (usize, Result<(), DecodeError>) {
    let mut decoder = Decoder::new(codec, limits).unwrap();
    let mut made = 0;
    for piece in data.chunks(1000) {
        if let Err(error) = decoder.feed(piece) {
            return (made + decoder.take().len(), Err(error));
        }
        made += decoder.take().len();
    }
    (made, decoder.finish())
}

#[test]
fn ten_megabytes_of_nothing_are_refused_by_size_and_by_ratio() {
    for codec in CODECS {
        let bomb = encoded(codec, &vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000, "{codec:?}: {}", bomb.len());
        let size = Limits { bytes: 1 << 20, ratio: 10_000_000 };
        let (made, end) = run(codec, &bomb, size);
        assert_eq!(end, Err(DecodeError::TooLarge(1 << 20)));
        assert!(made <= 1 << 20);
        let ratio = Limits { bytes: 1 << 40, ratio: 100 };
        let (made, end) = run(codec, &bomb, ratio);
        assert_eq!(end, Err(DecodeError::GrowsTooMuch(100)));
        assert!(made <= bomb.len().min(1000) * 100 + (64 << 10) + (16 << 10), "{made}");
    }
}

#[test]
fn a_body_may_be_as_large_as_it_may_be() {
    for codec in CODECS {
        let data = encoded(codec, &text(100_000));
        for (bytes, wanted) in [(100_000, Ok(())), (99_999, Err(DecodeError::TooLarge(99_999)))] {
            assert_eq!(run(codec, &data, Limits { bytes, ratio: 10_000 }).1, wanted, "{codec:?}");
        }
        // The first 64 KiB are free of the ratio.
        let free = encoded(codec, &vec![0; 64 << 10]);
        let (made, end) = run(codec, &free, Limits { bytes: 1 << 20, ratio: 2 });
        assert_eq!((made, end), (64 << 10, Ok(())));
    }
}

#[test]
fn a_bomb_in_a_bomb_is_only_one() {
    for codec in CODECS {
        let inner = encoded(codec, &vec![0; 10 << 20]);
        let (made, end) =
            run(codec, &encoded(codec, &inner), Limits { bytes: 1 << 20, ratio: 100 });
        assert_eq!((made, end), (inner.len(), Ok(())));
    }
}

#[test]
fn windows_beyond_the_standards_are_refused() {
    // A frame of 16 MiB, its window descriptor 14 << 3: RFC 9659 ends at 8 MiB.
    let head = |window: u8| [&0xFD2F_B528u32.to_le_bytes()[..], &[0x00, window << 3]].concat();
    let block = [0b001u8, 0, 0];
    let limits = Limits { bytes: 1 << 20, ratio: 100 };
    assert!(run(Codec::Zstd, &[&head(14)[..], &block].concat(), limits).1.is_err());
    assert_eq!(run(Codec::Zstd, &[&head(13)[..], &block].concat(), limits), (0, Ok(())));
    // A large window of Brotli, which RFC 7932 does not have: 0x11, then the window's bits.
    assert!(run(Codec::Br, &[0x11, 0x1E, 0x00, 0x03], limits).1.is_err());
}

#[test]
fn formats_from_before_the_standard_are_refused() {
    for version in [0xFD2F_B522u32, 0xFD2F_B525, 0xFD2F_B526, 0xFD2F_B527, 0x1EB5_2FFD] {
        let data = [&version.to_le_bytes()[..], &[0; 64]].concat();
        let limits = Limits { bytes: 1 << 20, ratio: 100 };
        assert_eq!(run(Codec::Zstd, &data, limits).1, Err(DecodeError::Malformed("it is no zstd")));
        let second = [&encoded(Codec::Zstd, b"one")[..], &data].concat();
        assert!(run(Codec::Zstd, &second, limits).1.is_err());
    }
}
