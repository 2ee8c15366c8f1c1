//! One connection: its session, shared between its task and those who push to it.

mod beside;
mod decide;
mod decode;
mod dictionary;
mod drive;
mod io;
mod job;
mod kept;
mod refuse;
mod settle;
mod task;
mod timer;

pub(crate) use task::Serving;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::task::AtomicWaker;
use http::HeaderValue;
use paifang_mmtp::{
    code::CloseCode,
    greeting::{Closing, Update},
    session::{Key, Message, Millis, NewMessage, Session},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::{
    Client, Connection, Limits, Stats, User,
    call::Inbox,
    encoding::{Codec, Forms},
};
use kept::Kept;

/// The most messages of a channel, and bytes of all, that wait to be taken over.
const MESSAGES: usize = 1024;
const MESSAGE_BYTES: usize = 4 << 20;

/// What a connection's task, its calls and others have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Of the front.
    pub(crate) stats: Arc<Stats>,
    /// The connection's task.
    pub(crate) task: AtomicWaker,
    /// Zero of the session's clock.
    began: Instant,
    /// How long the client may take nothing of what waits for it.
    pub(crate) stall: Duration,
}

/// A message that waits to be taken over, with what held when it came. The fields of its call are put together when it is its turn: they
/// take more room than most messages do.
#[derive(Debug)]
struct Waiting {
    message: Message,
    user: Option<Arc<User>>,
    authorization: Option<HeaderValue>,
}

/// See [`Shared`].
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) session: Session,
    /// Calls whose fronts live.
    pub(crate) inboxes: Vec<(Key, Inbox)>,
    /// Messages that wait for the one before them, by channel.
    messages: Vec<(u8, VecDeque<Waiting>)>,
    /// Bytes of them.
    message_bytes: usize,
    /// No more bytes of messages than these wait to be sent. Counted anew only when it matters: for a message to many this runs for
    /// each of them.
    pushed: usize,
    /// Bytes from the client, and to it, as they were last counted.
    bytes: (u64, u64),
    /// What is kept for the device's next connection.
    kept: Option<Box<Kept>>,
    /// Whether the job that does so runs.
    keeping: bool,
    /// What is compressed and how, once the client is admitted.
    pub(crate) codec: Option<Codec>,
    /// Bytes of compressed requests that are here.
    pub(crate) coded: usize,
    /// Bytes of answers that are being collected to be compressed, and how many of those have no known length.
    pub(crate) held: usize,
    pub(crate) open: usize,
    /// The most bytes of a message that is handed on whole.
    pub(crate) most_message: usize,
}

impl Shared {
    pub(crate) fn new(session: Session, stats: Arc<Stats>, limits: &Limits) -> Self {
        let most_message = limits.session.settings.max_message as usize;
        let state = Mutex::new(State {
            session,
            inboxes: Vec::new(),
            messages: Vec::new(),
            message_bytes: 0,
            pushed: 0,
            bytes: (0, 0),
            kept: None,
            keeping: false,
            codec: None,
            coded: 0,
            held: 0,
            open: 0,
            most_message,
        });
        Self { state, stats, task: AtomicWaker::new(), began: Instant::now(), stall: limits.stall }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The session's time.
    pub(crate) fn now(&self) -> Millis {
        self.millis(Instant::now())
    }

    /// The same, of a time that is known.
    pub(crate) fn millis(&self, now: Instant) -> Millis {
        let passed = now.saturating_duration_since(self.began).as_millis();
        Millis(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The next whole second of the session's time, from `at` on.
    pub(crate) fn whole_second(&self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.began);
        self.began + Duration::from_secs(since.as_secs() + u64::from(since.subsec_nanos() > 0))
    }

    /// When a time of the session is.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.began + Duration::from_millis(at.0)
    }
}

impl State {
    pub(crate) fn inbox(&mut self, key: Key) -> Option<&mut Inbox> {
        // Calls are few, and the newest is asked for most.
        self.inboxes.iter_mut().rev().find(|(own, _)| *own == key).map(|(_, inbox)| inbox)
    }

