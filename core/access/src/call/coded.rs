//! Compressed requests and answers (spec section 9): a message is compressed whole, so it is collected first.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use paifang_mmtp::{
    code::CloseCode,
    compress::{CompressError, Encoded, Plain},
    greeting::Closing,
};
use paifang_pipeline::{BodySize, ErrorCode, Frame, FrontError, Inbound, ResponseHead, error};

use super::{CallFront, front::Progress};
use crate::encoding::{Codec, is_worth_it};

/// The most bytes of compressed requests that one connection may have in this process, collected or decompressed. Further ones are
/// answered as calls beyond `max_calls` are.
pub(crate) const MOST_CODED: usize = 4 << 20;

/// The most bytes of answers that one connection may have in this process to be compressed, collected or waiting to be sent. Further
/// ones go as they are, piece by piece as the client takes them.
const MOST_HELD: usize = 1 << 20;

/// An answer that is being collected, to be compressed.
#[derive(Debug)]
pub(super) struct Held {
    head: ResponseHead,
    /// As the head says.
    length: usize,
    data: BytesMut,
    codec: Codec,
}

/// Why a compressed request is not served.
enum Refused {
    /// It is not whole, and nobody waits.
    Gone,
    /// It does not come in time.
    Late,
    /// Too much of its kind is here already.
    Busy,
    /// What came is not what it should be: the connection ends.
    Fault(CompressError),
}

impl CallFront {
    /// Collects and decompresses the request; its length. `None`: it was answered, or there is nobody to answer.
    pub(crate) async fn decode(&mut self, dictionary: Option<u32>) -> Option<usize> {
        match self.decoded(dictionary).await {
            Ok(length) => Some(length),
            Err(Refused::Gone) => None,
            Err(Refused::Late) => self.refused(error::BODY_TIMEOUT),
            Err(Refused::Busy) => self.refused(error::TOO_MANY_CALLS),
            Err(Refused::Fault(fault)) => {
                let closing = Closing::new(CloseCode::COMPRESSION);
                self.shared.lock().session.close(closing.detail(&fault.to_string()));
                None
            }
        }
    }

    fn refused(&mut self, row: &'static ErrorCode) -> Option<usize> {
        self.refuse(row.status.as_u16(), u32::from(row.number));
        None
    }

    async fn decoded(&mut self, dictionary: Option<u32>) -> Result<usize, Refused> {
        let (codec, most) = {
            let state = self.shared.lock();
            (state.codec.clone().ok_or(Refused::Gone)?, state.most_message)
        };
        let (wire, trailers) = self.collect(most).await?;
        let left = MOST_CODED.saturating_sub(self.shared.lock().coded);
        let decoded = codec.decode(dictionary, &wire, most.min(left));
        let data = decoded.map_err(|fault| match fault {
            CompressError::TooLong { content, .. } if content <= most as u64 => Refused::Busy,
            CompressError::Memory => Refused::Busy,
            fault => Refused::Fault(fault),
        })?;
        let length = data.len();
        self.release();
        self.hold(length);
        self.shared.stats.count_zstd_in(wire.len(), length);
        self.ended = length == 0 && trailers.is_none();
        self.body = (!self.ended).then_some(Frame { data, end: true, trailers });
        Ok(length)
    }

    /// All of the request as it came. Credit is given back for it, so that it can be longer than a window.
    async fn collect(&mut self, most: usize) -> Result<(Bytes, Option<Box<HeaderMap>>), Refused> {
        let mut joined = BytesMut::new();
        while !self.ended {
            let Frame { data, end, trailers } = match self.recv_piece().await {
                Ok(Inbound::Frame(frame)) => frame,
                Err(FrontError::Stalled) => return Err(Refused::Late),
                _ => return Err(Refused::Gone),
            };
            let length = joined.len() + data.len();
            if length > most {
                let content = length as u64;
                return Err(Refused::Fault(CompressError::TooLong { content, limit: most }));
            }
            if self.shared.lock().coded + data.len() > MOST_CODED {
                return Err(Refused::Busy);
            }
            self.hold(data.len());
            if end && joined.is_empty() {
                return Ok((data, trailers));
            }
            joined.extend_from_slice(&data);
            if end {
                return Ok((joined.freeze(), trailers));
            }
        }
        Ok((Bytes::new(), None))
    }

