//! Brotli (RFC 7932), without the large windows that are none of the standard: at most 16 MiB.

use super::{DecodeError, Sink};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};

pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
}

impl Default for Brotli {
    fn default() -> Self {
        let memory = StandardAlloc::default;
        Self { state: BrotliState::new_strict(memory(), memory(), memory()), ended: false }
    }
}

impl Brotli {
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        scratch: &mut [u8],
        sink: &mut Sink,
    ) -> Result<(), DecodeError> {
        let (mut left, mut at, mut total) = (input.len(), 0, 0);
        while !self.ended {
            let (mut room, mut made) = (scratch.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                input,
                &mut room,
                &mut made,
                scratch,
                &mut total,
                &mut self.state,
            );
            sink.push(&scratch[..made])?;
            match result {
                BrotliResult::NeedsMoreOutput => {}
                // It asks for input although it has more to hand out.
                BrotliResult::NeedsMoreInput if made == scratch.len() => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::ResultFailure => {
                    return Err(DecodeError::Malformed("it is no brotli"));
                }
            }
        }
        match left {
            0 => Ok(()),
            _ => Err(DecodeError::Malformed("there is more behind its end")),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }
}
