//! Metrics of APIs and their steps.

use super::family::{counters, gauges, times};
use crate::live::Live;
use paifang_pipeline::{
    Api, Step,
    stats::{ApiStats, StepVerdict},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// What the engine has counted.
pub(super) struct Calls(pub(super) Arc<Live>);

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

impl Collector for Calls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let serving = self.0.load_full();
        let apis: Vec<&Api> = serving.served().map(|serving| &*serving.api).collect();
        api_families(&mut encoder, &apis)?;
        step_families(&mut encoder, &apis)
    }
}

fn api_families(encoder: &mut DescriptorEncoder<'_>, apis: &[&Api]) -> fmt::Result {
    let each = |read: fn(&ApiStats) -> u64| {
        apis.iter().map(move |api| (vec![("api", &*api.id)], read(&api.stats)))
    };
    counters(
        encoder,
        "paifang_calls",
        "Calls that have ended, by status class of the answer.",
        apis.iter().flat_map(|api| {
            let classes = CLASSES.into_iter().zip(api.stats.status_classes());
            classes
                .filter(|(_, count)| *count > 0)
                .map(|(class, count)| (vec![("api", &*api.id), ("status", class)], count))
        }),
    )?;
    gauges(
        encoder,
        "paifang_calls_in_flight",
        "Calls that run now.",
        apis.iter().map(|api| (vec![("api", &*api.id)], api.stats.in_flight())),
    )?;
    counters(
        encoder,
        "paifang_calls_aborted",
        "Calls whose response did not go out whole, by why.",
        apis.iter().flat_map(|api| {
            let reasons = api.stats.aborted().into_iter().filter(|(_, count)| *count > 0);
            reasons.map(|(reason, count)| (vec![("api", &*api.id), ("reason", reason)], count))
        }),
    )?;
    counters(
        encoder,
        "paifang_errors",
        "Answers that the gateway made for an error, by the error's label (docs/specs/errors.md).",
        apis.iter().flat_map(|api| {
            let errors = api.stats.errors().into_iter();
            errors.map(|(label, count)| (vec![("api", &*api.id), ("error", label)], count))
        }),
    )?;
    let retries = each(|stats| stats.retries.load(Relaxed));
    counters(encoder, "paifang_retries", "Attempts on origins beyond the first.", retries)?;
    let bytes = each(|stats| stats.request_bytes.load(Relaxed));
    counters(encoder, "paifang_request_body_bytes", "Request body bytes read.", bytes)?;
    let bytes = each(|stats| stats.response_bytes.load(Relaxed));
    counters(encoder, "paifang_response_body_bytes", "Response body bytes sent.", bytes)?;
    times(
        encoder,
        "paifang_call_duration",
        "From the arrival of the request head to the end of the call.",
        apis.iter().map(|api| (vec![("api", &*api.id)], api.stats.total_time.read())),
    )?;
    times(
        encoder,
        "paifang_origin_duration",
        "From opening an attempt on the origin to its response head.",
        apis.iter().map(|api| (vec![("api", &*api.id)], api.stats.origin_time.read())),
    )
}

fn step_families(encoder: &mut DescriptorEncoder<'_>, apis: &[&Api]) -> fmt::Result {
    let steps =
        || apis.iter().flat_map(|api| api.chain.steps().iter().map(move |step| (*api, step)));
    fn labels<'a>(api: &'a Api, step: &'a Step) -> Vec<(&'static str, &'a str)> {
        vec![("api", &*api.id), ("step", &*step.id), ("kind", &*step.kind)]
    }
    counters(
        encoder,
        "paifang_step_verdicts",
        "What steps have said, by verdict.",
        steps().flat_map(|(api, step)| {
            StepVerdict::ALL.into_iter().filter_map(move |verdict| {
                let count = step.stats.verdicts(verdict);
                let mut labels = labels(api, step);
                labels.push(("verdict", verdict.as_str()));
                (count > 0).then_some((labels, count))
            })
        }),
    )?;
    times(
        encoder,
        "paifang_step_duration",
        "Time spent in a step, all stages, waiting included.",
        steps().map(|(api, step)| (labels(api, step), step.stats.time.read())),
    )
}
