//! The breaker of one upstream: closed, open, half open.
//!
//! While it is closed a call loads one word when it comes and counts once when it ends; a lock is
//! taken only to change the state, and for the few calls that try a sick upstream again.
//!
//! Every change begins a new generation. A call that ends in another one than it began in says
//! nothing any more: it was about an upstream of another time.

use super::{config::Spec, report::Report, window::Counts, window::Window};
use paifang_pipeline::mix;
use parking_lot::Mutex;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

/// What a breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum State {
    /// All pass.
    Closed = 0,
    /// A few pass, to see how the upstream is.
    HalfOpen = 1,
    /// None pass.
    Open = 2,
}

impl State {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::Closed, "closed"), (Self::HalfOpen, "half_open"), (Self::Open, "open")];
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The generation that it began in.
    pub(super) generation: u32,
    /// It tries a sick upstream.
    pub(super) probe: bool,
}

/// What a call has shown of its upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nothing: the client went away, or a step below answered.
    Nothing,
    /// That it answers, and how.
    Answer { failed: bool, slow: bool },
    /// That it broke off an answer that had been taken for a good one.
    BrokeOff,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Breaker {
    pub(super) report: Report,
    spec: Spec,
    /// The generation, and in the low two bits the state. Changed under the lock only.
    word: AtomicU64,
    /// Until when it is open.
    until: AtomicU64,
    window: Window,
    trial: Mutex<Trial>,
}

/// Trying a sick upstream again.
#[derive(Debug)]
struct Trial {
    /// Probes under way.
    out: u32,
    /// Probes that were fine.
    fine: u32,
    /// When the latest one began.
    latest: u64,
    /// How long it is open, jitter apart.
    open_nanos: u64,
}

impl Breaker {
    pub(super) fn new(spec: Spec, report: Report) -> Self {
        let trial = Trial { out: 0, fine: 0, latest: 0, open_nanos: spec.open_nanos };
        Self {
            report,
            window: Window::new(spec.window_nanos),
            word: AtomicU64::new(0),
            until: AtomicU64::new(0),
            trial: Mutex::new(trial),
            spec,
        }
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn state(&self) -> State {
        state(self.word.load(Acquire))
    }

    /// Lets a call pass, or says after how many nanoseconds another may try.
    pub(super) fn admit(&self, now: u64) -> Result<Ticket, u64> {
        let word = self.word.load(Acquire);
        match state(word) {
            State::Closed => Ok(ticket(word, false)),
            State::Open if now < self.until.load(Acquire) => {
                Err(self.until.load(Acquire).saturating_sub(now))
            }
            State::Open | State::HalfOpen => self.try_again(now),
        }
    }

    fn try_again(&self, now: u64) -> Result<Ticket, u64> {
        let mut trial = self.trial.lock();
        let word = self.word.load(Acquire);
        match state(word) {
            State::Closed => return Ok(ticket(word, false)),
            State::Open => {
                let left = self.until.load(Acquire).saturating_sub(now);
                if left > 0 {
                    return Err(left);
                }
                (trial.out, trial.fine) = (0, 0);
                self.change(State::HalfOpen);
                self.report.half_open();
            }
            State::HalfOpen => {
                let free = trial.out + trial.fine < self.spec.probes;
                // Probes that do not end keep others away no longer than an open breaker would.
                let since = now.saturating_sub(trial.latest);
                if !free && since < trial.open_nanos {
                    return Err(trial.open_nanos - since);
                }
            }
        }
        trial.out += 1;
        trial.latest = now;
        Ok(ticket(self.word.load(Acquire), true))
    }

    /// Takes in what a call has shown; `random` differs from call to call.
    pub(super) fn learn(&self, ticket: Ticket, shown: Shown, now: u64, random: u64) {
        if ticket.probe {
            return self.learn_of_probe(ticket, shown, now, random);
        }
        let counts = match shown {
            Shown::Nothing => return,
            Shown::Answer { failed, slow } => {
                Counts { calls: 1, failed: failed.into(), slow: slow.into() }
            }
            // It was counted as a call before.
            Shown::BrokeOff => Counts { calls: 0, failed: 1, slow: 0 },
        };
        if !self.is_of(ticket, self.word.load(Acquire)) {
            return;
        }
        self.window.add(now, counts);
        if counts.failed + counts.slow == 0 {
            return;
        }
        let sum = self.window.sum(now);
        if !self.is_too_much(sum) {
            return;
        }
        let mut trial = self.trial.lock();
        // Of the calls that notice at once, one opens it.
        if self.is_of(ticket, self.word.load(Acquire)) {
            trial.open_nanos = self.spec.open_nanos;
            let open = self.open(&trial, now, random);
            self.report.opened(sum, open);
        }
    }

    fn learn_of_probe(&self, ticket: Ticket, shown: Shown, now: u64, random: u64) {
        let mut trial = self.trial.lock();
        if !self.is_of(ticket, self.word.load(Acquire)) {
            return;
        }
        if shown != Shown::BrokeOff {
            trial.out = trial.out.saturating_sub(1);
        }
        match shown {
            Shown::Nothing => {}
            Shown::Answer { failed: false, slow: false } => {
                trial.fine += 1;
                if trial.fine >= self.spec.probes {
                    self.window.clear();
                    self.change(State::Closed);
                    self.report.closed();
                }
            }
            Shown::Answer { .. } | Shown::BrokeOff => {
                trial.open_nanos = trial.open_nanos.saturating_mul(2).min(self.spec.open_max_nanos);
                let open = self.open(&trial, now, random);
                self.report.opened_again(open);
            }
        }
    }

    /// Opens it, under the lock; says for how many nanoseconds.
    fn open(&self, trial: &Trial, now: u64, random: u64) -> u64 {
        let most = u128::from(trial.open_nanos) * u128::from(self.spec.jitter) / 100_000;
        // The high half of a product of 64 bits each is spread evenly below `most`.
        let more = (u128::from(mix(random, now)) * most) >> 64;
        let open = trial.open_nanos.saturating_add(u64::try_from(more).unwrap_or(0));
        // Whoever sees that it is open sees until when.
        self.until.store(now.saturating_add(open), Release);
        self.change(State::Open);
        open
    }

    fn is_too_much(&self, sum: Counts) -> bool {
        let reached = |count: u64, share: u32| count * 100_000 >= u64::from(share) * sum.calls;
        let slow = self.spec.slower_than.is_some() && reached(sum.slow, self.spec.slow);
        sum.calls >= u64::from(self.spec.min_calls)
            && (reached(sum.failed, self.spec.errors) || slow)
    }

    /// Begins a new generation, under the lock.
    fn change(&self, to: State) {
        let generation = (self.word.load(Acquire) >> 2) + 1;
        self.word.store(generation << 2 | to as u64, Release);
    }

    fn is_of(&self, ticket: Ticket, word: u64) -> bool {
        ticket.generation == (word >> 2) as u32
    }

    /// Probes under way, and those that were fine.
    #[cfg(test)]
    pub(super) fn trial(&self) -> (u32, u32) {
        let trial = self.trial.lock();
        (trial.out, trial.fine)
    }
}

const fn state(word: u64) -> State {
    match word & 3 {
        0 => State::Closed,
        1 => State::HalfOpen,
        _ => State::Open,
    }
}

const fn ticket(word: u64, probe: bool) -> Ticket {
    Ticket { generation: (word >> 2) as u32, probe }
}
