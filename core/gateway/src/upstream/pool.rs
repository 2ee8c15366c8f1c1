//! Idle HTTP/1.1 connections, kept for later calls.
//!
//! Last in, first out, so that a burst's surplus grows old and is closed. A connection is looked at
//! when it is taken: one that the server has closed, or on which something was said unasked, is not
//! used. A sweeper closes what has expired meanwhile. Locks are held for moments, never over a wait.

use super::{io::IoState, limits::Connection, spec::PoolSpec, timer::Timer};
use futures::FutureExt;
use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, time::Instant};

/// A connection between two calls. The stream is a [`super::io::WriteBehind`] with nothing pending.
pub(super) struct Idle {
    pub(super) stream: Stream,
    pub(super) state: Arc<IoState>,
    pub(super) timer: Timer,
    /// Its place among the endpoint's connections.
    pub(super) counted: Option<Connection>,
    pub(super) born: Instant,
    /// When it stops being worth keeping.
    pub(super) until: Instant,
}

impl Idle {
    /// Whether the server has closed it or spoken unasked.
    fn is_dead(&mut self) -> bool {
        let mut byte = [0; 1];
        tokio::task::unconstrained(self.stream.read(&mut byte)).now_or_never().is_some()
    }
}

/// What the pools of one upstream share.
#[derive(Debug)]
pub(super) struct PoolLimits {
    spec: PoolSpec,
    idle: AtomicUsize,
    closed: AtomicBool,
}

impl PoolLimits {
    pub(super) fn new(spec: PoolSpec) -> Self {
        Self { spec, idle: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// How many connections are idle over all endpoints.
    pub(super) fn idle(&self) -> usize {
        self.idle.load(Relaxed)
    }

    /// Nothing is kept from here on.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Until when a connection born then may be kept, where the server announces `keep`.
    pub(super) fn keep_until(
        &self,
        now: Instant,
        born: Instant,
        keep: Option<Duration>,
    ) -> Instant {
        let idle = keep.map_or(self.spec.idle, |keep| keep.min(self.spec.idle));
        (now + idle).min(born + self.spec.max_age)
    }
}

/// The idle connections to one endpoint.
pub(super) struct IdlePool {
    limits: Arc<PoolLimits>,
    list: Mutex<VecDeque<Idle>>,
}

impl IdlePool {
    pub(super) fn new(limits: Arc<PoolLimits>) -> Self {
        Self { limits, list: Mutex::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.list.lock().len()
    }

    /// The connection that was used last and still lives; counts into `dead` those found dead.
    pub(super) fn take(&self, mut dead: impl FnMut()) -> Option<Idle> {
        loop {
            let mut idle = self.list.lock().pop_back()?;
            self.limits.idle.fetch_sub(1, Relaxed);
            if idle.until <= Instant::now() {
                continue;
            }
            if idle.is_dead() {
                dead();
                continue;
            }
            return Some(idle);
        }
    }

    /// Keeps a connection, or closes it where there is no room; an older one to the same endpoint
    /// makes room.
    pub(super) fn put(&self, idle: Idle, now: Instant) {
        if self.limits.closed.load(Relaxed) || idle.until <= now {
            return;
        }
        let mut list = self.list.lock();
        let mut oldest = None;
        if self.limits.idle.fetch_add(1, Relaxed) >= self.limits.spec.size {
            self.limits.idle.fetch_sub(1, Relaxed);
            oldest = list.pop_front();
            if oldest.is_none() {
                return;
            }
        }
        list.push_back(idle);
        drop(list);
        // Closing costs a system call: outside the lock.
        drop(oldest);
    }

    /// Closes what is dead or expired; everything where the upstream is closed.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let closed = self.limits.closed.load(Relaxed);
        let mut gone = Vec::new();
        let mut list = self.list.lock();
        for _ in 0..list.len() {
            let Some(mut idle) = list.pop_front() else { break };
            if closed || idle.until <= now || idle.is_dead() {
                gone.push(idle);
            } else {
                list.push_back(idle);
            }
        }
        drop(list);
        self.limits.idle.fetch_sub(gone.len(), Relaxed);
    }
}

impl Drop for IdlePool {
    fn drop(&mut self) {
        self.limits.idle.fetch_sub(self.list.get_mut().len(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    //! Order, room, age and death, on connections in memory.
    use super::{Idle, IdlePool, IoState, PoolLimits, PoolSpec, Timer};
    use std::{sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    fn pool(size: usize) -> IdlePool {
        let spec = PoolSpec { size, ..PoolSpec::default() };
        IdlePool::new(Arc::new(PoolLimits::new(spec)))
    }

    /// A connection that remembers `id` as its count of received bytes, and its far end.
    fn idle(id: u64, keep: Duration) -> (Idle, DuplexStream) {
        let (near, far) = duplex(16);
        let state = IoState::default();
        state.received.store(id, std::sync::atomic::Ordering::Relaxed);
        let now = Instant::now();
        let idle = Idle {
            stream: Box::new(near),
            state: Arc::new(state),
            timer: Timer::default(),
            counted: None,
            born: now,
            until: now + keep,
        };
        (idle, far)
    }

    fn id(idle: &Idle) -> u64 {
        idle.state.received.load(std::sync::atomic::Ordering::Relaxed)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn last_in_first_out_and_the_oldest_makes_room() {
        let pool = pool(2);
        let (conns, _far): (Vec<_>, Vec<_>) = (1..=3).map(|n| idle(n, LONG)).unzip();
        conns.into_iter().for_each(|conn| pool.put(conn, Instant::now()));
        assert_eq!((pool.len(), pool.limits.idle()), (2, 2));
        assert_eq!(pool.take(|| ()).map(|conn| id(&conn)), Some(3));
        assert_eq!(pool.take(|| ()).map(|conn| id(&conn)), Some(2));
        assert!(pool.take(|| ()).is_none());
        assert_eq!(pool.limits.idle(), 0);
    }

    #[tokio::test]
    async fn dead_and_talkative_connections_are_not_used() {
        let pool = pool(8);
        let (live, _keep) = idle(1, LONG);
        let (closed, far) = idle(2, LONG);
        let (talkative, mut talking) = idle(3, LONG);
        drop(far);
        talking.write_all(b"x").await.unwrap();
        [live, closed, talkative].into_iter().for_each(|conn| pool.put(conn, Instant::now()));
        let mut dead = 0;
        assert_eq!(pool.take(|| dead += 1).map(|conn| id(&conn)), Some(1));
        assert_eq!(dead, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweeper_closes_what_expired_or_died() {
        let pool = pool(8);
        let (short, _a) = idle(1, Duration::from_secs(1));
        let (long, _b) = idle(2, LONG);
        let (dead, far) = idle(3, LONG);
        [short, long, dead].into_iter().for_each(|conn| pool.put(conn, Instant::now()));
        drop(far);
        tokio::time::advance(Duration::from_secs(2)).await;
        pool.sweep();
        assert_eq!((pool.len(), pool.limits.idle()), (1, 1));
        pool.limits.close();
        pool.sweep();
        assert_eq!((pool.len(), pool.limits.idle()), (0, 0));
        let (late, _c) = idle(4, LONG);
        pool.put(late, Instant::now());
        assert_eq!(pool.len(), 0);
    }

    #[tokio::test]
    async fn no_room_means_no_pool() {
        let pool = pool(0);
        let (conn, _far) = idle(1, LONG);
        pool.put(conn, Instant::now());
        assert_eq!((pool.len(), pool.limits.idle()), (0, 0));
    }
}
