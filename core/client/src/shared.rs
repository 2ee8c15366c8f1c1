//! What a client's handles, its keeper and its connections share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use paifang_mmtp::{
    code::CloseCode,
    greeting::{Auth, Closing, Field, Hello, Network, Token, Update, UserResult, Welcome},
    session,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use crate::{
    call::Interceptors,
    client::State,
    coding::Coder,
    connect::Connect,
    connection::Connection,
    device::DeviceIdentity,
    error::Error,
    forms::{self, Forms, Found},
    heartbeat,
    keeper::Backoff,
    kept::Kept,
    messages::{Inboxes, is_message_channel},
};

/// Addresses that a server may name: more are not kept.
const MAX_ALTERNATES: usize = 16;

/// Bytes of messages that wait to be sent; one that is larger alone waits alone.
const MOST_MESSAGES: u32 = 4 << 20;
/// What a message takes beside its bytes, about.
const BESIDE: u32 = 256;

/// A message's place among those that wait to be sent.
pub(crate) type Room = OwnedSemaphorePermit;

fn room_of(bytes: usize) -> u32 {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    bytes.saturating_add(BESIDE).min(MOST_MESSAGES)
}

/// What a client was built with. It does not change.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) app: Box<str>,
    pub(crate) app_version: Box<str>,
    pub(crate) device: Box<[u8]>,
    pub(crate) platform: Box<str>,
    pub(crate) authority: Option<Box<str>>,
    pub(crate) addresses: Vec<Arc<str>>,
    pub(crate) fields: Vec<Field>,
    pub(crate) session: session::Config,
    /// Of calls that say nothing else.
    pub(crate) deadline: Duration,
    /// The most attempts of one call.
    pub(crate) attempts: u32,
    /// The most calls that wait or are in flight.
    pub(crate) calls: usize,
    pub(crate) backoff: Backoff,
    pub(crate) interceptors: Interceptors,
    /// How long an address may take to be connected.
    pub(crate) dial: Duration,
    pub(crate) forms: Forms,
    /// Of MMTP within HTTP.
    pub(crate) path: Arc<str>,
}

impl Options {
    /// What they say of the client in each HELLO.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            app: self.app.clone(),
            app_version: self.app_version.clone(),
            device: self.device.clone(),
            platform: self.platform.clone(),
            authority: self.authority.clone(),
            fields: self.fields.clone(),
            ..Hello::default()
        }
    }
}

/// A call's place among those that a client may have.
pub(crate) type Admitted = OwnedSemaphorePermit;

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) device_key: Option<DeviceIdentity>,
    /// The connection that new calls go to.
    pub(crate) current: watch::Sender<Option<Connection>>,
    pub(crate) state: watch::Sender<State>,
    /// What the keeper must look at.
    pub(crate) changes: watch::Sender<Changes>,
    pub(crate) inboxes: Inboxes,
    pub(crate) coder: Arc<Coder>,
    heartbeats: Mutex<heartbeat::Table>,
    memory: Mutex<Memory>,
    calls: Arc<Semaphore>,
    /// Room for messages that wait to be sent, in bytes.
    messages: Arc<Semaphore>,
    /// Room for conversations of the short form.
    pub(crate) shorts: Arc<Semaphore>,
    /// Connections for further conversations.
    pub(crate) kept: Kept,
    serials: AtomicU64,
    closed: AtomicBool,
}

/// Counts of what has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The network.
    pub(crate) network: u64,
    /// Credentials, or whatever else a server may have ended a connection for.
    pub(crate) others: u64,
    pub(crate) closed: bool,
}

/// What goes from one connection to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) auth: Option<Auth>,
    pub(crate) epoch: u32,
    pub(crate) network: Option<Network>,
    pub(crate) foreground: Option<bool>,
    pub(crate) cursors: BTreeMap<u8, Box<[u8]>>,
    /// Addresses to try when those of the options fail.
    pub(crate) alternates: Vec<Arc<str>>,
    /// Addresses that the end of the last connection has named, to be tried first.
    pub(crate) moved: Vec<Arc<str>>,
    pub(crate) found: Found,
    /// Addresses where the user is at home, as the last server that was not has said (`moved`): every later connection begins there.
    pub(crate) home: Vec<Arc<str>>,
    token: Option<KeptToken>,
    /// Why the last try to connect failed.
    failed: Option<String>,
    /// What is to be added to this machine's time to have the server's, in milliseconds.
    offset: Option<i64>,
}

/// A resume token, of the newest connection that gave one.
#[derive(Debug)]
struct KeptToken {
    serial: u64,
    token: Token,
    until: Instant,
    /// How many HELLOs have had it.
    shown: u8,
}

/// A server takes a token back once, and the one before the newest once more. So two of the connections of a race may show it, and
/// whichever wins has got one that is good; a third would only hear that it was used.
const SHOWN: u8 = 2;

impl Memory {
    /// What a client begins with.
    pub(crate) fn new(
        auth: Option<Auth>,
        epoch: u32,
        network: Option<Network>,
        foreground: Option<bool>,
    ) -> Self {
        Self { auth, epoch, network, foreground, ..Self::default() }
    }

    /// Another user: cursors and resume token were the old one's.
    pub(crate) fn change_user(&mut self, auth: Option<Auth>) {
        if auth.is_none() {
            // Nobody is at home anywhere.
            self.home.clear();
        }
        self.auth = auth;
        self.epoch = self.epoch.saturating_add(1);
        self.cursors.clear();
        self.token = None;
    }

    /// The resume token, where it still lives, for one more HELLO.
    pub(crate) fn show_token(&mut self) -> Option<Box<[u8]>> {
        let now = Instant::now();
        let kept = self.token.as_mut().filter(|kept| kept.until > now && kept.shown < SHOWN)?;
        kept.shown += 1;
        Some(kept.token.bytes.clone())
    }

