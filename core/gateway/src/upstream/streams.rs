//! HTTP/2 connections, shared by many calls at once.
//!
//! Each call holds a slot of one connection; a connection gives out as many as the server and the
//! spec allow. Only one connection to an endpoint is being opened at a time, so that a burst of calls
//! shares it; when opening fails, all who waited for it fail with it.

use super::{error, io::Wire, limits, spec::PoolSpec};
use bytes::Bytes;
use futures::FutureExt;
use h2::{
    Ping, PingPong,
    client::{Builder, Connection, SendRequest},
};
use paifang_pipeline::{OriginError, ports::Spawn};
use parking_lot::Mutex;
use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, MissedTickBehavior, interval},
};

/// What a server may send on one stream before we have passed it on, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// The largest header section that is taken, in bytes.
const HEADER_LIST: u32 = 64 << 10;
/// A connection with calls on it is pinged so often; without an answer by the next time it is dead.
const PING_EVERY: Duration = Duration::from_secs(10);
/// In place of a count of calls: the connection gives out no more slots.
const CLOSED: usize = usize::MAX;

/// The connections to one endpoint.
pub(super) struct Streams {
    spec: PoolSpec,
    list: Mutex<Vec<Shared>>,
    opening: Semaphore,
    failures: AtomicU64,
    failed: Mutex<Option<OriginError>>,
}

struct Shared {
    send: SendRequest<Bytes>,
    state: Arc<ConnectionState>,
}

#[derive(Debug)]
struct ConnectionState {
    in_flight: AtomicUsize,
    /// The server is going, or the connection is old: no more slots, those given out live on.
    draining: AtomicBool,
    used: AtomicBool,
    born: Instant,
}

/// A place on a connection, given back on drop.
pub(super) struct Slot {
    pub(super) send: SendRequest<Bytes>,
    /// The connection has served a call before this one.
    pub(super) reused: bool,
    state: Arc<ConnectionState>,
}

