//! Compressed requests and answers (spec section 9): a message is compressed whole, so it is collected first.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use paifang_mmtp::{
    code::CloseCode,
    compress::{CompressError, Encoded, Plain},
    greeting::Closing,
    session::{Key, NewResponse},
};
use paifang_pipeline::{BodySize, ErrorCode, Frame, FrontError, Inbound, ResponseHead, error};

use super::{CallFront, Inbox, front::Progress, response};
use crate::{
    connection::State,
    encoding::{Codec, is_worth_it},
};

/// The most bytes of compressed requests that one connection may have in this process, collected or decompressed. Further ones are
/// answered as calls beyond `max_calls` are.
pub(crate) const MOST_CODED: usize = 4 << 20;

/// The most bytes of answers that one connection may have in this process to be compressed, collected or waiting to be sent. Further
/// ones go as they are, piece by piece as the client takes them.
const MOST_HELD: usize = 1 << 20;

/// An answer that is being collected, to be compressed.
#[derive(Debug)]
pub(crate) struct Held {
    head: ResponseHead,
    /// As the head says; where it does not, the most that is compressed.
    length: usize,
    data: BytesMut,
    codec: Codec,
    /// Nobody knows its length: it is kept only as long as its pieces come without a wait.
    open: bool,
    /// The content type of the request, which the answer need not repeat.
    asked: Option<HeaderValue>,
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

    /// Keeps an answer that is to be compressed until it is whole; gives the head back where it goes as it is.
    pub(super) fn keep(&mut self, head: ResponseHead, size: BodySize) -> Option<ResponseHead> {
        let length = match size {
            BodySize::Exact(length) => Some(usize::try_from(length).unwrap_or(usize::MAX)),
            BodySize::Declared => declared(&head.headers),
            BodySize::Empty => Some(0),
            BodySize::Unknown => None,
        };
        if self.secret || !is_worth_it(&head.headers) {
            return Some(head);
        }
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        let taken = state.codec.as_ref().and_then(|codec| {
            let most = length.unwrap_or(codec.encoding().most_bytes());
            codec.takes(most).then(|| (codec.clone(), most))
        });
        let Some((codec, most)) = taken else { return Some(head) };
        // What waits already counts: a client that takes little makes the gateway keep no more for it.
        if state.held + state.session.queued(None) + most > MOST_HELD {
            return Some(head);
        }
        let asked = self.content_type.clone();
        let (data, open) = (BytesMut::new(), length.is_none());
        drop(guard);
        let held = Box::new(Held { head, length: most, data, codec, open, asked });
        self.hold_back(held);
        None
    }

    /// Keeps what is collected where the connection's task finds it.
    fn hold_back(&mut self, held: Box<Held>) {
        let mut state = self.shared.lock();
        state.held += held.length;
        state.open += usize::from(held.open);
        // As long as it has a front, a call has an inbox.
        if let Some(inbox) = state.inbox(self.key) {
            inbox.held = Some(held);
        }
        drop(state);
        self.holds = true;
    }

    /// What is collected; `None` where nothing is, or it was let go and its answer goes on as it comes.
    pub(super) fn take_held(&mut self) -> Option<Box<Held>> {
        if !std::mem::take(&mut self.holds) {
            return None;
        }
        let held = self.shared.lock().take_held(self.key);
        if held.is_none() {
            self.progress = Progress::Body;
        }
        held
    }

    /// Nothing is collected any more.
    pub(super) fn drop_held(&mut self) {
        drop(self.take_held());
    }

    /// Adds to the answer that is kept. With its end, or where it is longer than it said, it goes out.
    pub(super) fn add(&mut self, mut held: Box<Held>, frame: Frame) -> Result<(), FrontError> {
        let Frame { mut data, end, trailers } = frame;
        let whole = held.data.is_empty() && end;
        if !whole {
            held.data.extend_from_slice(&data);
            if !end && held.data.len() <= held.length {
                self.hold_back(held);
                return Ok(());
            }
            data = std::mem::take(&mut held.data).freeze();
        }
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
        let trailers = response::trailers(trailers);
        let last = end && trailers.is_empty();
        self.begin(&held.head, (zstd, dictionary), data, last)?;
        if end && !last {
            self.shared.lock().session.send(self.key, Bytes::new(), true, trailers);
            self.progress = Progress::Complete;
        }
        Ok(())
    }

    /// The dictionary of this identity, where clients may fetch it.
    pub(crate) fn public(&self, identity: &[u8]) -> Option<Bytes> {
        let state = self.shared.lock();
        let dictionary = state.codec.as_ref()?.encoding().public(identity)?;
        Some(dictionary.bytes().clone())
    }
}

impl State {
    /// Takes out what is collected of a call's answer.
    fn take_held(&mut self, key: Key) -> Option<Box<Held>> {
        let held = self.inbox(key)?.held.take()?;
        self.held -= held.length;
        self.open -= usize::from(held.open);
        Some(held)
    }

    /// Lets the answers go of which nobody knows how long they are and when they go on; true when there were some. What came of them by
    /// now goes out as it is, and so does what follows: an answer that comes little by little waits for nothing.
    pub(crate) fn let_go(&mut self) -> bool {
        let some = self.open > 0;
        while self.open > 0 {
            let is_open = |own: &Inbox| own.held.as_deref().is_some_and(|held| held.open);
            let found = self.inboxes.iter().find(|(_, own)| is_open(own));
            let Some(&(key, _)) = found else { break };
            let Some(held) = self.take_held(key) else { break };
            let Held { head, data, asked, .. } = *held;
            let response = match response::block(&head, asked.as_ref(), None) {
                Some(tlvs) => {
                    let (status, data) = (head.status.as_u16(), data.freeze());
                    NewResponse { status, tlvs, zstd: false, data, end: false }
                }
                None => {
                    // It is answered, and what follows is for nobody.
                    if let Some(inbox) = self.inbox(key) {
                        inbox.gone = true;
                        inbox.wake();
                    }
                    response::of_row(error::RESPONSE_TOO_LARGE)
                }
            };
            self.session.respond(key, response);
        }
        some
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
