//! One subject of a shared limit, as this gateway sees it: permits that it has leased, what the
//! store last said, and whoever waits for its next word.

use super::away;
use paifang_pipeline::ports::{LimitDecision, StoreError};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use tokio::sync::oneshot;

/// What a waiting call is told; `None`: decide without the store.
pub(super) type Word = Option<LimitDecision>;

/// Permits that last for this long at the present demand are leased at once.
pub(super) const LEASE_NANOS: u64 = 200_000_000;

/// A window of demand is at least this long before it counts alone.
const WINDOW_NANOS: u64 = 20_000_000;

/// See the module. Permits are taken by whoever decrements first, and leave by being swapped out,
/// so none is used twice.
pub(super) struct Subject {
    /// Digest of the whole name: what the store and the local share know it by.
    pub(super) digest: [u8; 16],
    pub(super) lane: u8,
    permits: AtomicU32,
    /// At how many permits more are asked for.
    low: AtomicU32,
    /// Permits left in the store, when it was last asked.
    left: AtomicU64,
    /// Until when everything is refused: the store has said so.
    until: AtomicU64,
    /// When the lease is given back.
    expires: AtomicU64,
    /// Calls since `since`.
    calls: AtomicU32,
    since: AtomicU64,
    /// Calls that came in the window before this one, put to the length of a lease.
    demand: AtomicU32,
    /// The store had less than was asked; the ticker asks again, calls don't.
    pub(super) short: AtomicBool,
    /// The ticker looks at it.
    pub(super) watched: AtomicBool,
    asking: AtomicBool,
    waiters: Mutex<Vec<oneshot::Sender<Word>>>,
}

impl Subject {
    pub(super) fn new(digest: [u8; 16], lane: u8, now: u64) -> Self {
        Self {
            digest,
            lane,
            permits: AtomicU32::new(0),
            low: AtomicU32::new(0),
            left: AtomicU64::new(0),
            until: AtomicU64::new(0),
            expires: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            since: AtomicU64::new(now),
            demand: AtomicU32::new(0),
            short: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            asking: AtomicBool::new(false),
            waiters: Mutex::default(),
        }
    }

    /// Counts a call, and takes a permit where there is one: how many are left here, whether it is
    /// time to ask for more, and how many are left in the store.
    pub(super) fn take(&self) -> Option<(u32, bool, u64)> {
        self.calls.fetch_add(1, Relaxed);
        let before =
            self.permits.fetch_update(Relaxed, Relaxed, |permits| permits.checked_sub(1)).ok()?;
        let here = before - 1;
        let low = here <= self.low.load(Relaxed);
        Some((here, low && !self.short.load(Relaxed), self.left.load(Relaxed)))
    }

    /// How long everything is still refused; `None` where the store is to be asked.
    pub(super) fn refused(&self, now: u64) -> Option<u64> {
        let until = self.until.load(Relaxed);
        if now < until {
            return Some(until - now);
        }
        // The ticker is about to ask; what there is stays in the store for then.
        self.short.load(Relaxed).then_some(1)
    }

    /// Joins those who wait for the store's next word.
    pub(super) fn wait(&self, most: usize) -> Option<oneshot::Receiver<Word>> {
        let mut waiters = self.waiters.lock();
        if waiters.len() >= most {
            return None;
        }
        let (tell, hear) = oneshot::channel();
        waiters.push(tell);
        Some(hear)
    }

    /// Begins to ask, if nobody does: how many calls wait.
    pub(super) fn begin(&self) -> Option<usize> {
        if self.asking.swap(true, Relaxed) {
            return None;
        }
        Some(self.waiters.lock().len())
    }

    /// Ends asking, with those who waited.
    pub(super) fn end(&self) -> Vec<oneshot::Sender<Word>> {
        let waiters = std::mem::take(&mut *self.waiters.lock());
        self.asking.store(false, Relaxed);
        waiters
    }

    /// Whether somebody waits and nobody asks.
    pub(super) fn is_forgotten(&self) -> bool {
        !self.asking.load(Relaxed) && !self.waiters.lock().is_empty()
    }

    /// Calls to expect within the time of a lease, from those that came.
    pub(super) fn demand(&self, now: u64) -> u32 {
        let since = self.since.load(Relaxed);
        let passed = now.saturating_sub(since);
        let calls = self.calls.load(Relaxed);
        let before = self.demand.load(Relaxed);
        if passed < WINDOW_NANOS {
            // Too short to tell a rate; as many again as have come, so that it doubles.
            return before.max(calls);
        }
        let expected = u128::from(calls) * u128::from(LEASE_NANOS) / u128::from(passed);
        let expected = u32::try_from(expected).unwrap_or(u32::MAX);
        self.calls.store(0, Relaxed);
        self.since.store(now, Relaxed);
        self.demand.store(expected, Relaxed);
        expected.max(before / 2)
    }

    /// Whether calls came since the demand was last looked at.
    pub(super) fn is_wanted(&self) -> bool {
        self.calls.load(Relaxed) > 0
    }

    /// Takes in what the store has granted beyond those who waited.
    pub(super) fn grant(&self, permits: u32, left: u64, now: u64) {
        self.left.store(left, Relaxed);
        let before = self.permits.fetch_add(permits, Relaxed);
        self.low.store((before.saturating_add(permits)) / 2, Relaxed);
        self.expires.store(now.saturating_add(LEASE_NANOS), Relaxed);
    }

    pub(super) fn refuse_until(&self, until: u64) {
        self.until.store(until, Relaxed);
    }

    pub(super) fn is_due(&self, now: u64) -> bool {
        self.until.load(Relaxed) <= now
    }

    /// The permits of a lease that is over, to be given back.
    pub(super) fn expired(&self, now: u64) -> u32 {
        if now < self.expires.load(Relaxed) { 0 } else { self.permits.swap(0, Relaxed) }
    }

    /// Whether the ticker need not look at it any more: nothing is leased, nothing asked, and no
    /// call came for the time of a lease.
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.permits.load(Relaxed) == 0
            && !self.short.load(Relaxed)
            && !self.asking.load(Relaxed)
            && self.expires.load(Relaxed) <= now
    }

    /// Whether forgetting it loses nothing: the store knows all that it does.
    pub(super) fn is_idle(&self) -> bool {
        self.permits.load(Relaxed) == 0 && !self.watched.load(Relaxed) && !self.asking.load(Relaxed)
    }
}

/// What a waiting call hears in the end.
pub(super) fn heard(
    word: Result<Word, oneshot::error::RecvError>,
    without: impl FnOnce() -> Result<LimitDecision, StoreError>,
) -> Result<LimitDecision, StoreError> {
    match word {
        Ok(Some(decision)) => Ok(decision),
        Ok(None) => without(),
        Err(_) => Err(away()),
    }
}
