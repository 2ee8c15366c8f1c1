//! Zstandard (RFC 8878) as a content coding: a window of at most 8 MiB (RFC 9659), one frame or
//! several.

use super::{DecodeError, Sink};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// The largest window, as a power of two.
const WINDOW: u32 = 23;
/// What a frame begins with.
const MAGIC: u32 = 0xFD2F_B528;
/// What a frame begins with that is to be skipped; the last four bits are free.
const SKIPPED: u32 = 0x184D_2A50;

pub(super) struct Zstd {
    context: DCtx<'static>,
    /// The beginning of a frame: the host's build of the codec would read formats from before the
    /// standard too, which nobody has looked at for years.
    magic: [u8; 4],
    known: usize,
    inside: bool,
    some: bool,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, DecodeError> {
        let mut context = DCtx::try_create().ok_or(DecodeError::Malformed("no memory"))?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW))
            .map_err(|_| DecodeError::Malformed("no memory"))?;
        Ok(Self { context, magic: [0; 4], known: 0, inside: false, some: false })
    }

    pub(super) fn feed(
        &mut self,
        mut input: &[u8],
        scratch: &mut [u8],
        sink: &mut Sink,
    ) -> Result<(), DecodeError> {
        while !input.is_empty() {
            if !self.inside {
                let taken = input.len().min(self.magic.len() - self.known);
                self.magic[self.known..self.known + taken].copy_from_slice(&input[..taken]);
                self.known += taken;
                input = &input[taken..];
                if self.known < self.magic.len() {
                    return Ok(());
                }
                let magic = u32::from_le_bytes(self.magic);
                if magic != MAGIC && magic & !0xF != SKIPPED {
                    return Err(DecodeError::Malformed("it is no zstd"));
                }
                (self.known, self.inside) = (0, true);
                let magic = self.magic;
                self.run(&magic, scratch, sink)?;
                continue;
            }
            let taken = self.run(input, scratch, sink)?;
            input = &input[taken..];
        }
        Ok(())
    }

    /// Decodes up to the end of the frame or of the input; says how much was taken.
    fn run(
        &mut self,
        input: &[u8],
        scratch: &mut [u8],
        sink: &mut Sink,
    ) -> Result<usize, DecodeError> {
        let mut from = InBuffer::around(input);
        loop {
            let mut to = OutBuffer::around(&mut *scratch);
            let left = self
                .context
                .decompress_stream(&mut to, &mut from)
                .map_err(|_| DecodeError::Malformed("it is no zstd, or its window is too large"))?;
            let made = to.pos();
            sink.push(&scratch[..made])?;
            if left == 0 {
                (self.inside, self.some) = (false, true);
                return Ok(from.pos());
            }
            if from.pos() == input.len() && made < scratch.len() {
                return Ok(from.pos());
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.some && !self.inside && self.known == 0
    }
}
