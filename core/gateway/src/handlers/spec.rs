//! From the config's words to the host's.

use paifang_config::model::{Grant, Wasm};
use paifang_wasm::{BreakerSpec, Grants, Limits, Spec};
use std::{sync::Arc, time::Duration};

/// An entry as the host takes it.
pub(crate) fn spec(name: &str, entry: &Wasm) -> Spec {
    let limits = &entry.limits;
    let per_second = limits.log_rate.count() as f64 / limits.log_rate.period().as_secs_f64();
    Spec {
        name: name.into(),
        grants: grants(entry),
        store: entry.store.as_ref().map(|name| name.value().as_arc().clone()),
        limits: Limits {
            memory_bytes: limits.memory.value().as_usize(),
            table_elements: *limits.table.value() as usize,
            cpu: limits.cpu.value().get(),
            wall: limits.wall.value().get(),
            body_bytes: limits.body.value().as_usize(),
            instances: *limits.instances.value(),
            // Less than one line a second is still one.
            log_per_second: (per_second.ceil() as u32).max(1),
            kv_entries: *limits.kv_entries.value(),
            kv_bytes: limits.kv_bytes.value().bytes(),
            kv_value_bytes: u32::try_from(limits.kv_value.value().bytes()).unwrap_or(u32::MAX),
        },
        reuse: *entry.reuse.value(),
        breaker: entry.breaker.rules().map(|rules| BreakerSpec {
            failures: f64::from(rules.failures.value().thousandths()) / 100_000.0,
            calls: *rules.calls.value(),
            window: rules.window.value().get(),
            backoff: rules.backoff.value().get(),
            backoff_max: rules.backoff_max.value().get().max(Duration::from_millis(1)),
        }),
    }
}

fn grants(entry: &Wasm) -> Grants {
    let mut grants = Grants::default();
    for grant in &entry.grants {
        match &grant.value() {
            Grant::Log => grants.log = true,
            Grant::Clock => grants.clock = true,
            Grant::Random => grants.random = true,
            Grant::Kv => grants.kv = true,
            Grant::Crypto => grants.crypto = true,
            Grant::Metrics => grants.metrics = true,
            Grant::Identity => grants.identity = true,
            Grant::Slots => grants.slots = true,
            Grant::Http(names) => {
                grants.http = names.iter().map(|name| Arc::from(&**name.value())).collect();
            }
        }
    }
    grants
}
