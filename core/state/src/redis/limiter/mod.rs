//! A rate limit that gateways share, on leases.
//!
//! The store holds one number a subject, its theoretical arrival time, and a script moves it by as
//! many permits as a gateway asks for and the limit has. The gateway hands these out from an atomic
//! counter: [`Answer::Now`], without the network. More are asked for in the background before they
//! run out; only a subject that is new here waits ([`Answer::Later`]). A permit is never handed out
//! twice, so what all gateways admit from the limit's beginning on is never above burst + rate *
//! time. What is leased is sized by demand, never above a quarter of the burst over all gateways,
//! and given back after [`LEASE_NANOS`].
//!
//! When the store has less than was wanted, calls are refused at once and a ticker asks again some
//! milliseconds later: what a gateway does not take meanwhile stays in the store's bucket.

mod share;
mod subject;
mod table;

use super::{failure::Failure, link::Link, script};
use crate::subject::SubjectHash;
use paifang_pipeline::ports::{
    Answer, Clock, LimitDecision, LimitSpec, Limiter, Nanos, StateKey, StoreError, WhenAway,
};
use parking_lot::Mutex;
use redis::Value;
use ring::digest::{Context, SHA256};
use share::Away;
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use subject::{LEASE_NANOS, Subject, heard};
use table::Table;
use tokio::sync::Notify;

/// Calls of one subject that may wait for the store at once; more are refused.
const MOST_WAITING: usize = 10_000;

/// Subjects that the ticker looks at; those beyond it get no leases and wait each time.
const MOST_WATCHED: usize = 10_000;

/// The longest pause before a store that had too little is asked again.
const SLOWEST_ASK_NANOS: u64 = 5_000_000;

/// Between two looks of the ticker.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// See the module.
pub(super) struct SharedLimiter(Arc<Shared>);

pub(super) struct Shared {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    spec: LimitSpec,
    /// Nanoseconds between two events at the rate.
    increment: u64,
    /// What names the limit in the store.
    name: [u8; 8],
    table: Table,
    away: Away,
    watched: Mutex<Vec<Arc<Subject>>>,
    has_watched: AtomicBool,
    wake: Arc<Notify>,
}

/// What a limit is told beside its key and its rate.
pub(super) struct Surroundings {
    pub(super) link: Arc<Link>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) hash: SubjectHash,
    /// Wakes the ticker.
    pub(super) wake: Arc<Notify>,
}

/// The store is away, and the rule is to fail.
fn away() -> StoreError {
    StoreError("the shared store is away".to_owned())
}

