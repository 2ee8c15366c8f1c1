//! Compressed messages: there and back, refused ones, bombs, and the choice of dictionaries.

mod bombs;
#[allow(dead_code)]
#[path = "../../../examples/compression/corpus/mod.rs"]
mod corpus;
mod hostile;
mod names;
mod numbered;
mod round;
mod rules;

use super::{CompressError, Compressor, Decompressor, Dictionary, Settings};
use bytes::BytesMut;
use corpus::Corpus;
use std::sync::LazyLock;

/// What tests of limits take.
const LIMIT: usize = 4 << 20;

/// Compresses whatever becomes a byte shorter.
fn eager() -> Compressor {
    Compressor::new(Settings { min_bytes: 1, min_saving: 1, level: 3 }, 2).unwrap()
}

/// Trains a dictionary with messages of the corpus of this seed.
fn train(seed: u64, bytes: usize) -> Vec<u8> {
    let messages: Vec<_> = Corpus::new(seed).take(600).map(|message| message.bytes).collect();
    let sizes: Vec<_> = messages.iter().map(Vec::len).collect();
    let mut dictionary = vec![0; bytes];
    let made =
        zstd_safe::train_from_buffer(&mut dictionary[..], &messages.concat(), &sizes).unwrap();
    dictionary.truncate(made);
    dictionary
}

/// A trained dictionary.
fn dictionary() -> Dictionary {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| train(1, 8 << 10));
    Dictionary::load(BYTES.clone(), 3).unwrap()
}

fn decompress(
    bytes: &[u8],
    dictionary: Option<&Dictionary>,
    limit: usize,
) -> Result<Vec<u8>, CompressError> {
    let mut out = BytesMut::from("before");
    let done = Decompressor::new(1).decompress(bytes, dictionary, limit, &mut out);
    assert!(out.starts_with(b"before"));
    match done {
        Ok(length) => assert_eq!(out.len(), "before".len() + length),
        Err(_) => assert_eq!(&out[..], b"before"),
    }
    done.map(|_| out["before".len()..].to_vec())
}