    pub(crate) fn add(&mut self, key: Key, inbox: Inbox) {
        self.inboxes.push((key, inbox));
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Inbox> {
        let index = self.inboxes.iter().position(|(own, _)| *own == key)?;
        let (_, inbox) = self.inboxes.swap_remove(index);
        if self.inboxes.is_empty() {
            // An idle connection keeps nothing.
            self.inboxes = Vec::new();
        }
        Some(inbox)
    }

    /// Puts a message behind those of its channel; true when somebody has to begin to take them over. Too many end the connection.
    fn enqueue(&mut self, waiting: Waiting) -> bool {
        let channel = waiting.message.key.channel;
        self.message_bytes += waiting.message.data.len();
        if self.message_bytes > MESSAGE_BYTES {
            let why = "its messages come faster than they are taken over";
            self.session.close(Closing::new(CloseCode::TOO_FAST).detail(why));
        }
        match self.messages.iter_mut().find(|(own, _)| *own == channel) {
            Some((_, before)) => {
                if before.len() >= MESSAGES {
                    let why = "too many messages wait to be taken over";
                    self.session.close(Closing::new(CloseCode::TOO_FAST).detail(why));
                }
                before.push_back(waiting);
                false
            }
            None => {
                self.messages.push((channel, VecDeque::from([waiting])));
                true
            }
        }
    }

    /// The next message of a channel; after the last one, or when the connection is gone, the channel is forgotten.
    fn dequeue(&mut self, channel: u8) -> Option<Waiting> {
        let index = self.messages.iter().position(|(own, _)| *own == channel)?;
        let next = self.messages[index].1.pop_front().filter(|_| !self.session.is_closed());
        match &next {
            Some(next) => self.message_bytes -= next.message.data.len(),
            None => {
                self.messages.swap_remove(index);
            }
        }
        next
    }

    /// No call gets anything more.
    pub(crate) fn all_gone(&mut self) {
        for (_, inbox) in &mut self.inboxes {
            inbox.gone = true;
            inbox.wake();
        }
        if let Some(kept) = &mut self.kept {
            kept.wake();
        }
    }
}

/// A connection as others see it: messages can be sent over it, and it can be ended.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    push_bytes: usize,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// The connection is gone.
    #[error("the connection is gone")]
    Gone,
    /// The channel carries no messages.
    #[error("the channel carries no messages")]
    Channel,
    /// As much waits for this client as may, and nothing of it may be dropped. The connection ends, so that the client comes again.
    #[error("the client takes too little")]
    Slow,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// By which name its ACK comes, where it was taken.
    pub(crate) key: Result<Key, NotSent>,
    /// Messages that were dropped, whether that made room for it or not; it among them.
    pub(crate) dropped: usize,
}

impl Outcome {
    fn not(why: NotSent, dropped: usize) -> Self {
        Self { key: Err(why), dropped }
    }
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, push_bytes: usize) -> Self {
        Self { shared, push_bytes }
    }

    /// Sends a message, in the form that this connection takes.
    pub(crate) fn push(&self, channel: u8, forms: &mut Forms<'_>) -> Outcome {
        let outcome = self.take(channel, forms);
        self.shared.task.wake();
        outcome
    }

    fn take(&self, channel: u8, forms: &mut Forms<'_>) -> Outcome {
        let mut state = self.shared.lock();
        let State { session, pushed, codec, .. } = &mut *state;
        if session.is_closed() {
            return Outcome::not(NotSent::Gone, 0);
        }
        session.advance(self.shared.now());
        let message = forms.of(codec.as_ref());
        let (wire, zstd) = (message.data.len(), message.zstd);
        let mut dropped = 0;
        let mut waits = *pushed + message.waiting_bytes();
        if waits > self.push_bytes {
            let (shed, room) = self.make_room(session, &message);
            if let Err(why) = room {
                return Outcome::not(why, shed);
            }
            dropped = shed;
            waits = session.messages_waiting() + message.waiting_bytes();
        }
        let Some(key) = session.message(channel, message) else {
            return Outcome::not(NotSent::Channel, dropped);
        };
        *pushed = waits;
        if zstd {
            self.shared.stats.count_zstd_out(forms.plain(), wire);
        }
        Outcome { key: Ok(key), dropped }
    }

    /// Drops what may be dropped where there is no room for a message: how many, and whether there is room now. One that is larger than
    /// all the room goes alone.
    fn make_room(
        &self,
        session: &mut Session,
        message: &NewMessage,
    ) -> (usize, Result<(), NotSent>) {
        let fits = |waits: usize| waits + message.waiting_bytes() <= self.push_bytes;
        if fits(session.messages_waiting()) {
            return (0, Ok(()));
        }
        let shed = session.shed();
        let waits = session.messages_waiting();
        if fits(waits) {
            (shed, Ok(()))
        } else if message.droppable {
            (shed + 1, Err(NotSent::Slow))
        } else if waits > 0 {
            session.close(Closing::new(CloseCode::SLOW_READER));
            (shed, Err(NotSent::Slow))
        } else {
            (shed, Ok(()))
        }
    }

    /// Asks the client to go: calls that have come are answered, then the connection ends.
    pub fn goaway(&self, closing: Closing) {
        self.shared.lock().session.goaway(closing);
        self.shared.task.wake();
    }

    /// Ends the connection.
    pub fn close(&self, closing: Closing) {
        self.shared.lock().session.close(closing);
        self.shared.task.wake();
    }

    /// Tells the client what is another now.
    pub fn update(&self, update: &Update) {
        self.shared.lock().session.update(update);
        self.shared.task.wake();
    }

    /// Sets where a channel's component goes on: at most 64 bytes that it understands. They are kept with the device's resume token and
    /// come back in WELCOME when a later connection of the device and user shows it, whatever becomes of this one. They are written
    /// within a second or so; those of the last moments before a gateway dies may be lost, so a component must bear to go on from an
    /// earlier one. False: the device has no token, or the cursor cannot be kept.
    pub fn set_cursor(&self, channel: u8, cursor: &[u8]) -> bool {
        let mut state = self.shared.lock();
        !state.session.is_closed()
            && state.kept.as_mut().is_some_and(|kept| kept.set(channel, cursor))
    }

    /// The connection as people look at it.
    pub(crate) fn look<T>(&self, client: Arc<Client<T>>) -> Connection<T> {
        let state = self.shared.lock();
        let session = &state.session;
        let (bytes_in, bytes_out) = state.bytes;
        Connection {
            client,
            age: self.shared.began.elapsed(),
            calls: session.calls_in_flight(),
            bytes_in,
            bytes_out,
            queued: session.queued(None),
            going: session.is_going() || session.is_closed(),
        }
    }

    /// Whether the client was told to go.
    pub(crate) fn is_going(&self) -> bool {
        let state = self.shared.lock();
        state.session.is_going() || state.session.is_closed()
    }

    /// Whether it is this connection.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}
