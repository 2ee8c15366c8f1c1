//! Fetches on their way: of several calls for the same, one asks the upstream and the others wait.
//!
//! Those that wait are let go when the one has its answer, when it turns out that the answer is not
//! kept, and when it ends in whatever way. Keys whose answers were not kept lately are not waited
//! for: their calls would go one after the other.

use super::key::Key;
use paifang_pipeline::ports::Nanos;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Notify, futures::OwnedNotified};

/// How long a key whose answer was not kept is not waited for.
const PASS_NANOS: u64 = 10_000_000_000;
/// So many such keys are remembered.
const MOST_PASSED: usize = 16_384;

/// Fetches by key.
#[derive(Default)]
pub(super) struct Flights(Mutex<All>);

#[derive(Default)]
struct All {
    on_their_way: HashMap<Box<[u8]>, Arc<Notify>>,
    /// Until when keys are not waited for.
    passed: HashMap<Box<[u8]>, Nanos>,
}

/// Who is to fetch.
pub(super) enum Turn {
    /// The caller, for itself and those that come meanwhile.
    First(Flight),
    /// The caller, for itself alone.
    Alone,
    /// Another; this ends with its fetch.
    Wait(OwnedNotified),
}

/// A fetch that others may wait for. Its drop lets them go.
pub(super) struct Flight {
    cache: Arc<super::Cache>,
    key: Box<[u8]>,
    landed: Arc<Notify>,
}

impl Flights {
    /// Who is to fetch `key`.
    pub(super) fn board(cache: &Arc<super::Cache>, key: &Key, now: Nanos) -> Turn {
        let mut all = cache.flights.0.lock();
        match all.passed.get(&key[..]) {
            Some(until) if *until > now => return Turn::Alone,
            Some(_) => drop(all.passed.remove(&key[..])),
            None => {}
        }
        if let Some(landed) = all.on_their_way.get(&key[..]) {
            // Made within the lock, so that the landing cannot be missed.
            return Turn::Wait(landed.clone().notified_owned());
        }
        let landed = Arc::new(Notify::new());
        let key: Box<[u8]> = key[..].into();
        all.on_their_way.insert(key.clone(), landed.clone());
        Turn::First(Flight { cache: cache.clone(), key, landed })
    }
}

impl Flight {
    /// The answer is not kept: those that wait, and those that come soon, go for themselves.
    pub(super) fn pass(self, now: Nanos) {
        let mut all = self.cache.flights.0.lock();
        if all.passed.len() >= MOST_PASSED {
            all.passed.retain(|_, until| *until > now);
        }
        if all.passed.len() < MOST_PASSED {
            all.passed.insert(self.key.clone(), Nanos(now.0.saturating_add(PASS_NANOS)));
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.cache.flights.0.lock().on_their_way.remove(&self.key);
        self.landed.notify_waiters();
    }
}
