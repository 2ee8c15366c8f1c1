//! Metrics that plugins count over all their steps.

use super::family::{counters, gauges};
use paifang_pipeline::{MetricKind, PluginMetric, Registry};
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
        let mut families: BTreeMap<&str, Vec<PluginMetric>> = BTreeMap::new();
        let told = self.0.iter().flat_map(|(_, plugin)| {
            plugin.counters().into_iter().map(PluginMetric::from).chain(plugin.metrics())
        });
        for metric in told {
            // The encoder appends the suffix itself.
            let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
            families.entry(name).or_default().push(metric);
        }
        families.iter().try_for_each(|(name, all)| {
            let Some(first) = all.first() else { return Ok(()) };
            let values = all.iter().map(|metric| {
                let labels = metric.labels.iter().map(|(name, value)| (*name, value.as_str()));
                (labels.collect(), metric.value)
            });
            match first.kind {
                MetricKind::Counter => counters(&mut encoder, name, first.help, values),
                MetricKind::Gauge => {
                    let value = |value| i64::try_from(value).unwrap_or(i64::MAX);
                    let values = values.map(|(labels, number)| (labels, value(number)));
                    gauges(&mut encoder, name, first.help, values)
                }
            }
        })
    }
}
