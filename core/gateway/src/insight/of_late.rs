//! What one API and its steps have done of late, for those who reckon with it.

use super::{
    report::{rounded, window},
    sampler::Sampler,
    steps::Count,
};
use paifang_pipeline::{Api, ports::Nanos};
use std::{collections::HashMap, sync::Arc};

/// An API of late.
#[derive(Debug, Default)]
pub(crate) struct OfLate {
    /// Calls a second, of the last 10 s.
    pub(crate) rate: f64,
    steps: HashMap<Arc<str>, StepOfLate>,
}

/// A step, over the last 30 to 60 s.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StepOfLate {
    /// Verdicts a second.
    pub(crate) rate: f64,
    /// Those by which the call was answered or broken off.
    pub(crate) ended: f64,
}

impl OfLate {
    /// A step by its id; nothing where it was not called.
    pub(crate) fn step(&self, id: &str) -> StepOfLate {
        self.steps.get(id).copied().unwrap_or_default()
    }
}

impl Sampler {
    /// What has been counted of an API.
    pub(crate) fn of_late(&self, api: &Api, now: Nanos) -> OfLate {
        let rate = self.read_window(api, |state| window(state.apis.get(&api.id))).short.rate;
        let steps = self.read(|state| {
            let marks = state.apis.get(&api.id).map(|recently| &recently.older);
            let steps = marks.into_iter().flat_map(|marks| {
                let seconds = now.since(marks.at) as f64 / 1e9;
                let per = move |count: u64| {
                    if seconds > 0.0 { rounded(count as f64 / seconds) } else { 0.0 }
                };
                api.chain.steps().iter().map(move |step| {
                    let count = Count::of(&step.stats).since(marks.get(&step.id));
                    let of_late = StepOfLate { rate: per(count.verdicts), ended: per(count.ended) };
                    (step.id.clone(), of_late)
                })
            });
            steps.collect()
        });
        OfLate { rate, steps }
    }
}