    fn keep(&mut self, serial: u64, token: Option<&Token>) {
        let Some(token) = token else { return };
        if self.token.as_ref().is_some_and(|kept| kept.serial > serial) {
            return;
        }
        let lifetime = Duration::from_secs(u64::from(token.lifetime));
        let until = Instant::now() + lifetime;
        self.token = Some(KeptToken { serial, token: token.clone(), until, shown: 0 });
    }

    /// A server has said why it ends a connection, and where to go.
    pub(crate) fn go(&mut self, closing: &Closing) {
        self.moved = bounded(&closing.alternates);
        if closing.code == CloseCode::MOVED && !self.moved.is_empty() {
            self.home.clone_from(&self.moved);
        }
    }

    /// Cursors that the server has restored.
    fn restore(&mut self, cursors: &[(u8, Box<[u8]>)]) {
        let usable = cursors.iter().filter(|(channel, _)| is_message_channel(*channel));
        self.cursors.extend(usable.cloned());
    }

    fn name_alternates(&mut self, alternates: &[Box<str>]) {
        if !alternates.is_empty() {
            self.alternates = bounded(alternates);
        }
    }
}

/// As many as are kept.
fn bounded(alternates: &[Box<str>]) -> Vec<Arc<str>> {
    alternates.iter().take(MAX_ALTERNATES).map(|address| (**address).into()).collect()
}

impl Shared {
    pub(crate) fn new(
        options: Options,
        connect: Arc<dyn Connect>,
        device_key: Option<DeviceIdentity>,
        memory: Memory,
        mut heartbeats: heartbeat::Table,
        coder: Arc<Coder>,
    ) -> Self {
        heartbeats.enter(memory.network.as_ref());
        Self {
            connect,
            device_key,
            current: watch::Sender::new(None),
            state: watch::Sender::new(State::Connecting),
            changes: watch::Sender::new(Changes::default()),
            inboxes: Inboxes::default(),
            coder,
            heartbeats: Mutex::new(heartbeats),
            memory: Mutex::new(memory),
            calls: Arc::new(Semaphore::new(options.calls)),
            messages: Arc::new(Semaphore::new(MOST_MESSAGES as usize)),
            shorts: Arc::new(Semaphore::new(forms::AT_ONCE)),
            kept: Kept::default(),
            serials: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            options,
        }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heartbeats(&self) -> MutexGuard<'_, heartbeat::Table> {
        self.heartbeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new connection, from 1.
    pub(crate) fn serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of the newest connection.
    pub(crate) fn newest(&self) -> u64 {
        self.serials.load(Ordering::Relaxed)
    }

    pub(crate) fn admit(&self) -> Result<Admitted, Error> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        self.calls.clone().try_acquire_owned().map_err(|_| Error::Busy)
    }

    /// Waits for room for a message of so many bytes. It is held until the message is sent.
    pub(crate) async fn room(&self, bytes: usize) -> Option<Room> {
        self.messages.clone().acquire_many_owned(room_of(bytes)).await.ok()
    }

    /// The same, where there is some now.
    pub(crate) fn room_now(&self, bytes: usize) -> Option<Room> {
        self.messages.clone().try_acquire_many_owned(room_of(bytes)).ok()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Something has changed: a client that was told not to come back may try again.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Changes)) {
        self.state.send_if_modified(|state| {
            let ended = matches!(state, State::Ended { .. });
            if ended {
                *state = State::Connecting;
            }
            ended
        });
        self.changes.send_modify(change);
    }

    /// Ends everything: the keeper sees it and closes the connection.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.changes.send_modify(|changes| changes.closed = true);
        self.inboxes.close();
        self.kept.clear();
        if self.options.forms == Forms::Post {
            // There is no keeper to say it.
            self.state.send_replace(State::Closed);
        }
    }

    pub(crate) fn failed(&self, why: String) {
        self.memory().failed = Some(why);
    }

    /// Why the last try to connect failed, when none has succeeded since.
    pub(crate) fn why_not(&self) -> Option<String> {
        self.memory().failed.clone()
    }

    /// WELCOME has come, to the user of `epoch`.
    pub(crate) fn welcomed(&self, serial: u64, epoch: u32, welcome: &Welcome) {
        let mut memory = self.memory();
        memory.failed = None;
        memory.name_alternates(&welcome.alternates);
        if memory.epoch == epoch {
            memory.keep(serial, welcome.token.as_ref());
            memory.restore(&welcome.cursors);
        }
    }

    pub(crate) fn user(&self, serial: u64, result: &UserResult) {
        let mut memory = self.memory();
        if memory.epoch == result.epoch {
            memory.keep(serial, result.token.as_ref());
        }
    }

    /// UPDATE has come, to the user of `epoch`.
    pub(crate) fn updated(&self, serial: u64, epoch: u32, update: &Update) {
        let mut memory = self.memory();
        memory.name_alternates(&update.alternates);
        if memory.epoch == epoch {
            memory.keep(serial, update.token.as_ref());
            memory.restore(&update.cursors);
        }
    }

    /// The server's time against this machine's: `half` is half of the time between HELLO and WELCOME.
    pub(crate) fn tell_time(&self, server_time: u64, half: Duration) {
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else { return };
        let middle = now.saturating_sub(half).as_millis();
        let (server, middle) = (i64::try_from(server_time), i64::try_from(middle));
        if let (Ok(server), Ok(middle)) = (server, middle) {
            self.memory().offset = Some(server.saturating_sub(middle));
        }
    }

    pub(crate) fn time_offset(&self) -> Option<i64> {
        self.memory().offset
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("app", &self.options.app).finish_non_exhaustive()
    }
}
