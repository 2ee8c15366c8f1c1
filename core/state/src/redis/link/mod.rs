//! The way to the servers: a bounded queue, a task that runs commands, and one that keeps the
//! connection. Nobody who asks waits longer than `command_timeout`, and nobody at all while the
//! lane is down.

mod connect;
mod keeper;
mod lanes;
mod worker;

use super::{
    counts::Counts,
    failure::Failure,
    members::Members,
    script::Script,
    settings::RedisSettings,
    slot::{self, LANES},
};
use connect::Connection;
use lanes::Lanes;
use paifang_pipeline::ports::Spawn;
use parking_lot::Mutex;
use redis::Value;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};

/// What is told to whoever sent a command; dropping it unanswered tells that the store is away.
type Done = Box<dyn FnOnce(Result<Value, Failure>) + Send + Sync>;

/// A script to be run.
pub(super) struct Command {
    pub(super) script: &'static Script,
    /// All in one slot.
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) lane: usize,
    done: Option<Done>,
    /// When it is too late.
    deadline: Instant,
}

impl Command {
    fn finish(mut self, outcome: Result<Value, Failure>) {
        if let Some(done) = self.done.take() {
            done(outcome);
        }
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(Failure::Away("the gateway stops".to_owned())));
        }
    }
}

/// See the module. The tasks end when it is dropped.
pub(super) struct Link {
    queue: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    /// The other end of the queue, until the tasks are started.
    waiting: Mutex<Option<mpsc::Receiver<Command>>>,
    started: AtomicBool,
}

/// What the tasks share with everybody else.
pub(super) struct Shared {
    pub(super) settings: RedisSettings,
    pub(super) lanes: Lanes,
    pub(super) counts: Counts,
    pub(super) members: Members,
    /// The connection, where there is one, by its number.
    connection: watch::Sender<Option<(u64, Connection)>>,
    /// A connection is of no more use: its number.
    broken: Mutex<Option<u64>>,
    wake: Notify,
    /// Why the last attempt failed.
    trouble: Mutex<Option<String>>,
}

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Self {
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        let lanes = if settings.cluster { LANES } else { 1 };
        Self {
            queue,
            shared: Arc::new(Shared {
                lanes: Lanes::new(lanes),
                counts: Counts::default(),
                members: Members::new(settings.gateways),
                settings,
                connection: watch::Sender::new(None),
                broken: Mutex::default(),
                wake: Notify::new(),
                trouble: Mutex::default(),
            }),
            waiting: Mutex::new(Some(waiting)),
            started: AtomicBool::new(false),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Starts the tasks, once; whether it was this time.
    pub(super) fn start(&self, spawn: &Arc<dyn Spawn>) -> bool {
        let Some(waiting) = self.waiting.lock().take() else { return false };
        let alive = self.queue.downgrade();
        spawn.spawn(Box::pin(worker::run(self.shared.clone(), waiting)));
        spawn.spawn(Box::pin(keeper::run(self.shared.clone(), alive)));
        self.started.store(true, Relaxed);
        true
    }

    pub(super) fn is_started(&self) -> bool {
        self.started.load(Relaxed)
    }

    /// The lane of a key.
    pub(super) fn lane(&self, key: &[u8]) -> usize {
        slot::lane(key, self.shared.lanes.count())
    }

    /// Has a script run. `done` hears of it exactly once, at once where nothing is sent: so no lock
    /// may be held here that it takes.
    pub(super) fn send(
        &self,
        script: &'static Script,
        keys: Vec<Vec<u8>>,
        arguments: Vec<Vec<u8>>,
        done: impl FnOnce(Result<Value, Failure>) + Send + Sync + 'static,
    ) {
        let lane = keys.first().map_or(0, |key| self.lane(key));
        let counts = &self.shared.counts;
        if !self.started.load(Relaxed) || self.shared.lanes.is_down(lane) {
            counts.note(Some(&Failure::Down));
            return done(Err(Failure::Down));
        }
        let deadline = Instant::now() + self.shared.settings.command_timeout;
        let done: Done = Box::new(done);
        let command = Command { script, keys, arguments, lane, done: Some(done), deadline };
        if let Err(refused) = self.queue.try_send(command) {
            let (failure, command) = match refused {
                mpsc::error::TrySendError::Full(command) => (Failure::Busy, command),
                mpsc::error::TrySendError::Closed(command) => (Failure::Down, command),
            };
            counts.note(Some(&failure));
            command.finish(Err(failure));
        }
    }
}

impl Shared {
    /// A connection with this number is of no more use.
    fn give_up(&self, number: u64) {
        *self.broken.lock() = Some(number);
        self.wake.notify_one();
    }

    /// Whether there is a connection, of whatever use.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.borrow().is_some()
    }

    /// What was wrong when something was last wrong, while something is.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }
}
