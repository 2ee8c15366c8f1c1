//! One call over its attempts: on which connection it begins, and what follows when one has no answer.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use paifang_mmtp::{code::CancelCode, session::CallId};
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    Prepared, ResponseBody, ResponseHead,
    body::{self, BUDGET, Body},
    short::ShortForm,
};
use crate::{
    client::State,
    connect::Form,
    connection::{Attempt, Command, Connection, Head, Lost, Phase, changed},
    error::Error,
    shared::{Admitted, Shared},
};

/// Attempts that are in flight at the same time: one, and another while the first one's connection is half-dead.
const AT_ONCE: usize = 2;

/// A call that is being made.
pub(super) struct Run {
    shared: Arc<Shared>,
    permit: Arc<Admitted>,
    call: Arc<Prepared>,
    body: Body,
    deadline: Instant,
    /// Of the user that it belongs to.
    epoch: u32,
    /// It may be done twice.
    safe: bool,
    identity: Arc<OnceLock<CallId>>,
    live: Vec<Live>,
    /// Attempts that were begun; those among them that the server may have looked at.
    begun: u32,
    tries: u32,
    /// The newest connection that it was begun on; another attempt goes to a newer one.
    newest: u64,
    short: ShortForm,
    /// An attempt was lost after it was sent.
    perhaps_done: bool,
}

/// An attempt in flight. Dropped, it is cancelled, unless it is done.
#[derive(Debug)]
pub(super) struct Live {
    connection: Connection,
    ticket: u64,
    reply: oneshot::Receiver<Result<Head, Lost>>,
    over: bool,
}

impl Live {
    /// Nothing more is expected.
    pub(super) fn done(&mut self) {
        self.over = true;
    }

    pub(super) fn cancel(&mut self, code: CancelCode) {
        if !std::mem::replace(&mut self.over, true) {
            self.connection.tell(Command::Cancel { ticket: self.ticket, code });
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.cancel(CancelCode::UNWANTED);
    }
}

/// What a call waited for.
enum Woken {
    Answer(usize, Result<Head, Lost>),
    /// Connections may be others now, or stand otherwise.
    Looked,
    /// There is a conversation of the short form, or none could be had.
    Short(Option<Connection>),
    Deadline,
}

impl Run {
    /// One call more, where the client may have it. `deadline` is how long it may take; `safe`: it may be done twice.
    pub(super) fn new(
        shared: &Arc<Shared>,
        call: Prepared,
        body: Body,
        deadline: Duration,
        safe: bool,
    ) -> Result<Self, Error> {
        let (shared, call) = (shared.clone(), Arc::new(call));
        let permit = Arc::new(shared.admit()?);
        let deadline = Instant::now() + deadline;
        let identity = Arc::default();
        let (live, short) = (Vec::new(), ShortForm::new(&shared, safe));
        let epoch = shared.memory().epoch;
        Ok(Self {
            shared,
            permit,
            call,
            body,
            deadline,
            epoch,
            safe,
            identity,
            live,
            begun: 0,
            tries: 0,
            newest: 0,
            short,
            perhaps_done: false,
        })
    }

