//! Releases that are live no more and that calls still hold: counted, and bounded.
//!
//! A call holds its [`ServingApi`], and a release takes over the ones that it leaves as they are. So
//! what an old release still holds in memory are those of its APIs that a later one has replaced, for
//! as long as calls run on them: handlers, modules, upstreams. The references are the count, so that
//! a call pays nothing for being counted.

use super::{Serving, ServingApi};
use paifang_pipeline::Recall;
use parking_lot::Mutex;
use std::{
    any::Any,
    collections::HashSet,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::Instant;

/// What calls may hold of old releases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// So many releases.
    pub(crate) keep: usize,
    /// For so long after they were replaced.
    pub(crate) drain: Duration,
    /// Calls of a release have this long to end by themselves before they are ended because there
    /// are too many releases.
    pub(crate) grace: Duration,
}

/// An old release that calls hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeldRelease {
    /// The last release that its APIs were part of.
    pub(crate) release: u64,
    /// How long ago it was replaced.
    pub(crate) age: Duration,
    /// Calls that run on it.
    pub(crate) calls: usize,
    /// They have been told to end.
    pub(crate) recalled: bool,
}

/// The old releases, the oldest first. `A` is what a call holds.
#[derive(Debug)]
pub(crate) struct Held<A = ServingApi>(Mutex<Vec<Old<A>>>);

impl<A> Default for Held<A> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[derive(Debug)]
struct Old<A> {
    release: u64,
    replaced: Instant,
    /// The release as a whole, which holds each API once until the reload is over.
    whole: Weak<dyn Any + Send + Sync>,
    apis: Vec<Weak<A>>,
    recalled: bool,
}

impl<A> Old<A> {
    fn read(&self, now: Instant) -> HeldRelease {
        let held = usize::from(self.whole.strong_count() > 0);
        let calls = |api: &Weak<A>| api.strong_count().saturating_sub(held);
        HeldRelease {
            release: self.release,
            age: now.saturating_duration_since(self.replaced),
            calls: self.apis.iter().map(calls).sum(),
            recalled: self.recalled,
        }
    }
}

impl Held {
    /// Notes that `new` has taken the place of `old`.
    pub(crate) fn replaced(&self, old: &Arc<Serving>, new: &Serving) {
        let kept: HashSet<*const ServingApi> = new.served().map(Arc::as_ptr).collect();
        let gone = old.served().filter(|api| !kept.contains(&Arc::as_ptr(api)));
        let whole: Arc<dyn Any + Send + Sync> = old.clone();
        let apis = gone.map(Arc::downgrade).collect();
        self.note(old.snapshot.number(), Arc::downgrade(&whole), apis, Instant::now());
    }
}

impl<A: AsRef<Recall>> Held<A> {
    fn note(
        &self,
        release: u64,
        whole: Weak<dyn Any + Send + Sync>,
        apis: Vec<Weak<A>>,
        replaced: Instant,
    ) {
        if !apis.is_empty() {
            self.0.lock().push(Old { release, replaced, whole, apis, recalled: false });
        }
    }

    /// Those that calls hold at `now`, the oldest first.
    pub(crate) fn read(&self, now: Instant) -> Vec<HeldRelease> {
        let all = self.0.lock();
        all.iter().map(|old| old.read(now)).filter(|held| held.calls > 0).collect()
    }

    /// Recalls the calls of releases that are held beyond `bounds`, and forgets releases that nobody
    /// holds. Says which releases were recalled just now, and when there may be more to do.
    pub(crate) fn enforce(
        &self,
        bounds: &Bounds,
        now: Instant,
    ) -> (Vec<HeldRelease>, Option<Instant>) {
        let mut all = self.0.lock();
        all.retain(|old| old.whole.strong_count() > 0 || old.read(now).calls > 0);
        let staying = all.iter().filter(|old| !old.recalled && old.read(now).calls > 0).count();
        let mut excess = staying.saturating_sub(bounds.keep);
        let (mut recalled, mut next) = (Vec::new(), None::<Instant>);
        for old in all.iter_mut().filter(|old| !old.recalled) {
            let held = old.read(now);
            let mut stays = bounds.drain;
            if excess > 0 && held.calls > 0 {
                excess -= 1;
                stays = stays.min(bounds.grace);
            }
            if held.age < stays {
                let due = old.replaced + stays;
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            old.recalled = true;
            old.apis
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|api| (*api).as_ref().give(bounds.grace));
            if held.calls > 0 {
                recalled.push(HeldRelease { recalled: true, ..held });
            }
        }
        (recalled, next)
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
