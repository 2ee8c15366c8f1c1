//! Decoders: coded bytes in, plain bytes out, never more than the limits allow.

mod brotli;
mod gzip;
mod zstd;

use super::codec::Codec;
use bytes::{Bytes, BytesMut};

/// What is decoded is gathered in pieces of this size, in bytes.
const SCRATCH: usize = 16 << 10;
/// So many decoded bytes are free of the ratio.
const FREE: u64 = 64 << 10;

/// How large a body may become.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In bytes.
    pub bytes: u64,
    /// Decoded bytes for each coded one, beyond the first 64 KiB.
    pub ratio: u32,
}

/// Why a body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not what it says it is, or not whole.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is larger than its limit.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// It grows more than it may.
    #[error("more than {0} bytes for each byte that came")]
    GrowsTooMuch(u32),
}

/// Decodes one body.
pub struct Decoder {
    machine: Machine,
    scratch: Box<[u8]>,
    sink: Sink,
}

enum Machine {
    Zstd(zstd::Zstd),
    Br(Box<brotli::Brotli>),
    Gzip(gzip::Gzip),
}

/// Where decoded bytes go, and where they are counted.
struct Sink {
    limits: Limits,
    read: u64,
    made: u64,
    out: BytesMut,
}

impl Decoder {
    /// For a body with this coding.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn new(codec: Codec, limits: Limits) -> Result<Self, DecodeError> {
        let machine = match codec {
            Codec::Zstd => Machine::Zstd(zstd::Zstd::new()?),
            Codec::Br => Machine::Br(Box::default()),
            Codec::Gzip => Machine::Gzip(gzip::Gzip::default()),
        };
        let sink = Sink { limits, read: 0, made: 0, out: BytesMut::new() };
        Ok(Self { machine, scratch: vec![0; SCRATCH].into(), sink })
    }

    /// Decodes these bytes.
    ///
    /// # Errors
    /// The body cannot be decoded; nothing of it may be used.
    pub fn feed(&mut self, input: &[u8]) -> Result<(), DecodeError> {
        let Self { machine, scratch, sink } = self;
        sink.read += input.len() as u64;
        match machine {
            Machine::Zstd(state) => state.feed(input, scratch, sink),
            Machine::Br(state) => state.feed(input, scratch, sink),
            Machine::Gzip(state) => state.feed(input, scratch, sink),
        }
    }

    /// No more comes. A body of no bytes at all is whole: it has no coding to break.
    ///
    /// # Errors
    /// The body breaks off.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let whole = match &self.machine {
            Machine::Zstd(state) => state.is_whole(),
            Machine::Br(state) => state.is_whole(),
            Machine::Gzip(state) => state.is_whole(),
        };
        match whole || self.sink.read == 0 {
            true => Ok(()),
            false => Err(DecodeError::Malformed("it breaks off")),
        }
    }

    /// What has come out since the last time.
    pub fn take(&mut self) -> Bytes {
        self.sink.out.split().freeze()
    }
}

impl Sink {
    fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.made += bytes.len() as u64;
        let Limits { bytes: most, ratio } = self.limits;
        if self.made > most {
            return Err(DecodeError::TooLarge(most));
        }
        if self.made > FREE && self.made > self.read.saturating_mul(u64::from(ratio)) {
            return Err(DecodeError::GrowsTooMuch(ratio));
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}