    /// The beginning of an answer. It may be asked again for another one where [`Run::again`] says so.
    pub(super) async fn answer(&mut self) -> Result<(ResponseHead, ResponseBody), Error> {
        let mut current = self.shared.current.subscribe();
        let mut state = self.shared.state.subscribe();
        loop {
            let connection = current.borrow_and_update().clone();
            let mut standing = connection.as_ref().map(Connection::standing);
            if let Some(standing) = &mut standing {
                // What changes from here on wakes.
                standing.mark_unchanged();
            }
            if let Some(connection) = connection {
                self.begin_if_due(&connection);
            }
            if self.live.is_empty() {
                match &*state.borrow_and_update() {
                    State::Ended { code, detail } => {
                        let ended = Error::Ended { code: *code, detail: detail.clone() };
                        return Err(self.ended_with(ended));
                    }
                    State::Closed => return Err(self.ended_with(Error::Closed)),
                    _ => {}
                }
            }
            let by_short = self.short_due();
            let woken = tokio::select! {
                biased;
                (index, outcome) = answered(&mut self.live) => Woken::Answer(index, outcome),
                // The keeper lives as long as there is a client; when it ends the state says so.
                _ = current.changed() => Woken::Looked,
                () = changed(&mut standing) => Woken::Looked,
                _ = state.changed(), if self.live.is_empty() => Woken::Looked,
                dialled = self.short.opened(by_short) => Woken::Short(dialled),
                () = sleep_until(self.deadline) => Woken::Deadline,
            };
            match woken {
                Woken::Looked => {}
                Woken::Deadline => return Err(self.too_late()),
                Woken::Short(connection) => {
                    if let Some(connection) = connection {
                        self.begin(&connection);
                    }
                }
                Woken::Answer(index, outcome) => {
                    let mut live = self.live.swap_remove(index);
                    match outcome {
                        Ok(head) => return Ok(self.answered(live, head)),
                        Err(lost) => {
                            live.done();
                            let of_connection =
                                matches!(lost, Lost::NotSent | Lost::Sent | Lost::NotLookedAt);
                            if of_connection && live.connection.form() == Form::Post {
                                let said = self.short.lost(&live.connection, &lost);
                                said.map_err(|error| self.ended_with(error))?;
                            }
                            self.lost(lost)?;
                        }
                    }
                }
            }
        }
    }

    /// Begins an attempt on `connection`, where it is the time for one.
    fn begin_if_due(&mut self, connection: &Connection) {
        let fresh = self.begun == 0 || connection.serial() > self.newest;
        let due = match self.live.last() {
            None => true,
            // Its first connection is half-dead or was given up, and the call does no harm twice.
            Some(last) => self.safe && last.connection.phase() != Phase::Open,
        };
        if due && fresh && !self.has_enough() && connection.takes(self.safe) {
            self.begin(connection);
        }
    }

    /// Whether no further attempt may begin.
    fn has_enough(&self) -> bool {
        self.live.len() >= AT_ONCE || self.tries >= self.shared.options.attempts
    }

    /// When the call goes by the short form, if it does: at once where no connection is to be expected, or where that of an attempt is
    /// half-dead and the call does no harm twice; a little later where one is being made.
    fn short_due(&self) -> Option<Instant> {
        let shared = &self.shared;
        if self.has_enough() || matches!(self.body, Body::Gone) {
            return None;
        }
        let due = match self.live.last() {
            None => self.short.due(shared),
            Some(last) if !self.safe || last.connection.form() == Form::Post => None,
            Some(last) => match last.connection.phase() {
                Phase::Suspect => Some(self.short.at_once()),
                Phase::Greeting => Some(self.short.in_a_while()),
                Phase::Open | Phase::Going | Phase::Closed => None,
            },
        };
        due.filter(|_| self.short.may_be(shared))
    }

    fn begin(&mut self, connection: &Connection) {
        let (bytes, stream) = match &mut self.body {
            Body::Whole(bytes) => (bytes.clone(), None),
            streams => match std::mem::replace(streams, Body::Gone) {
                Body::Stream(stream) => (Bytes::new(), Some(stream)),
                Body::Whole(_) | Body::Gone => return,
            },
        };
        let ticket = connection.ticket();
        let (sender, reply) = oneshot::channel();
        self.begun += 1;
        self.tries += 1;
        if connection.form() != Form::Post {
            self.newest = connection.serial();
        }
        let flow = stream.is_some().then(|| Arc::new(Semaphore::new(BUDGET)));
        connection.tell(Command::Call(Box::new(Attempt {
            ticket,
            call: self.call.clone(),
            body: bytes,
            end: stream.is_none(),
            identity: self.identity.clone(),
            number: self.begun,
            epoch: self.epoch,
            deadline: self.deadline,
            reply: sender,
            flow: flow.clone(),
        })));
        if let (Some(stream), Some(flow)) = (stream, flow) {
            tokio::spawn(body::pump(stream, connection.clone(), ticket, flow));
        }
        self.live.push(Live { connection: connection.clone(), ticket, reply, over: false });
    }

