//! Encoders: bytes in, coded bytes out, piece by piece, and used again for other responses.

mod brotli;
mod shelves;

use super::codec::Codec;
use ::brotli::enc::encode::BrotliEncoderOperation as BrOp;
use bytes::{Bytes, BytesMut};
use flate2::{Compress, Compression, FlushCompress, Status};
use zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, get_error_name,
    zstd_sys::ZSTD_EndDirective as ZstdOp,
};

/// What is coded is gathered in pieces of this size, in bytes.
const SCRATCH: usize = 16 << 10;

/// The window of `zstd` and `br` is at most 2 to the power of this, in bytes: 512 KiB. That of gzip
/// is 32 KiB.
const MAX_WINDOW: u8 = 19;
/// And at least of this, for what is known to be small.
const MIN_WINDOW: u8 = 10;
/// The tables of `zstd` have at most 2 to the power of this entries, of 4 bytes each.
const MAX_TABLE: u8 = 17;
/// DEFLATE's window, as a power of two.
const GZIP_WINDOW: u8 = 15;

/// What to do with the bytes that an encoder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Hand out what is convenient.
    Go,
    /// Hand out everything, so that it can be decoded as far as it goes.
    Flush,
    /// And no more comes.
    Finish,
}

/// A codec failed, which it does only by a fault of its own.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
pub struct EncodeError(&'static str, String);

/// Codes one response after the other.
pub struct Encoder {
    machine: Machine,
    scratch: Box<[u8]>,
    out: BytesMut,
}

enum Machine {
    Zstd(CCtx<'static>),
    Br(Box<brotli::Brotli>),
    Gzip(Gzip),
}

/// zlib-ng's quickest level does not forget an open block when it is reset, so that the next stream
/// begins in the middle of it: only what has been finished is used again.
struct Gzip {
    state: Compress,
    level: u8,
    finished: bool,
}

impl Gzip {
    fn new(level: u8) -> Self {
        let state = Compress::new_gzip(Compression::new(u32::from(level)), GZIP_WINDOW);
        Self { state, level, finished: true }
    }
}

impl Encoder {
    /// An encoder; [`begin`](Self::begin) comes next.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn new(codec: Codec) -> Result<Self, EncodeError> {
        let machine = match codec {
            Codec::Zstd => {
                let context = CCtx::try_create();
                Machine::Zstd(context.ok_or_else(|| EncodeError("zstd", "no memory".to_owned()))?)
            }
            Codec::Br => Machine::Br(Box::default()),
            Codec::Gzip => Machine::Gzip(Gzip::new(1)),
        };
        Ok(Self { machine, scratch: vec![0; SCRATCH].into(), out: BytesMut::new() })
    }

    /// Which coding it makes.
    #[must_use]
    pub fn codec(&self) -> Codec {
        match self.machine {
            Machine::Zstd(_) => Codec::Zstd,
            Machine::Br(_) => Codec::Br,
            Machine::Gzip(_) => Codec::Gzip,
        }
    }

    /// Begins a response at this level. `length` is how long it will probably be: a small one needs
    /// a small window. Whatever was not finished before is forgotten.
    ///
    /// # Errors
    /// The codec's own.
    pub fn begin(&mut self, level: u8, length: Option<u64>) -> Result<(), EncodeError> {
        self.out.clear();
        let level = level.clamp(1, self.codec().most());
        let window = window(length);
        match &mut self.machine {
            Machine::Zstd(context) => {
                let set = |context: &mut CCtx<'static>| {
                    context.reset(ResetDirective::SessionAndParameters)?;
                    context.set_parameter(CParameter::CompressionLevel(i32::from(level)))?;
                    // Tables that a level would choose for files, up to 64 MiB, are too large here.
                    if level > 2 || window < MAX_TABLE {
                        let tables = u32::from(window.min(MAX_TABLE));
                        context.set_parameter(CParameter::HashLog(tables))?;
                        context.set_parameter(CParameter::ChainLog(tables))?;
                    }
                    context.set_parameter(CParameter::WindowLog(u32::from(window)))
                };
                set(context).map_err(zstd_error)?;
            }
            Machine::Br(state) => state.begin(level, window),
            Machine::Gzip(gzip) if gzip.level == level && gzip.finished => gzip.state.reset(),
            Machine::Gzip(gzip) => *gzip = Gzip::new(level),
        }
        Ok(())
    }

    /// Codes these bytes.
    ///
    /// # Errors
    /// The codec's own; the response cannot go on.
    pub fn feed(&mut self, input: &[u8], then: Then) -> Result<(), EncodeError> {
        let Self { machine, scratch, out } = self;
        match machine {
            Machine::Zstd(context) => zstd_feed(context, input, then, scratch, out),
            Machine::Br(state) => {
                let op = match then {
                    Then::Go => BrOp::BROTLI_OPERATION_PROCESS,
                    Then::Flush => BrOp::BROTLI_OPERATION_FLUSH,
                    Then::Finish => BrOp::BROTLI_OPERATION_FINISH,
                };
                state.feed(input, op, scratch, out)
            }
            Machine::Gzip(gzip) => {
                gzip.finished = false;
                gzip_feed(&mut gzip.state, input, then, scratch, out)?;
                gzip.finished = then == Then::Finish;
                Ok(())
            }
        }
    }

    /// Bytes that the C code of `zstd` holds; 0 for the others.
    #[cfg(test)]
    pub(super) fn c_memory(&self) -> usize {
        if let Machine::Zstd(context) = &self.machine { context.sizeof() } else { 0 }
    }

    /// What has come out since the last time.
    pub fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }
}

