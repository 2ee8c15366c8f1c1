//! Metrics of handlers in WebAssembly, by entry and version of its file.

use super::family::{counters, gauges, times};
use crate::handlers::Handlers;
use paifang_wasm::{ModuleReading, Own, Stats};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// How many digits of a file's hash name its version.
const VERSION_DIGITS: usize = 12;

/// What handlers have done.
pub(super) struct WasmHandlers(pub(super) Arc<Handlers>);

impl fmt::Debug for WasmHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WasmHandlers")
    }
}

/// Counters: name, help, place.
type Counter = (&'static str, &'static str, fn(&Stats) -> &AtomicU64);

const COUNTERS: &[Counter] = &[
    ("paifang_wasm_traps", "Calls that trapped.", |stats| &stats.traps),
    ("paifang_wasm_timeouts", "Calls cut for computing too long.", |stats| &stats.timeouts),
    ("paifang_wasm_wall_timeouts", "Calls cut for waiting too long.", |stats| &stats.wall_timeouts),
    ("paifang_wasm_overruns", "Calls that wanted more memory or table than allowed.", |stats| {
        &stats.overruns
    }),
    ("paifang_wasm_illegal", "Verdicts that no chain may follow.", |stats| &stats.illegal),
    ("paifang_wasm_crowded", "Calls refused for want of a free instance.", |stats| &stats.crowded),
    ("paifang_wasm_broken", "Calls refused by an open breaker.", |stats| &stats.broken),
    ("paifang_wasm_breaker_opened", "Times that a breaker has opened.", |stats| &stats.opened),
    ("paifang_wasm_instances_made", "Instances made.", |stats| &stats.instances_made),
    ("paifang_wasm_log_dropped", "Log lines beyond the handler's rate.", |stats| {
        &stats.log_dropped
    }),
];

impl Collector for WasmHandlers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let modules = self.0.modules();
        let labels = |module: &ModuleReading| {
            let version = module.sha256.get(..VERSION_DIGITS).unwrap_or_default().to_owned();
            (module.name.clone(), version)
        };
        let named: Vec<_> = modules.iter().map(labels).collect();
        let all = || {
            modules.iter().zip(&named).map(|(module, (name, version))| {
                (vec![("handler", &**name), ("version", &**version)], &module.stats)
            })
        };
        times(
            &mut encoder,
            "paifang_wasm_call",
            "Time inside handlers, waiting included.",
            all().map(|(labels, stats)| (labels, stats.time.read())),
        )?;
        for (name, help, place) in COUNTERS {
            let values = all().map(|(labels, stats)| (labels, place(stats).load(Relaxed)));
            counters(&mut encoder, name, help, values)?;
        }
        gauges(
            &mut encoder,
            "paifang_wasm_instances",
            "Instances running now.",
            all().map(|(labels, stats)| (labels, i64::from(stats.instances.load(Relaxed)))),
        )?;
        gauges(
            &mut encoder,
            "paifang_wasm_memory_peak_bytes",
            "The most linear memory that an instance has had.",
            all().map(|(labels, stats)| {
                let peak = stats.memory_peak.load(Relaxed);
                (labels, i64::try_from(peak).unwrap_or(i64::MAX))
            }),
        )?;
        own(&mut encoder, &modules)
    }
}

/// The numbers that handlers count under names of their own, over all versions.
fn own(encoder: &mut DescriptorEncoder<'_>, modules: &[ModuleReading]) -> fmt::Result {
    let mut sums = std::collections::BTreeMap::new();
    for module in modules {
        for (name, own) in module.stats.own_numbers() {
            let (count, values, sum) = match own {
                Own::Count(count) => (count.load(Relaxed), 0, 0),
                Own::Values(values) => {
                    let reading = values.read();
                    (0, reading.buckets.iter().sum(), reading.sum_nanos)
                }
            };
            let entry = sums.entry((module.name.clone(), name)).or_insert((0_u64, 0_u64, 0_u64));
            entry.0 += count;
            entry.1 += values;
            entry.2 += sum;
        }
    }
    let rows = |pick: fn(&(u64, u64, u64)) -> u64| {
        sums.iter().map(move |((handler, name), sums)| {
            (vec![("handler", &**handler), ("name", &**name)], pick(sums))
        })
    };
    counters(
        encoder,
        "paifang_wasm_own",
        "What handlers count under names of their own.",
        rows(|sums| sums.0),
    )?;
    counters(
        encoder,
        "paifang_wasm_own_observations",
        "How many values handlers have recorded under names of their own.",
        rows(|sums| sums.1),
    )?;
    counters(
        encoder,
        "paifang_wasm_own_observed",
        "The sum of the values that handlers have recorded under names of their own.",
        rows(|sums| sums.2),
    )
}
