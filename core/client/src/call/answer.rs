//! The answer to a call.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use paifang_mmtp::{
    code::CancelCode,
    session::{CallId, fields},
    tlv::{self, Tlvs, kind},
};
use tokio::time::{Instant, timeout_at};

use super::run::Live;
use crate::{
    connection::{Chunk, Head, Lost, Owed},
    error::Error,
    shared::Admitted,
};

/// The beginning of an answer: all but its body.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    status: u16,
    tlvs: Bytes,
    call_id: CallId,
    attempts: u32,
}

impl ResponseHead {
    pub(super) fn new(head: &Head, call_id: CallId, attempts: u32) -> Self {
        Self { status: head.status, tlvs: head.tlvs.clone(), call_id, attempts }
    }

    fn tlvs(&self) -> Tlvs<'_> {
        Tlvs::trusted(&self.tlvs)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The fields, in the order in which they came; what is not legal is left out.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        fields(self.tlvs()).filter_map(Result::ok)
    }

    /// The first field of a name, which is in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// The row of the error table (docs/specs/errors.md) where the gateway itself has answered.
    #[must_use]
    pub fn error(&self) -> Option<u32> {
        tlv::integer(self.tlvs().get(kind::ERROR)?, "ERROR").ok()
    }

    /// How long to wait at least before the call is made again.
    #[must_use]
    pub fn after(&self) -> Option<Duration> {
        let milliseconds = tlv::integer(self.tlvs().get(kind::AFTER)?, "AFTER").ok()?;
        Some(Duration::from_millis(u64::from(milliseconds)))
    }

    /// The identity of the call over all its attempts.
    #[must_use]
    pub fn call_id(&self) -> CallId {
        self.call_id
    }

    /// How often it was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Response {
    head: ResponseHead,
    body: Bytes,
    trailers: Bytes,
}

impl Response {
    pub(super) fn new(head: ResponseHead, body: Bytes, trailers: Bytes) -> Self {
        Self { head, body, trailers }
    }

    /// Everything but the body.
    #[must_use]
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The first field of a name, which is in lower case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.head.field(name)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Fields that came behind the body.
    pub fn trailers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        fields(Tlvs::trusted(&self.trailers)).filter_map(Result::ok)
    }
}

/// The body of an answer as it comes. Dropping it before its end cancels the call.
#[derive(Debug)]
pub struct ResponseBody {
    live: Live,
    /// Its beginning, which came with the head, and what that costs.
    first: (Bytes, Option<Owed>),
    rest: Option<tokio::sync::mpsc::UnboundedReceiver<Result<Chunk, Lost>>>,
    trailers: Bytes,
    deadline: Instant,
    call_id: CallId,
    _permit: Arc<Admitted>,
}

impl ResponseBody {
    pub(super) fn new(
        mut live: Live,
        head: Head,
        deadline: Instant,
        call_id: CallId,
        permit: Arc<Admitted>,
    ) -> Self {
        let Head { data, owed, rest, .. } = head;
        if rest.is_none() {
            live.done();
        }
        let trailers = Bytes::new();
        Self { live, first: (data, owed), rest, trailers, deadline, call_id, _permit: permit }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the connection is lost, the server breaks off, or the deadline passes before the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let (first, owed) = std::mem::take(&mut self.first);
        drop(owed);
        if !first.is_empty() {
            return Ok(Some(first));
        }
        loop {
            let Some(rest) = &mut self.rest else { return Ok(None) };
            let Ok(next) = timeout_at(self.deadline, rest.recv()).await else {
                self.live.cancel(CancelCode::DEADLINE);
                self.rest = None;
                return Err(Error::Deadline { call_id: Some(self.call_id) });
            };
            let chunk = match next {
                Some(Ok(chunk)) => chunk,
                Some(Err(Lost::Cancelled(code))) => {
                    self.end();
                    return Err(Error::Cancelled(code));
                }
                Some(Err(_)) | None => {
                    self.end();
                    return Err(Error::UnknownOutcome { call_id: self.call_id });
                }
            };
            if chunk.end {
                self.end();
                self.trailers = chunk.trailers;
            }
            drop(chunk.owed);
            if !chunk.data.is_empty() {
                return Ok(Some(chunk.data));
            }
        }
    }

    fn end(&mut self) {
        self.live.done();
        self.rest = None;
    }

    /// Fields behind the body, once it has ended.
    pub fn trailers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        fields(Tlvs::trusted(&self.trailers)).filter_map(Result::ok)
    }

    pub(super) fn take_trailers(&mut self) -> Bytes {
        std::mem::take(&mut self.trailers)
    }
}
