//! `compress`: what a client says it accepts, and bodies that it sends coded.

use paifang_plugins::compress::accept::Accepts;
use paifang_plugins::compress::codec::{CODECS, Codec};
use paifang_plugins::compress::decode::{DecodeError, Decoder, Limits};
use paifang_plugins::compress::encode::{Encoder, Then};

const LIMITS: Limits = Limits { bytes: 1 << 20, ratio: 1000 };

/// The first byte chooses: a field, a coded body, or a body to code. The second cuts the rest into
/// pieces.
pub fn run(data: &[u8]) {
    let [choice, size, rest @ ..] = data else { return };
    let size = usize::from(*size) + 1;
    let codec = CODECS[usize::from(choice / 3) % CODECS.len()];
    match choice % 3 {
        0 => accept(rest, size),
        1 => decode(codec, rest, size),
        _ => round(codec, rest, size),
    }
}

/// A choice is one that the client gave weight to, and none has more.
fn accept(field: &[u8], size: usize) {
    let fields = || field.chunks(size);
    let accepts = Accepts::read(fields());
    let order = [Codec::Gzip, Codec::Zstd, Codec::Br];
    if let Some(codec) = accepts.choose(&order) {
        assert!(accepts.weight(codec) > 0);
        assert!(order.iter().all(|other| accepts.weight(*other) <= accepts.weight(codec)));
    }
    assert!(order.iter().all(|codec| accepts.weight(*codec) <= 1000));
    assert_eq!(accepts, Accepts::read(fields().chain([&b""[..]])));
    assert_eq!(accepts.choose(&[]), None);
}

/// However it is cut, a body is the same or refused, and never beyond its limit.
fn decode(codec: Codec, body: &[u8], size: usize) {
    let read = |pieces: &mut dyn Iterator<Item = &[u8]>| -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::new(codec, LIMITS)?;
        let mut plain = Vec::new();
        for piece in pieces {
            decoder.feed(piece)?;
            plain.extend_from_slice(&decoder.take());
        }
        decoder.finish()?;
        Ok(plain)
    };
    let whole = read(&mut [body].into_iter());
    let cut = read(&mut body.chunks(size));
    if let Ok(plain) = &whole {
        assert!(plain.len() as u64 <= LIMITS.bytes);
    }
    match (whole, cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut),
        // The ratio looks at what has come so far, which depends on the pieces.
        (Ok(_), Err(DecodeError::GrowsTooMuch(_))) | (Err(_), Err(_)) => {}
        (whole, cut) => panic!("{codec:?}: whole {whole:?}, in pieces {cut:?}"),
    }
}

fn round(codec: Codec, plain: &[u8], size: usize) {
    let mut encoder = Encoder::new(codec).unwrap();
    encoder.begin(size as u8, Some(plain.len() as u64)).unwrap();
    for (index, piece) in plain.chunks(size).enumerate() {
        encoder.feed(piece, if index % 3 == 0 { Then::Flush } else { Then::Go }).unwrap();
    }
    encoder.feed(b"", Then::Finish).unwrap();
    let mut decoder = Decoder::new(codec, Limits { bytes: u64::MAX, ratio: u32::MAX }).unwrap();
    decoder.feed(&encoder.take()).unwrap();
    decoder.finish().unwrap();
    assert_eq!(&decoder.take()[..], plain);
}
