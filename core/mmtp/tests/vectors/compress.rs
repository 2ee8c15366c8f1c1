//! Compressed messages that are good and that are not. Whole ones are given rather than made, for another release of Zstandard may find
//! other bytes for the same message.

use super::{hex, list, read, unhex};
use bytes::BytesMut;
use paifang_mmtp::compress::{Decompressor, Dictionary, DictionaryId};
use serde_json::{Value, json};

const DICTIONARY: &[u8] = include_bytes!("../../../../fuzz/bodies/mmtp_compress.zdict");
/// The largest message that is taken here.
const LIMIT: usize = 1 << 20;

const ERROR: &str = "{\"type\":\"https://errors.example.com/out-of-stock\",\"title\":\"Out of stock\",\"status\":409}";
/// [`ERROR`] with the dictionary.
const ERROR_WIRE: &str =
    "2056350100b07b6f75742d6f662d73746f636b4f7574206f6620397d04f0017b0e682e8042c62c8ce4cc1e";

/// The dictionary that vectors name.
pub(super) fn dictionary() -> Value {
    json!({ "identity": DictionaryId::of(DICTIONARY).to_string(), "hex": hex(DICTIONARY) })
}

/// A frame of one segment with an eight-byte length, and these blocks: kind, size as it says, bytes.
fn frame(content: u64, blocks: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut frame = [&[0b1110_0000][..], &content.to_le_bytes()].concat();
    for (index, (kind, size, bytes)) in blocks.iter().enumerate() {
        let last = u32::from(index + 1 == blocks.len());
        frame.extend_from_slice(&(size << 3 | kind << 1 | last).to_le_bytes()[..3]);
        frame.extend_from_slice(bytes);
    }
    frame
}

pub(super) fn whole() -> Value {
    let vector = |name: &str, wire: String, with: bool, message: &[u8]| json!({ "name": name, "hex": wire, "dictionary": with, "message": hex(message) });
    let two = frame(9, &[(0, 3, b"abc"), (1, 6, b"d")]);
    json!([
        vector("a raw block", hex(&[0x20, 1, 9, 0, 0, b'a']), false, b"a"),
        vector("a raw block and a repeated byte", hex(&two), false, b"abcdddddd"),
        vector(
            "a repeated byte, a window of 128 KiB",
            hex(&[0x40, 0x38, 0, 0, 3, 8, 0, b'a']),
            false,
            &[b'a'; 256]
        ),
        vector("with the dictionary", ERROR_WIRE.to_owned(), true, ERROR.as_bytes()),
    ])
}

pub(super) fn refused() -> Value {
    let good = frame(3, &[(0, 3, b"abc")]);
    let vector = |name: &str, bytes: &[u8]| json!({ "name": name, "hex": hex(bytes) });
    json!([
        vector("nothing", b""),
        vector("cut short", &good[..good.len() - 1]),
        vector("a byte behind it", &[&good[..], b"x"].concat()),
        vector("another frame behind it", &[&good[..], &good].concat()),
        vector(
            "a frame to be skipped behind it",
            &[&good[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat()
        ),
        vector("with its magic number", &[&[0x28, 0xb5, 0x2f, 0xfd], &good[..]].concat()),
        vector("without its content size", &[0, 0x38, 0x19, 0, 0, b'a', b'b', b'c']),
        vector("with a checksum", &[&[good[0] | 4], &good[1..], &[0; 4]].concat()),
        vector("with a dictionary number", &[&[good[0] | 1, 7], &good[1..]].concat()),
        vector("with a reserved bit", &[&[good[0] | 8], &good[1..]].concat()),
        vector("longer than it says", &frame(2, &[(0, 3, b"abc")])),
        vector("shorter than it says", &frame(4, &[(0, 3, b"abc")])),
        vector("longer than max_message", &frame(LIMIT as u64 + 1, &[(1, 1, b"a")])),
        vector("more than 256 times its length", &frame(16_385, &[(1, 16_385, b"a")])),
        vector("a window of 144 KiB", &[0x40, 0x39, 0, 0, 3, 8, 0, b'a']),
        vector("a block of the reserved type", &[0x20, 3, 0x1f, 0, 0, b'a', b'b', b'c']),
    ])
}

#[test]
fn compressed_messages_are_read_as_the_file_says() {
    let file = read();
    let dictionary = Dictionary::load(unhex(&file["dictionary"]["hex"]), 3).unwrap();
    assert_eq!(dictionary.id().to_string(), file["dictionary"]["identity"]);
    let decompressor = Decompressor::new(1);
    for vector in list(&file, "compressed") {
        let mut out = BytesMut::new();
        let with = vector["dictionary"].as_bool().unwrap().then_some(&dictionary);
        let done = decompressor.decompress(&unhex(&vector["hex"]), with, LIMIT, &mut out);
        assert_eq!(done, Ok(out.len()), "{}", vector["name"]);
        assert_eq!(hex(&out), vector["message"], "{}", vector["name"]);
    }
    for vector in list(&file, "compressed_refused") {
        let mut out = BytesMut::new();
        let done = decompressor.decompress(&unhex(&vector["hex"]), None, LIMIT, &mut out);
        assert!(done.is_err(), "{}", vector["name"]);
    }
}