/// The window for a body of this length, as a power of two.
fn window(length: Option<u64>) -> u8 {
    let needed = |length: u64| (64 - length.saturating_sub(1).leading_zeros()) as u8;
    length.map_or(MAX_WINDOW, |length| needed(length).clamp(MIN_WINDOW, MAX_WINDOW))
}

fn zstd_error(code: usize) -> EncodeError {
    EncodeError("zstd", get_error_name(code).to_owned())
}

fn zstd_feed(
    context: &mut CCtx<'static>,
    input: &[u8],
    then: Then,
    scratch: &mut [u8],
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let op = match then {
        Then::Go => ZstdOp::ZSTD_e_continue,
        Then::Flush => ZstdOp::ZSTD_e_flush,
        Then::Finish => ZstdOp::ZSTD_e_end,
    };
    let mut input = InBuffer::around(input);
    loop {
        let mut to = OutBuffer::around(&mut *scratch);
        let left = context.compress_stream2(&mut to, &mut input, op).map_err(zstd_error)?;
        out.extend_from_slice(to.as_slice());
        let taken = input.pos() == input.src.len();
        if taken && (left == 0 || then == Then::Go) {
            return Ok(());
        }
    }
}

fn gzip_feed(
    state: &mut Compress,
    mut input: &[u8],
    then: Then,
    scratch: &mut [u8],
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let flush = match then {
        Then::Go => FlushCompress::None,
        Then::Flush => FlushCompress::Sync,
        Then::Finish => FlushCompress::Finish,
    };
    loop {
        let (before_in, before_out) = (state.total_in(), state.total_out());
        let status = state
            .compress(input, scratch, flush)
            .map_err(|error| EncodeError("gzip", error.to_string()))?;
        let made = (state.total_out() - before_out) as usize;
        input = &input[(state.total_in() - before_in) as usize..];
        out.extend_from_slice(&scratch[..made]);
        match status {
            Status::StreamEnd => return Ok(()),
            // There is more to come as long as it fills what it is given.
            _ if made == scratch.len() || (then == Then::Finish && made > 0) => {}
            _ if input.is_empty() && then != Then::Finish => return Ok(()),
            _ if made == 0 => return Err(EncodeError("gzip", "it stands still".to_owned())),
            _ => {}
        }
    }
}
