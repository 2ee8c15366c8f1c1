//! The ticker that takes counts out of APIs, and the minute of them that it keeps.

use super::{
    steps::Marks,
    window::{KEPT, Window},
};
use crate::{control::Controller, live::Serving};
use paifang_pipeline::{Api, ports::Nanos, stats::recent::MARKS};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{MissedTickBehavior, interval};

/// How often counts are taken out.
pub(super) const TICK: Duration = Duration::from_secs(2);

/// Steps are marked every so many ticks: what is told of them covers the last 30 to 60 s.
const MARK_EVERY: u64 = 15;

/// A minute of what the APIs of one gateway have counted.
///
/// An API without calls in the last minute takes no memory here. One with calls takes about 200
/// bytes, 8 for each bucket of times that a tick has counted in (50 KiB at the most, some 2 KiB for
/// times that differ by no more than a factor of ten), and 96 a step.
#[derive(Debug, Default)]
pub(crate) struct Sampler(Mutex<State>);

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Ticks so far.
    ticks: u64,
    /// When the last ticks were, the newest last; one more than are kept.
    times: VecDeque<Nanos>,
    /// All APIs together.
    pub(super) all: Window,
    /// Those with calls in the last minute.
    pub(super) apis: HashMap<Arc<str>, Recently>,
}

/// An API with calls in the last minute.
#[derive(Debug)]
pub(super) struct Recently {
    pub(super) window: Window,
    /// What its steps had counted 30 to 60 s ago, or when its calls began.
    pub(super) older: Marks,
    /// And within the last 30 s.
    newer: Option<Marks>,
}

impl Sampler {
    /// Takes out what the APIs of `serving` have counted until `now`.
    pub(super) fn tick(&self, serving: &Serving, now: Nanos) {
        self.take(serving.served().map(|serving| &*serving.api), now);
    }

    fn take<'a>(&self, apis: impl Iterator<Item = &'a Api>, now: Nanos) {
        let mut state = self.0.lock();
        let State { ticks, times, all, apis: known } = &mut *state;
        let first = times.is_empty();
        times.push_back(now);
        if first {
            // Only from here on it is known how long a tick was.
            return;
        }
        *ticks += 1;
        if times.len() > usize::from(KEPT) + 1 {
            times.pop_front();
        }
        // The number of a tick begins anew, which windows bear.
        let tick = *ticks as u16;
        let mark = *ticks % MARK_EVERY == 0;
        let (mut together, mut taken) = ([0u64; MARKS], Vec::new());
        for api in apis {
            taken.clear();
            let called = api.stats.take_recent(|of, count| taken.push((of, count)));
            // Most APIs are idle most of the time, and cost no look at the map.
            if !called && !mark {
                continue;
            }
            let recently = match known.get_mut(&api.id) {
                Some(recently) => recently,
                None if taken.is_empty() => continue,
                None => known.entry(api.id.clone()).or_insert_with(|| Recently::new(api, now)),
            };
            if mark {
                recently.mark(api, now);
            }
            for (of, count) in &taken {
                recently.window.add(tick, *of, *count);
                together[usize::from(*of)] += u64::from(*count);
            }
        }
        for (of, count) in (0u16..).zip(together).filter(|(_, count)| *count > 0) {
            all.add(tick, of, u32::try_from(count).unwrap_or(u32::MAX));
        }
        all.expire(tick);
        known.retain(|_, recently| recently.window.expire(tick));
    }

    /// Looks at what is kept.
    pub(super) fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.0.lock())
    }
}

impl State {
    /// The number of the newest tick.
    pub(super) fn tick(&self) -> u16 {
        self.ticks as u16
    }

    /// How long the last `ticks` were in all, in seconds: fewer where there have not been so many,
    /// and none before the second.
    pub(super) fn seconds(&self, ticks: u16) -> f64 {
        let Some(newest) = self.times.back() else { return 0.0 };
        let first = self.times.len().saturating_sub(usize::from(ticks) + 1);
        self.times.get(first).map_or(0.0, |first| newest.since(*first) as f64 / 1e9)
    }
}

impl Recently {
    fn new(api: &Api, now: Nanos) -> Self {
        Self { window: Window::default(), older: Marks::of(&api.chain, now), newer: None }
    }

