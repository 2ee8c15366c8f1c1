//! What a step works with in one call: the encoder of its response, the decoder of its request.

use super::{
    codec::Codec,
    decode::{DecodeError, Decoder, Limits},
    encode::{EncodeError, Encoder, Then},
    errors,
    pool::Pool,
};
use bytes::Bytes;
use paifang_pipeline::{BodyVerdict, Frame, Rejection, ResponseBodyCall, error};

/// A response goes through its encoder in pieces of at most so many bytes; other calls have their
/// turn between them.
const PIECE: usize = 32 << 10;

/// A call's encoder and decoder, and what is left of a frame.
#[derive(Default)]
pub(super) struct Work {
    encoder: Option<Box<Encoder>>,
    decoder: Option<Decoder>,
    pub(super) rest: Bytes,
    read: u64,
    written: u64,
    decoded_read: u64,
    decoded_written: u64,
}

impl Work {
    /// Makes ready for the response, where that is not done yet; `how` says level and length.
    pub(super) fn begin(
        &mut self,
        pool: &Pool,
        codec: Codec,
        how: impl FnOnce() -> (u8, Option<u64>),
    ) -> Result<(), EncodeError> {
        if self.encoder.is_none() {
            let mut encoder = pool.take(codec)?;
            let (level, length) = how();
            encoder.begin(level, length)?;
            self.encoder = Some(encoder);
        }
        Ok(())
    }

    /// Codes the next piece of `rest`. When that was the last, `frame` has what came out; otherwise
    /// the step waits for its next turn.
    pub(super) fn encode(&mut self, frame: &mut Frame, flush: bool) -> BodyVerdict {
        let Some(encoder) = &mut self.encoder else { return broken(&"there is no encoder") };
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        let more = !self.rest.is_empty();
        let then = match (more, frame.end) {
            (true, _) => Then::Go,
            (false, true) => Then::Finish,
            (false, false) if flush => Then::Flush,
            (false, false) => Then::Go,
        };
        self.read += piece.len() as u64;
        if let Err(error) = encoder.feed(&piece, then) {
            return broken(&error);
        }
        if more {
            return BodyVerdict::wait(async move {
                tokio::task::yield_now().await;
                move |call: &mut ResponseBodyCall<'_>| resume(call, flush)
            });
        }
        frame.data = encoder.take();
        self.written += frame.data.len() as u64;
        BodyVerdict::Continue
    }

    /// Puts the decoded bytes into the frame.
    pub(super) fn decode(
        &mut self,
        codec: Codec,
        limits: Limits,
        frame: &mut Frame,
    ) -> Result<(), DecodeError> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            none => none.insert(Decoder::new(codec, limits)?),
        };
        self.decoded_read += frame.data.len() as u64;
        decoder.feed(&frame.data)?;
        if frame.end {
            decoder.finish()?;
            if let Some(trailers) = &mut frame.trailers {
                super::head::forget_digests(trailers);
            }
        }
        frame.data = decoder.take();
        self.decoded_written += frame.data.len() as u64;
        Ok(())
    }

    /// The call has ended, whatever became of it.
    pub(super) fn end(mut self: Box<Self>, pool: &Pool, codec: Option<Codec>) {
        if let (Some(encoder), Some(codec)) = (self.encoder.take(), codec) {
            pool.count(codec, self.read, self.written);
            pool.put(encoder);
        }
        if self.decoder.is_some() {
            pool.count_decoded(self.decoded_read, self.decoded_written);
        }
    }
}

/// The next turn in a large frame.
fn resume(call: &mut ResponseBodyCall<'_>, flush: bool) -> BodyVerdict {
    let Some(mut work) = call.take_kept::<Work>() else { return broken(&"the encoder is gone") };
    let verdict = match call.frame() {
        Some(frame) => work.encode(frame, flush),
        None => broken(&"the frame is gone"),
    };
    call.keep_boxed(work);
    verdict
}

/// Breaks the response off: after its head nothing else is true any more, so this is not for
/// `on_failure` to judge.
pub(super) fn broken(error: &dyn std::fmt::Display) -> BodyVerdict {
    let internal = format!("the response cannot be compressed: {error}");
    BodyVerdict::Abort(Rejection::new(error::HANDLER_FAILED).internal(internal))
}

/// What the client is told of a body that cannot be decoded.
pub(super) fn rejection(error: DecodeError) -> Rejection {
    let code = match error {
        DecodeError::Malformed(_) => errors::CODING_MALFORMED,
        DecodeError::TooLarge(_) | DecodeError::GrowsTooMuch(_) => errors::DECODED_TOO_LARGE,
    };
    Rejection::new(code).internal(error.to_string())
}
