//! Compressed messages of MMTP: from a peer, damaged, and there and back.

use bytes::BytesMut;
use paifang_mmtp::compress::{
    Compressor, Decompressor, Dictionary, FREE_GROWTH, Settings, allowed,
};
use std::sync::LazyLock;

static DICTIONARY: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::load(&include_bytes!("mmtp_compress.zdict")[..], 3).unwrap());
static COMPRESSOR: LazyLock<Compressor> = LazyLock::new(|| {
    Compressor::new(Settings { min_bytes: 1, min_saving: 1, level: 3 }, 1).unwrap()
});
static DECOMPRESSOR: LazyLock<Decompressor> = LazyLock::new(|| Decompressor::new(1));

/// The first byte chooses what is done and whether with the dictionary, the second a limit or a place.
pub fn run(data: &[u8]) {
    let [choice, number, rest @ ..] = data else { return };
    let dictionary = (choice & 1 == 1).then_some(&*DICTIONARY);
    match choice >> 1 & 1 {
        0 => received(rest, dictionary, usize::from(*number) << 8),
        _ => round(rest, dictionary, *number),
    }
}

/// Bytes of a peer are refused and leave nothing, or are a message within every limit.
fn received(bytes: &[u8], dictionary: Option<&Dictionary>, limit: usize) {
    let mut out = BytesMut::from(&b"kept"[..]);
    match DECOMPRESSOR.decompress(bytes, dictionary, limit, &mut out) {
        Ok(length) => {
            assert!(length <= limit && allowed(length as u64, bytes.len()));
            assert_eq!(out.len(), 4 + length);
        }
        Err(_) => assert_eq!(&out[..], b"kept"),
    }
    assert!(out.starts_with(b"kept"));
}

/// A message comes back; the same bytes damaged or cut are another message of a length that was said, or refused.
fn round(message: &[u8], dictionary: Option<&Dictionary>, number: u8) {
    let mut wire = BytesMut::new();
    let Some(made) = COMPRESSOR.compress(message, dictionary, &mut wire) else {
        assert!(wire.is_empty());
        return;
    };
    assert_eq!(made.bytes, wire.len());
    assert!(made.bytes < message.len());
    let mut out = BytesMut::new();
    let length = DECOMPRESSOR.decompress(&wire, dictionary, message.len(), &mut out);
    assert_eq!(length, Ok(message.len()));
    assert_eq!(&out[..], message);

    let place = usize::from(number) % wire.len();
    received(&wire[..place], dictionary, FREE_GROWTH as usize);
    wire[place] ^= number | 1;
    received(&wire, dictionary, message.len());
}