    fn mark(&mut self, api: &Api, now: Nanos) {
        if let Some(newer) = self.newer.replace(Marks::of(&api.chain, now)) {
            self.older = newer;
        }
    }
}

/// Ticks as long as the gateway is there.
pub(crate) async fn sample(controller: Weak<Controller>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(now) = controller.upgrade() else { return };
        // With very many APIs that takes a while: off the threads that serve.
        let done = tokio::task::spawn_blocking(move || now.sample()).await;
        if let Err(panic) = done {
            tracing::error!(%panic, "live statistics were not taken");
        }
    }
}

#[cfg(test)]
mod tests {
    //! What becomes of counts over time.
    #![allow(clippy::unwrap_used)]
    use super::{KEPT, MARK_EVERY, Sampler};
    use paifang_pipeline::{
        Api, CallLimits, Chain, NoOrigin, RetryPolicy, ports::Nanos, testkit::TestCall,
    };
    use std::sync::Arc;

    fn api(id: &str) -> Api {
        Api {
            id: id.into(),
            chain: Chain::empty(),
            limits: CallLimits::default(),
            retry: RetryPolicy::default(),
            upstream: None,
            stats: Arc::default(),
            error_pages: Arc::default(),
        }
    }

    /// Calls an API that has no origin, which is a failure.
    async fn call(api: &Api, times: usize) {
        for _ in 0..times {
            assert_eq!(TestCall::get("/").stats(&api.stats).run(&NoOrigin).await.status(), 502);
        }
    }

    /// Ticks with 2 s between.
    fn tick(sampler: &Sampler, apis: &[Api], ticks: &mut u64) {
        *ticks += 1;
        sampler.take(apis.iter(), Nanos(*ticks * 2_000_000_000));
    }

    /// Calls and failures of the last so many ticks, and how long those were.
    fn last(sampler: &Sampler, id: &str, ticks: u16) -> Option<(u64, u64, f64)> {
        sampler.read(|state| {
            let sum = state.apis.get(id)?.window.sum(state.tick(), ticks);
            Some((sum.calls(), sum.failed(), state.seconds(ticks)))
        })
    }

    #[tokio::test]
    async fn calls_are_in_both_windows_then_in_the_long_one_then_nowhere() {
        let (sampler, mut ticks) = (Sampler::default(), 0);
        let apis = [api("busy"), api("idle")];
        tick(&sampler, &apis, &mut ticks);
        assert_eq!(sampler.read(|state| state.seconds(5)), 0.0, "nothing to divide by yet");
        call(&apis[0], 3).await;
        tick(&sampler, &apis, &mut ticks);
        assert_eq!(last(&sampler, "busy", 5), Some((3, 3, 2.0)));
        assert_eq!(last(&sampler, "idle", 5), None, "without calls it takes no memory");
        for _ in 0..5 {
            tick(&sampler, &apis, &mut ticks);
        }
        assert_eq!(last(&sampler, "busy", 5), Some((0, 0, 10.0)));
        assert_eq!(last(&sampler, "busy", KEPT), Some((3, 3, 12.0)));
        for _ in 0..KEPT {
            tick(&sampler, &apis, &mut ticks);
        }
        assert_eq!(last(&sampler, "busy", KEPT), None);
        assert_eq!(sampler.read(|state| state.all.sum(state.tick(), KEPT).calls()), 0);
        assert_eq!(sampler.read(|state| state.seconds(KEPT)), 60.0);
    }

    #[tokio::test]
    async fn steps_are_told_of_the_last_30_to_60_s() {
        let (sampler, mut ticks) = (Sampler::default(), 0);
        let apis = [api("a")];
        let older = |sampler: &Sampler| sampler.read(|state| state.apis["a"].older.at.0);
        tick(&sampler, &apis, &mut ticks);
        call(&apis[0], 1).await;
        tick(&sampler, &apis, &mut ticks);
        assert_eq!(older(&sampler), 4_000_000_000, "from its first call on");
        for _ in 0..5 * MARK_EVERY {
            call(&apis[0], 1).await;
            tick(&sampler, &apis, &mut ticks);
        }
        let age = ticks * 2_000_000_000 - older(&sampler);
        assert!((30_000_000_000..=60_000_000_000).contains(&age), "{age}");
    }
}
