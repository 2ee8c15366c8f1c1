//! Calls: what they are made of, and the future that sees one through over as many connections as it takes.

mod answer;
pub mod body;
#[cfg(feature = "zstd")]
mod dictionary;
mod intercept;
mod run;
mod short;

pub use answer::{Response, ResponseBody, ResponseHead};
pub use body::BodySender;
#[cfg(feature = "zstd")]
pub(crate) use dictionary::dictionary;
pub(crate) use intercept::Interceptors;
pub use intercept::{CallHead, Intercept};

use std::time::Duration;

use bytes::Bytes;
use paifang_mmtp::{
    greeting,
    tlv::{TlvWriter, Tlvs, kind},
};
use tokio::time::Instant;

use crate::{client::Client, error::Error};
use body::Body;
use run::Run;

/// The most bytes of an answer's body that [`Call::send`] collects, where the call does not say other.
const LIMIT: usize = 16 << 20;

/// What a call is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Operation(Box<str>),
    Target(Box<str>, Box<str>),
}

/// The head of a call, the same over all its attempts.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) channel: u8,
    pub(crate) called: Called,
    pub(crate) params: Vec<(Box<str>, Box<str>)>,
    pub(crate) query: Option<Box<str>>,
    pub(crate) fields: Vec<greeting::Field>,
    pub(crate) priority: u8,
    /// The body goes as it is.
    pub(crate) plain: bool,
}

impl Prepared {
    fn new(called: Called) -> Self {
        Self {
            channel: 1,
            called,
            params: Vec::new(),
            query: None,
            fields: Vec::new(),
            priority: 3,
            plain: false,
        }
    }
}

/// A call to be made. Nothing happens before [`Call::send`] or [`Call::open`].
#[derive(Debug)]
#[must_use = "a call is made by `send` or `open`"]
pub struct Call {
    client: Client,
    prepared: Prepared,
    body: Body,
    deadline: Duration,
    idempotent: bool,
    limit: usize,
}

impl Call {
    pub(crate) fn new(client: Client, called: Called) -> Self {
        // RFC 9110 section 9.2.2.
        let idempotent = match &called {
            Called::Target(method, _) => {
                matches!(&**method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
            }
            Called::Operation(_) => false,
        };
        let prepared = Prepared::new(called);
        let deadline = client.shared().options.deadline;
        Self { client, prepared, body: Body::empty(), deadline, idempotent, limit: LIMIT }
    }

    /// A parameter of the operation's path, not encoded.
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.prepared.params.push((name.into(), value.into()));
        self
    }

    /// The query, encoded as in a URI, without `?`. For operations; a path has its own.
    pub fn query(mut self, query: &str) -> Self {
        self.prepared.query = Some(query.into());
        self
    }

    /// A field as in HTTP. Its name is put in lower case; an empty value takes away a field that the client was built with.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.prepared.fields.push((name.to_ascii_lowercase().into(), value.as_ref().into()));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// A body that comes in pieces: see [`body::channel`]. Such a call is made on one connection only.
    pub fn body_stream(mut self, body: body::BodyStream) -> Self {
        self.body = Body::Stream(body);
        self
    }