    /// An attempt has no answer. Whether another may follow.
    fn lost(&mut self, lost: Lost) -> Result<(), Error> {
        match lost {
            Lost::Sent => self.perhaps_done = true,
            // Nobody has looked at it, and how often is tried again is for who opens connections.
            Lost::NotSent | Lost::NotLookedAt => self.tries -= 1,
            _ => {}
        }
        let known = self.identity.get().copied();
        let again = match (&lost, known) {
            (Lost::Cancelled(code), _) => return Err(Error::Cancelled(*code)),
            (Lost::Invalid(why), _) => return Err(Error::Invalid(why.clone())),
            (Lost::Encoded, _) => return Err(Error::Encoded),
            (Lost::BodyDropped, _) => return Err(Error::BodyDropped),
            (Lost::NotSent | Lost::NotLookedAt, _) => true,
            // Another attempt may still have its answer; no further one would be this user's.
            (Lost::UserChanged, _) => !self.live.is_empty(),
            (Lost::Sent, _) => self.safe,
        };
        let possible = !matches!(self.body, Body::Gone);
        let more = self.tries < self.shared.options.attempts || !self.live.is_empty();
        match known {
            _ if again && possible && more => Ok(()),
            // What was begun before may still be done, where it was sent.
            Some(call_id) if self.perhaps_done || !self.live.is_empty() => {
                Err(Error::UnknownOutcome { call_id })
            }
            _ if lost == Lost::UserChanged => Err(Error::UserChanged),
            _ => {
                let why = self.shared.why_not();
                let why =
                    why.unwrap_or_else(|| "the connection ended before the call was sent".into());
                Err(Error::NotConnected(why))
            }
        }
    }

    /// No attempt will follow, and why. What was sent before may be done all the same.
    fn ended_with(&self, why: Error) -> Error {
        match self.identity.get().filter(|_| self.perhaps_done) {
            Some(call_id) => Error::UnknownOutcome { call_id: *call_id },
            None => why,
        }
    }

    fn too_late(&mut self) -> Error {
        let perhaps_done = self.perhaps_done || !self.live.is_empty();
        for live in &mut self.live {
            live.cancel(CancelCode::DEADLINE);
        }
        match self.identity.get().filter(|_| perhaps_done) {
            Some(call_id) => Error::Deadline { call_id: Some(*call_id) },
            None => match self.shared.why_not() {
                Some(why) => Error::NotConnected(why),
                None => Error::Deadline { call_id: None },
            },
        }
    }

    /// The connection was lost within the answer: whether there may be another one.
    pub(super) fn again(&mut self) -> bool {
        self.perhaps_done = true;
        self.safe && !self.has_enough()
    }

    fn answered(&mut self, live: Live, head: Head) -> (ResponseHead, ResponseBody) {
        // The others are cancelled.
        self.live.clear();
        let of_this = || CallId::of(&live.connection.nonce(), head.key);
        let identity = *self.identity.get_or_init(of_this);
        let response = ResponseHead::new(&head, identity, self.begun);
        let permit = self.permit.clone();
        (response, ResponseBody::new(live, head, self.deadline, identity, permit))
    }
}

/// Waits for the first attempt that ends.
async fn answered(live: &mut [Live]) -> (usize, Result<Head, Lost>) {
    poll_fn(|cx| {
        for (index, live) in live.iter_mut().enumerate() {
            if let Poll::Ready(reply) = Pin::new(&mut live.reply).poll(cx) {
                // A driver that drops the call has not taken it.
                return Poll::Ready((index, reply.unwrap_or(Err(Lost::NotSent))));
            }
        }
        Poll::Pending
    })
    .await
}
