//! What is learnt about one network.

use paifang_mmtp::greeting::Heartbeat;

/// Silences of this length that must have been survived before it counts as good.
const PROOFS: u8 = 3;
/// Losses in a row after which a length that was tried counts as too long.
const DOUBTS: u8 = 2;
/// The same for a length that was good before: it takes more to give up what was known.
const DOUBTS_OF_GOOD: u8 = 3;
/// Seconds between a good length and one that is too long that are near enough to stop searching.
const GRAIN: u32 = 15;
/// Heartbeats at the learnt length before a longer one is tried again; doubled each time that this was in vain.
const PATIENCE: u32 = 128;
/// The most of that.
const MOST_PATIENCE: u32 = 4096;
/// The most between heartbeats in the foreground, in seconds, where the server allows it.
const FOREGROUND: u32 = 60;

/// Learns the longest silence, in whole seconds, that one network tolerates.
///
/// It searches from the server's first figure upwards, by half each time, until a length is too long; then between the two. It settles on
/// the longest good one less a margin, and tries longer ones again seldom. It has no clock: who uses it tells what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learner {
    pub(super) bounds: Heartbeat,
    /// The longest that has worked.
    pub(super) good: u32,
    /// The shortest that was too long.
    pub(super) bad: Option<u32>,
    /// What is tried; `good` when the search is over.
    pub(super) trying: u32,
    pub(super) proofs: u8,
    pub(super) doubts: u8,
    /// Heartbeats since the search was over, and how many are waited for before the next.
    pub(super) beats: u32,
    pub(super) patience: u32,
}

impl Learner {
    /// Nothing is known. `bounds` are the server's.
    #[must_use]
    pub fn new(bounds: Heartbeat) -> Self {
        Self {
            bounds,
            // Until it is proven, no longer one is tried either.
            good: bounds.least,
            bad: None,
            trying: bounds.initial,
            proofs: 0,
            doubts: 0,
            beats: 0,
            patience: PATIENCE,
        }
    }

    /// The server says other bounds.
    pub fn set_bounds(&mut self, bounds: Heartbeat) {
        let before = std::mem::replace(&mut self.bounds, bounds);
        if (bounds.least, bounds.most) == (before.least, before.most) {
            // Where others begin is no news for who has begun.
            return;
        }
        self.good = self.good.clamp(bounds.least, bounds.most);
        self.bad = self.bad.filter(|bad| *bad > self.good);
        self.trying = self.trying.clamp(self.good, bounds.most);
        self.proofs = 0;
    }

    /// Seconds between heartbeats. In the foreground it is the server's first figure or a minute, whichever is shorter, where that is known to
    /// work: a dead connection is noticed soon, and the radio is awake anyway.
    #[must_use]
    pub fn interval(&self, foreground: bool) -> u32 {
        let background = match self.is_settled() {
            true => self.good.saturating_sub(margin(self.good)).max(self.bounds.least),
            false => self.trying,
        };
        let most = self.bounds.initial.min(FOREGROUND.max(self.bounds.least));
        if foreground { background.min(most) } else { background }
    }

    /// Whether the search is over, but for a try now and then.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.trying == self.good
    }

    /// The longest silence that is known to work, in seconds.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.good
    }

    /// After a silence of `idle` seconds something was sent and something came back.
    pub fn survived(&mut self, idle: u32) {
        if idle >= self.interval(false) {
            self.doubts = 0;
        } else {
            return;
        }
        if self.is_settled() {
            self.beats = self.beats.saturating_add(1);
            if self.beats >= self.patience {
                self.try_again();
            }
            return;
        }
        self.proofs += 1;
        if self.proofs >= PROOFS {
            self.good = self.trying;
            self.proofs = 0;
            if self.is_beyond() {
                // What was too long before no longer is.
                self.bad = None;
                self.patience = PATIENCE;
            }
            self.go_on();
        }
    }

    /// After a silence of `idle` seconds the connection turned out to be dead, though the network is well. Single losses change nothing.
    pub fn forgotten(&mut self, idle: u32) {
        if idle <= self.bounds.least {
            // No shorter one may be had.
            return;
        }
        self.proofs = 0;
        self.doubts += 1;
        if self.trying > self.good && idle > self.good {
            if self.doubts >= DOUBTS {
                self.doubts = 0;
                if self.is_beyond() {
                    // As before, so what was learnt holds.
                    self.trying = self.good;
                } else {
                    self.bad = Some(idle.min(self.trying));
                    self.go_on();
                }
            }
            return;
        }
        if self.doubts >= DOUBTS_OF_GOOD {
            // Another NAT than before: what it tolerates is searched for anew, from below.
            self.doubts = 0;
            self.bad = Some(idle);
            self.good = self.bounds.least;
            self.patience = PATIENCE;
            self.go_on();
        }
    }

    /// Chooses the next length, or ends the search.
    fn go_on(&mut self) {
        self.trying = match self.bad {
            Some(bad) if bad.saturating_sub(self.good) <= GRAIN => self.good,
            Some(bad) => self.good + (bad - self.good) / 2,
            None => (self.good + self.good / 2).max(self.bounds.initial).min(self.bounds.most),
        };
        if self.is_settled() {
            self.beats = 0;
        }
    }

    /// Tries a longer one once more.
    fn try_again(&mut self) {
        self.beats = 0;
        self.patience = self.patience.saturating_mul(2).min(MOST_PATIENCE);
        let longer = self.good + (self.good / 4).max(GRAIN);
        let beyond = self.bad.map_or(longer, |bad| bad.max(longer));
        self.trying = beyond.min(self.bounds.most);
    }

    /// Whether a length is tried that was too long before.
    fn is_beyond(&self) -> bool {
        self.bad.is_some_and(|bad| self.trying >= bad)
    }
}

/// What is kept between the length that works and the one that is used: timers are late, and NATs are not exact.
fn margin(good: u32) -> u32 {
    (good / 20).clamp(2, 15)
}