impl SharedLimiter {
    pub(super) fn new(key: &StateKey, spec: LimitSpec, rule: WhenAway, with: Surroundings) -> Self {
        let Surroundings { link, clock, hash, wake } = with;
        let LimitSpec { count, period_nanos, burst, .. } = spec;
        // All gateways must name it alike; another rate is another limit.
        let told = format!("{key} {count} {period_nanos} {burst}");
        let mut name = [0; 8];
        name.copy_from_slice(&digest(&[told.as_bytes()])[..8]);
        let shared = Arc::new_cyclic(|_| Shared {
            increment: period_nanos.get().div_ceil(count.get()).max(1),
            table: Table::new(spec.subjects, hash.clone()),
            away: Away::new(rule, spec, hash),
            link,
            clock,
            spec,
            name,
            watched: Mutex::default(),
            has_watched: AtomicBool::new(false),
            wake,
        });
        Self(shared)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Limiter for SharedLimiter {
    fn take(&self, subject: &[u8], now: Nanos) -> Answer<LimitDecision> {
        let now = now.0;
        let shared = &self.0;
        let make = || shared.subject(subject, now);
        let Some(subject) = shared.table.get(subject, now, make) else {
            return Answer::Now(refused(LEASE_NANOS));
        };
        if let Some((here, low, left)) = subject.take() {
            if low {
                shared.ask(&subject, now);
            }
            return Answer::Now(shared.allowed(u64::from(here).saturating_add(left)));
        }
        if shared.link.shared().lanes.is_down(usize::from(subject.lane)) {
            return match shared.without(&subject, now) {
                Ok(decision) => Answer::Now(decision),
                Err(error) => Answer::Later(Box::pin(std::future::ready(Err(error)))),
            };
        }
        if let Some(wait) = subject.refused(now) {
            return Answer::Now(refused(wait.max(shared.increment)));
        }
        let Some(word) = subject.wait(MOST_WAITING) else {
            return Answer::Now(refused(shared.increment));
        };
        shared.link.shared().counts.waited.fetch_add(1, Relaxed);
        shared.ask(&subject, now);
        let shared = shared.clone();
        Answer::Later(Box::pin(async move {
            let word = word.await;
            heard(word, || shared.without(&subject, shared.clock.now().0))
        }))
    }
}

impl Shared {
    fn subject(&self, subject: &[u8], now: u64) -> Subject {
        let digest = digest(&[&self.name, subject]);
        let lane = self.link.lane(&self.key(&digest));
        Subject::new(digest, u8::try_from(lane).unwrap_or(u8::MAX), now)
    }

    /// The subject's name in the store.
    fn key(&self, subject: &[u8; 16]) -> Vec<u8> {
        let mut key = format!("{}:limit:{{", self.link.shared().settings.prefix);
        for byte in self.name.iter().chain(subject) {
            // Writing into a string cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        key.push('}');
        key.into_bytes()
    }

    fn without(&self, subject: &Subject, now: u64) -> Result<LimitDecision, StoreError> {
        let link = self.link.shared();
        link.counts.without.fetch_add(1, Relaxed);
        self.away.decide(&subject.digest, now, link.members.count())
    }

    /// The most that is leased at once: a quarter of the burst is out over all gateways at most.
    fn largest(&self) -> u64 {
        let gateways = self.link.shared().members.count().map_or(1, |count| count.get());
        (self.spec.burst.get() / (4 * u64::from(gateways))).max(1)
    }

    /// Asks the store for a lease, and for those who wait, if nobody does so already.
    fn ask(self: &Arc<Self>, subject: &Arc<Subject>, now: u64) {
        let Some(waiting) = subject.begin() else { return };
        let reserve = if self.watch(subject) {
            u64::from(subject.demand(now)).min(self.largest())
        } else {
            0
        };
        // One that waits counts among those who will come.
        let wanted = reserve.max(waiting as u64).max(u64::from(waiting == 0));
        let step = self.spec.period_nanos.get() as f64 / self.spec.count.get() as f64 / 1_000.0;
        let arguments =
            vec![text(wanted), step.to_string().into_bytes(), text(self.spec.burst.get())];
        let (this, asked) = (self.clone(), subject.clone());
        self.link.send(&script::LEASE, vec![self.key(&subject.digest)], arguments, move |done| {
            this.settle(&asked, wanted, done);
        });
    }

    /// Hands out what the store has granted: first to those who wait, in their order.
    fn settle(self: &Arc<Self>, subject: &Arc<Subject>, wanted: u64, done: Result<Value, Failure>) {
        let now = self.clock.now().0;
        let waiters = subject.end();
        let lease = done.and_then(|value| Lease::read(&value));
        let lease = match lease {
            Ok(lease) => lease,
            Err(failure) => {
                if let Failure::Key(_) = &failure {
                    tracing::warn!(store = self.link.shared().settings.name, "a limit: {failure}");
                }
                subject.short.store(false, Relaxed);
                for waiter in waiters {
                    // Who has gone away decides nothing.
                    let _ = waiter.send(None);
                }
                self.recall(subject, now);
                return;
            }
        };
        let counts = &self.link.shared().counts;
        counts.leased.fetch_add(lease.granted, Relaxed);
        let mut permits = lease.granted;
        let mut turned_away = false;
        for waiter in waiters {
            let decision = match permits.checked_sub(1) {
                Some(rest) => self.allowed(rest.saturating_add(lease.left)),
                None => refused(lease.wait.max(1)),
            };
            turned_away |= !decision.allowed;
            // The permit of a call that has gone away is the next one's.
            if waiter.send(Some(decision)).is_ok() && decision.allowed {
                permits -= 1;
            }
        }
        // More than that is never asked for.
        subject.grant(u32::try_from(permits).unwrap_or(u32::MAX), lease.left, now);
        let short = lease.granted < wanted;
        if short || turned_away {
            // So long that it pays, and never so long that the store's bucket is full meanwhile.
            let full = self.increment.saturating_mul(self.spec.burst.get() / 8);
            let pause = lease.wait.max(SLOWEST_ASK_NANOS.min(full));
            subject.refuse_until(now.saturating_add(pause));
            // Where the next one is far off, a call may as well ask itself, and wait for it.
            let often = lease.wait <= SLOWEST_ASK_NANOS && subject.watched.load(Relaxed);
            subject.short.store(often, Relaxed);
        } else {
            subject.refuse_until(0);
            subject.short.store(false, Relaxed);
        }
        self.recall(subject, now);
    }

    /// Calls may have begun to wait after an answer was on its way.
    fn recall(self: &Arc<Self>, subject: &Arc<Subject>, now: u64) {
        if subject.is_forgotten() {
            self.ask(subject, now);
        }
    }

    /// Has the ticker look at a subject; false where it looks at too many.
    fn watch(&self, subject: &Arc<Subject>) -> bool {
        if subject.watched.load(Relaxed) {
            return true;
        }
        let mut watched = self.watched.lock();
        if watched.len() >= MOST_WATCHED {
            return false;
        }
        if !subject.watched.swap(true, Relaxed) {
            watched.push(subject.clone());
        }
        if !self.has_watched.swap(true, Relaxed) {
            self.wake.notify_one();
        }
        true
    }

    /// Gives back what was leased and not used, and asks again where the store had too little.
    /// Says whether there is anything to look at next time.
    pub(super) fn tick(self: &Arc<Self>) -> bool {
        if !self.has_watched.load(Relaxed) {
            return false;
        }
        let now = self.clock.now().0;
        let watched = self.watched.lock().clone();
        let mut over = false;
        for subject in &watched {
            let idle = subject.expired(now);
            if idle > 0 {
                self.give_back(subject, idle);
            }
            let wanted = subject.is_wanted();
            if subject.short.load(Relaxed) && subject.is_due(now) {
                if wanted {
                    self.ask(subject, now);
                } else {
                    subject.short.store(false, Relaxed);
                }
            }
            over |= subject.is_over(now);
        }
        if over {
            let mut watched = self.watched.lock();
            watched.retain(|subject| {
                let over = subject.is_over(now);
                if over {
                    subject.watched.store(false, Relaxed);
                }
                !over
            });
            self.has_watched.store(!watched.is_empty(), Relaxed);
        }
        true
    }

    fn give_back(&self, subject: &Subject, permits: u32) {
        let counts = &self.link.shared().counts;
        counts.given_back.fetch_add(u64::from(permits), Relaxed);
        let step = self.spec.period_nanos.get() as f64 / self.spec.count.get() as f64 / 1_000.0;
        let arguments = vec![text(u64::from(permits)), step.to_string().into_bytes()];
        // Without an answer they lapse: less passes than might.
        self.link.send(&script::GIVE_BACK, vec![self.key(&subject.digest)], arguments, |_| {});
    }

    fn allowed(&self, remaining: u64) -> LimitDecision {
        let used = self.spec.burst.get().saturating_sub(remaining);
        LimitDecision {
            allowed: true,
            remaining,
            retry_after_nanos: if remaining == 0 { self.increment } else { 0 },
            reset_nanos: used.saturating_mul(self.increment),
        }
    }
}

/// An answer of the script.
struct Lease {
    granted: u64,
    left: u64,
    /// Nanoseconds until one more is there.
    wait: u64,
}

impl Lease {
    fn read(value: &Value) -> Result<Self, Failure> {
        let Value::Array(items) = value else {
            return Err(Failure::Key("an answer of another shape".to_owned()));
        };
        match items.as_slice() {
            [Value::Int(granted), Value::Int(left), Value::Int(wait), Value::Int(_)] => Ok(Self {
                granted: u64::try_from(*granted).unwrap_or(0),
                left: u64::try_from(*left).unwrap_or(0),
                wait: u64::try_from(*wait).unwrap_or(0).saturating_mul(1_000),
            }),
            _ => Err(Failure::Key("an answer of another shape".to_owned())),
        }
    }
}

const fn refused(nanos: u64) -> LimitDecision {
    LimitDecision { allowed: false, remaining: 0, retry_after_nanos: nanos, reset_nanos: nanos }
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The first half of a SHA-256: all gateways name a subject alike, and nobody finds one that is
/// named like another's.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut half = [0; 16];
    half.copy_from_slice(&context.finish().as_ref()[..16]);
    half
}