    /// So many bytes more are held by this call.
    fn hold(&mut self, bytes: usize) {
        self.coded += bytes;
        self.shared.lock().coded += bytes;
    }

    /// What was held has gone where it was to go.
    pub(super) fn release(&mut self) {
        let coded = std::mem::take(&mut self.coded);
        if coded > 0 {
            self.shared.lock().coded -= coded;
        }
    }

    /// Keeps an answer that is to be compressed until it is whole; gives the head back where it goes as it is. Those whose length
    /// is not known beforehand do: nobody knows when they would be whole.
    pub(super) fn keep(&mut self, head: ResponseHead, size: BodySize) -> Option<ResponseHead> {
        let length = match size {
            BodySize::Exact(length) => usize::try_from(length).ok(),
            BodySize::Declared => declared(&head.headers),
            BodySize::Empty | BodySize::Unknown => None,
        };
        let takes = |length: usize| {
            let mut state = self.shared.lock();
            let codec = state.codec.as_ref().filter(|codec| codec.takes(length)).cloned()?;
            // What waits already counts: a client that takes little makes the gateway keep no more for it.
            let room = state.held + state.session.queued(None) + length <= MOST_HELD;
            state.held += if room { length } else { 0 };
            room.then_some(codec)
        };
        let worth = !self.secret && is_worth_it(&head.headers);
        let kept = length.filter(|_| worth).and_then(|length| Some((length, takes(length)?)));
        match kept {
            None => Some(head),
            Some((length, codec)) => {
                let data = BytesMut::new();
                self.held = Some(Box::new(Held { head, length, data, codec }));
                None
            }
        }
    }

    /// Adds to the answer that is kept. With its end, or where it is longer than it said, it goes out.
    pub(super) fn add(&mut self, mut held: Box<Held>, frame: Frame) -> Result<(), FrontError> {
        let Frame { mut data, end, trailers } = frame;
        let whole = held.data.is_empty() && end;
        if !whole {
            held.data.extend_from_slice(&data);
            if !end && held.data.len() <= held.length {
                self.held = Some(held);
                return Ok(());
            }
            data = std::mem::take(&mut held.data).freeze();
        }
        self.forget(&held);
        let operation = self.operation.as_deref();
        let plain = Plain { channel: self.key.channel, operation, data: &data };
        let encoded = if end { held.codec.encode(plain) } else { None };
        if let Some(encoded) = &encoded {
            self.shared.stats.count_zstd_out(data.len(), encoded.data.len());
        }
        let (zstd, dictionary) = match &encoded {
            None => (false, None),
            Some(Encoded { dictionary, .. }) => (true, *dictionary),
        };
        let data = encoded.map_or(data, |encoded| encoded.data);
        let trailers = super::response::trailers(trailers);
        let last = end && trailers.is_empty();
        self.begin(&held.head, (zstd, dictionary), data, last)?;
        if end && !last {
            self.shared.lock().session.send(self.key, Bytes::new(), true, trailers);
            self.progress = Progress::Complete;
        }
        Ok(())
    }

    /// An answer is collected no more.
    pub(super) fn forget(&self, held: &Held) {
        self.shared.lock().held -= held.length;
    }

    /// The dictionary of this identity, where clients may fetch it.
    pub(crate) fn public(&self, identity: &[u8]) -> Option<Bytes> {
        let state = self.shared.lock();
        let dictionary = state.codec.as_ref()?.encoding().public(identity)?;
        Some(dictionary.bytes().clone())
    }
}

/// The length that a head declares.
fn declared(head: &HeaderMap) -> Option<usize> {
    let value = head.get(http::header::CONTENT_LENGTH)?.to_str().ok()?;
    value.parse().ok()
}

/// The name of the operation of the call, for the choice of a dictionary.
pub(super) fn operation(target: &super::Target) -> Option<Arc<str>> {
    match target {
        super::Target::Operation { name, .. } => Some(name.clone()),
        super::Target::Path { .. } => None,
    }
}