    /// How long the answer is waited for, all of it. The server is told and gives up then too.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What it is given.
    #[cfg(feature = "prost")]
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline
    }

    /// 0 goes first, 7 last, 3 is ordinary.
    pub fn priority(mut self, priority: u8) -> Self {
        self.prepared.priority = priority.min(7);
        self
    }

    /// Whether the body may be compressed. Say false where it holds a secret beside what others choose: its length would tell of the
    /// secret. Bodies that come in pieces, and those with a field `content-encoding`, never are.
    pub fn compress(mut self, compress: bool) -> Self {
        self.prepared.plain = !compress;
        self
    }

    /// Another call channel: 16 to 31.
    pub fn channel(mut self, channel: u8) -> Self {
        self.prepared.channel = channel;
        self
    }

    /// Whether it does no harm when the server does it twice. Only then is it made again where its outcome is unknown. Without
    /// a word: calls by method as RFC 9110 section 9.2.2 says, calls of operations not.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// The most bytes of the answer's body that [`Call::send`] takes; 16 MiB where nothing is said.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Makes it, and waits for the whole answer. Dropping the future cancels the call.
    ///
    /// # Errors
    /// When there is no answer. An answer that tells of a failure, of whatever status, is none.
    pub async fn send(self) -> Result<Response, Error> {
        let limit = self.limit;
        let (mut run, head, body) = self.begin().await?;
        let mut answer = collect(head, body, limit).await;
        while matches!(answer, Err(Error::UnknownOutcome { .. })) && run.again() {
            let (head, body) = run.answer().await?;
            answer = collect(head, body, limit).await;
        }
        answer
    }

    /// Makes it, and waits for the beginning of the answer. Dropping the future, or the body before its end, cancels the call.
    ///
    /// # Errors
    /// When no answer begins.
    pub async fn open(self) -> Result<(ResponseHead, ResponseBody), Error> {
        self.begin().await.map(|(_, head, body)| (head, body))
    }

    async fn begin(mut self) -> Result<(Run, ResponseHead, ResponseBody), Error> {
        let shared = self.client.shared().clone();
        let all = &shared.options.interceptors.0;
        if all.is_empty() {
            return self.make().await;
        }
        all.iter().for_each(|one| one.before(&mut CallHead(&mut self.prepared)));
        let (begun, mut head) = (Instant::now(), self.prepared.clone());
        let made = self.make().await;
        let outcome = made.as_ref().map(|(_, head, _)| head);
        // What was inside sees the answer first.
        for one in all.iter().rev() {
            one.after(&CallHead(&mut head), outcome, begun.elapsed());
        }
        made
    }

    async fn make(self) -> Result<(Run, ResponseHead, ResponseBody), Error> {
        self.check()?;
        let safe = self.idempotent && !matches!(self.body, Body::Stream(_));
        let shared = self.client.shared();
        let mut run = Run::new(shared, self.prepared, self.body, self.deadline, safe)?;
        let (head, body) = run.answer().await?;
        Ok((run, head, body))
    }

    /// What the server would refuse is not sent.
    fn check(&self) -> Result<(), Error> {
        let invalid = |what: &str| Err(Error::Invalid(what.to_owned()));
        for (name, value) in &self.prepared.fields {
            check_field(name, value)?;
        }
        match &self.prepared.called {
            Called::Operation(name) if !(1..=128).contains(&name.len()) => {
                invalid("an operation's name has 1 to 128 bytes")
            }
            Called::Target(..) if self.prepared.query.is_some() => {
                invalid("a path has its query in itself")
            }
            Called::Target(..) if !self.prepared.params.is_empty() => {
                invalid("a path has no parameters")
            }
            _ => Ok(()),
        }
    }
}

/// The whole answer, of at most `limit` bytes.
async fn collect(
    head: ResponseHead,
    mut body: ResponseBody,
    limit: usize,
) -> Result<Response, Error> {
    let mut first = body.chunk().await?.unwrap_or_default();
    let mut joined = bytes::BytesMut::new();
    loop {
        if first.len() + joined.len() > limit {
            return Err(Error::TooLarge(limit));
        }
        let Some(next) = body.chunk().await? else { break };
        if joined.is_empty() {
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&next);
    }
    let data = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Response::new(head, data, body.take_trailers()))
}

/// Whether a field is one.
pub(crate) fn check_field(name: &str, value: &[u8]) -> Result<(), Error> {
    let mut bytes = Vec::new();
    TlvWriter(&mut bytes).pair(kind::FIELD, name.as_bytes(), value);
    let field = Tlvs::trusted(&bytes).get(kind::FIELD).unwrap_or_default();
    match greeting::field(field) {
        Ok(_) => Ok(()),
        Err(cause) => Err(Error::Invalid(format!("field `{}`: {cause}", name.escape_debug()))),
    }
}
