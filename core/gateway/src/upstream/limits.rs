//! How much an endpoint and an upstream bear at once, and where calls wait for room.
//!
//! A *request* is an attempt under way: from being assigned to an endpoint to the end of its answer, or
//! of its tunnel. A *connection* is one to the endpoint's address, busy or idle. Over HTTP/1.1 a request
//! has a connection to itself; over HTTP/2 many share one. Both are counted by guards, which give their
//! place back when they are dropped, on whatever way that comes about.
//!
//! Calls that find no room wait in the upstream's queue, first come first served. The hot path of an
//! upstream with room costs a load more than one without limits.

use super::{endpoint::Endpoint, spec::LimitsSpec};
use std::sync::{
    Arc,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{Relaxed, SeqCst},
    },
};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Where calls to one upstream wait.
///
/// Of those that wait only the first looks for room; the others stand behind it.
#[derive(Debug)]
pub(super) struct Queue {
    spec: LimitsSpec,
    /// Attempts under way at all endpoints together.
    requests: AtomicUsize,
    waiting: AtomicUsize,
    first: Semaphore,
    freed: Notify,
}

impl Queue {
    pub(super) fn new(spec: LimitsSpec) -> Self {
        Self {
            spec,
            requests: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            first: Semaphore::new(1),
            freed: Notify::new(),
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(SeqCst)
    }

    /// A place behind those that wait, while there is one.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Waiting> {
        let one_more = |waiting: usize| (waiting < self.spec.pending).then(|| waiting + 1);
        self.waiting.fetch_update(SeqCst, SeqCst, one_more).ok()?;
        Some(Waiting(Arc::clone(self)))
    }

    /// There may be room.
    fn free(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    fn has_room(&self) -> bool {
        self.spec.total_requests.is_none_or(|most| self.requests.load(SeqCst) < most)
    }

    /// Counts one more, where it fits.
    fn take(&self) -> bool {
        let Some(most) = self.spec.total_requests else { return true };
        let one_more = |count: usize| (count < most).then(|| count + 1);
        self.requests.fetch_update(SeqCst, SeqCst, one_more).is_ok()
    }

    fn give_back(&self) {
        if self.spec.total_requests.is_some() {
            self.requests.fetch_sub(1, SeqCst);
        }
    }
}

/// A call that waits, counted while it lives.
pub(super) struct Waiting(Arc<Queue>);

impl Waiting {
    /// Waits until those before are gone.
    pub(super) async fn front(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.0.first.acquire().await.ok()
    }

    /// Waits until something was freed since the last time.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

/// What one endpoint has under way.
#[derive(Debug)]
pub(super) struct Gate {
    queue: Arc<Queue>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// All connections that there may be are there, and have no room; until something is freed.
    saturated: AtomicBool,
}

impl Gate {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            saturated: AtomicBool::new(false),
        }
    }

    /// Attempts under way.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }

    /// Connections that are open or being opened, those of probes not among them.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Whether one more attempt would be taken.
    pub(super) fn has_room(&self) -> bool {
        let spec = &self.queue.spec;
        spec.requests.is_none_or(|most| self.requests.load(SeqCst) < most)
            && !self.saturated.load(SeqCst)
            && self.queue.has_room()
    }

    fn take(&self) -> bool {
        if !self.queue.take() {
            return false;
        }
        let most = self.queue.spec.requests.unwrap_or(usize::MAX);
        let one_more = |count: usize| (count < most).then(|| count + 1);
        let taken = self.requests.fetch_update(SeqCst, SeqCst, one_more).is_ok();
        if !taken {
            self.queue.give_back();
        }
        taken
    }

    /// The right to open a connection; `None` when there are as many as there may be.
    pub(super) fn connect(self: &Arc<Self>) -> Option<Connection> {
        let most = self.queue.spec.connections.unwrap_or(usize::MAX);
        let one_more = |count: usize| (count < most).then(|| count + 1);
        self.connections.fetch_update(SeqCst, SeqCst, one_more).ok()?;
        Some(Connection(Arc::clone(self)))
    }

    /// Calls are not sent here until something is freed.
    pub(super) fn saturated(&self, saturated: bool) {
        self.saturated.store(saturated, SeqCst);
    }

    fn free(&self) {
        if self.saturated.load(SeqCst) {
            self.saturated.store(false, SeqCst);
        }
        self.queue.free();
    }
}

/// A connection that is open or being opened, counted while it lives.
#[derive(Debug)]
pub(super) struct Connection(Arc<Gate>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, SeqCst);
        self.0.free();
    }
}

/// An attempt under way, counted while it lives.
pub(super) struct InFlight {
    pub(super) endpoint: Arc<Endpoint>,
    counted: bool,
    /// It ends for want of a connection: nothing was freed for others by that.
    unconnected: bool,
}

impl InFlight {
    /// Counts an attempt, where there is room.
    pub(super) fn take(endpoint: &Arc<Endpoint>) -> Option<Self> {
        endpoint.gate.take().then(|| Self {
            endpoint: Arc::clone(endpoint),
            counted: true,
            unconnected: false,
        })
    }

    /// There is no connection to be had for it.
    pub(super) fn give_up(mut self) {
        self.unconnected = true;
    }

    /// An attempt that counts nowhere: a probe.
    pub(super) fn uncounted(endpoint: &Arc<Endpoint>) -> Self {
        Self { endpoint: Arc::clone(endpoint), counted: false, unconnected: false }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.counted {
            let gate = &self.endpoint.gate;
            gate.requests.fetch_sub(1, SeqCst);
            gate.queue.give_back();
            if self.unconnected {
                gate.queue.free();
            } else {
                gate.free();
            }
        }
    }
}