impl Slot {
    /// The connection gives out no more slots.
    pub(super) fn retire(&self) {
        self.state.draining.store(true, Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The right to open a connection.
pub(super) struct Opening<'a> {
    streams: &'a Streams,
    _permit: Option<SemaphorePermit<'a>>,
}

/// What waiting for the right to open a connection came to.
pub(super) enum Turn<'a> {
    /// Another has opened one meanwhile.
    Slot(Slot),
    /// It is our turn.
    Open(Opening<'a>),
}

impl Streams {
    pub(super) fn new(spec: PoolSpec) -> Self {
        Self {
            spec,
            list: Mutex::default(),
            opening: Semaphore::new(1),
            failures: AtomicU64::new(0),
            failed: Mutex::default(),
        }
    }

    /// How many connections are open, and how many calls are on them.
    pub(super) fn load(&self) -> (usize, usize) {
        let list = self.list.lock();
        let calls = list.iter().map(|shared| shared.state.in_flight.load(Relaxed));
        (list.len(), calls.filter(|&calls| calls != CLOSED).sum())
    }

    /// A slot on an open connection, where one has any left.
    pub(super) fn take(&self) -> Option<Slot> {
        let mut list = self.list.lock();
        self.forget_closed(&mut list);
        list.iter_mut().find_map(|shared| self.slot(shared))
    }

    /// Closes connections that nobody may use any more.
    pub(super) fn sweep(&self) {
        self.forget_closed(&mut self.list.lock());
    }

    /// Lets go of all connections: each ends with its last call.
    pub(super) fn close(&self) {
        let list = std::mem::take(&mut *self.list.lock());
        list.iter().for_each(|shared| shared.state.draining.store(true, Relaxed));
    }

    /// Lets go of connections without calls.
    pub(super) fn close_unused(&self) {
        self.list.lock().retain(|shared| {
            let calls = &shared.state.in_flight;
            calls.compare_exchange(0, CLOSED, Relaxed, Relaxed).is_err()
        });
    }

    fn forget_closed(&self, list: &mut Vec<Shared>) {
        let max_age = self.spec.max_age;
        list.retain(|shared| {
            let state = &shared.state;
            if state.born.elapsed() >= max_age {
                state.draining.store(true, Relaxed);
            }
            let draining = state.draining.load(Relaxed);
            // Letting go of the handle ends the connection once its last stream has ended.
            !draining && state.in_flight.load(Relaxed) != CLOSED
        });
    }

    fn slot(&self, shared: &mut Shared) -> Option<Slot> {
        let state = &shared.state;
        let limit = self.spec.h2_streams.min(shared.send.current_max_send_streams());
        let one_more = |calls: usize| (calls < limit).then(|| calls + 1);
        state.in_flight.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        let mut slot = Slot {
            send: shared.send.clone(),
            reused: state.used.swap(true, Relaxed),
            state: Arc::clone(state),
        };
        // The connection may have ended, or the server have said that it is going.
        match poll_fn(|cx| slot.send.poll_ready(cx)).now_or_never() {
            Some(Err(_)) => {
                slot.retire();
                None
            }
            _ => Some(slot),
        }
    }

    /// Waits until no other call is opening a connection.
    ///
    /// # Errors
    /// What the other met.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, OriginError> {
        let failures = self.failures.load(Relaxed);
        // The semaphore is never closed; without a permit a second connection is the worst.
        let permit = self.opening.acquire().await.ok();
        if let Some(slot) = self.take() {
            return Ok(Turn::Slot(slot));
        }
        if self.failures.load(Relaxed) != failures
            && let Some(failed) = self.failed.lock().clone()
        {
            return Err(failed);
        }
        Ok(Turn::Open(Opening { streams: self, _permit: permit }))
    }

    /// Speaks HTTP/2 on a fresh connection, adds it, and takes its first slot.
    pub(super) async fn add(
        &self,
        wire: Wire,
        counted: Option<limits::Connection>,
        spawn: &dyn Spawn,
    ) -> Result<Slot, OriginError> {
        let streams = u32::try_from(self.spec.h2_streams).unwrap_or(u32::MAX).max(1);
        // As large as all streams' windows together: slow readers of some must not stop others.
        let window = STREAM_WINDOW.saturating_mul(streams).min((1 << 31) - 1);
        let (send, mut connection) = Builder::new()
            .enable_push(false)
            .initial_max_send_streams(self.spec.h2_streams.max(1))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(window)
            .max_header_list_size(HEADER_LIST)
            .handshake(wire)
            .await
            .map_err(|error| error::h2_unopened(&error))?;
        let state = Arc::new(ConnectionState {
            // This call's slot.
            in_flight: AtomicUsize::new(1),
            draining: AtomicBool::new(false),
            used: AtomicBool::new(true),
            born: Instant::now(),
        });
        if let Some(ping) = connection.ping_pong() {
            let driven = drive(connection, ping, Arc::clone(&state), self.spec.idle);
            spawn.spawn(Box::pin(async move {
                // Counts until the connection is closed.
                let _counted = counted;
                driven.await;
            }));
        }
        let slot = Slot { send: send.clone(), reused: false, state: Arc::clone(&state) };
        self.list.lock().push(Shared { send, state });
        Ok(slot)
    }
}

impl Opening<'_> {
    /// Opening failed; those who wait are told the same.
    pub(super) fn failed(self, error: &OriginError) {
        *self.streams.failed.lock() = Some(error.clone());
        self.streams.failures.fetch_add(1, Relaxed);
    }
}

/// Drives a connection to its end. Dropping it ends the streams that are left.
async fn drive(
    connection: Connection<Wire, Bytes>,
    mut ping: PingPong,
    state: Arc<ConnectionState>,
    idle: Duration,
) {
    let mut connection = std::pin::pin!(connection);
    let mut tick = interval(PING_EVERY.min(idle));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pinged: Option<Instant> = None;
    let mut idle_since = None;
    loop {
        let pong = poll_fn(|cx| ping.poll_pong(cx));
        tokio::select! {
            _ = connection.as_mut() => break,
            _ = pong, if pinged.is_some() => pinged = None,
            _ = tick.tick() => {
                let now = Instant::now();
                if pinged.is_some_and(|at| now - at >= PING_EVERY) {
                    tracing::info!("an HTTP/2 connection to a server is dead: no answer to a ping");
                    break;
                }
                if state.in_flight.load(Relaxed) > 0 {
                    idle_since = None;
                    if pinged.is_none() && ping.send_ping(Ping::opaque()).is_ok() {
                        pinged = Some(now);
                    }
                } else if now - *idle_since.get_or_insert(now) >= idle
                    && state.in_flight.compare_exchange(0, CLOSED, Relaxed, Relaxed).is_ok()
                {
                    break;
                }
            }
        }
    }
    state.draining.store(true, Relaxed);
}
