//! A Brotli encoder whose memory is used again.

use super::{EncodeError, shelves::Shelves};
use brotli::enc::{
    StaticCommand,
    encode::{
        BrotliEncoderCompressStream, BrotliEncoderCreateInstance, BrotliEncoderDestroyInstance,
        BrotliEncoderHasMoreOutput, BrotliEncoderIsFinished, BrotliEncoderOperation,
        BrotliEncoderParameter, BrotliEncoderSetParameter, BrotliEncoderStateStruct,
    },
    interface::{InputPair, InputReferenceMut, PredictionModeContextMap},
};
use bytes::BytesMut;

/// The state of one stream. The codec cannot begin anew; so each stream has a fresh state, made of
/// the memory of the one before.
pub(super) struct Brotli(BrotliEncoderStateStruct<Shelves>);

impl Default for Brotli {
    fn default() -> Self {
        Self(BrotliEncoderCreateInstance(Shelves::default()))
    }
}

impl Brotli {
    pub(super) fn begin(&mut self, level: u8, window: u8) {
        BrotliEncoderDestroyInstance(&mut self.0);
        let shelves = std::mem::take(&mut self.0.m8);
        self.0 = BrotliEncoderCreateInstance(shelves);
        let mut set = |parameter, value: u8| {
            BrotliEncoderSetParameter(&mut self.0, parameter, u32::from(value));
        };
        set(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, level);
        set(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, window);
    }

    pub(super) fn feed(
        &mut self,
        input: &[u8],
        op: BrotliEncoderOperation,
        scratch: &mut [u8],
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let (mut left, mut at) = (input.len(), 0);
        let mut total = None;
        let mut unseen = |_: &mut PredictionModeContextMap<InputReferenceMut<'_>>,
                          _: &mut [StaticCommand],
                          _: InputPair<'_>,
                          _: &mut Shelves| {};
        loop {
            let (mut room, mut made) = (scratch.len(), 0);
            let taken = BrotliEncoderCompressStream(
                &mut self.0,
                op,
                &mut left,
                input,
                &mut at,
                &mut room,
                scratch,
                &mut made,
                &mut total,
                &mut unseen,
            );
            out.extend_from_slice(&scratch[..made]);
            if taken == 0 {
                return Err(EncodeError("br", "the codec refused its input".to_owned()));
            }
            let done = match op {
                BrotliEncoderOperation::BROTLI_OPERATION_FINISH => {
                    BrotliEncoderIsFinished(&self.0) != 0
                }
                _ => left == 0 && BrotliEncoderHasMoreOutput(&self.0) == 0,
            };
            if done {
                return Ok(());
            }
        }
    }
}

impl Drop for Brotli {
    fn drop(&mut self) {
        BrotliEncoderDestroyInstance(&mut self.0);
    }
}
