//! Metrics that plugins count over all their steps.

use super::family::counters;
use paifang_pipeline::{PluginCounter, Registry};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{collections::BTreeMap, fmt};

/// What plugins have counted.
pub(super) struct Plugins(pub(super) Registry);

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plugins")
    }
}

impl Collector for Plugins {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families: BTreeMap<&str, Vec<PluginCounter>> = BTreeMap::new();
        for counter in self.0.iter().flat_map(|(_, plugin)| plugin.counters()) {
            // The encoder appends the suffix itself.
            let name = counter.name.strip_suffix("_total").unwrap_or(counter.name);
            families.entry(name).or_default().push(counter);
        }
        families.iter().try_for_each(|(name, all)| {
            let help = all.first().map_or("", |counter| counter.help);
            let values = all.iter().map(|counter| {
                let labels = counter.label.iter().map(|(name, value)| (*name, value.as_str()));
                (labels.collect(), counter.value)
            });
            counters(&mut encoder, name, help, values)
        })
    }
}
