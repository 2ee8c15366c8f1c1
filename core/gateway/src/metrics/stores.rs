//! Metrics of stores that gateways share.

use super::family::{counters, gauges};
use crate::stores::SharedStores;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt, sync::Arc};

/// What stores have counted.
pub(super) struct Stores(pub(super) Arc<SharedStores>);

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stores")
    }
}

impl Collector for Stores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.read();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        gauges(
            &mut encoder,
            "paifang_store_up",
            "Whether all of the store takes writes.",
            all.iter().map(|store| {
                (vec![("store", &*store.name)], i64::from(store.lanes_up == store.lanes))
            }),
        )?;
        gauges(
            &mut encoder,
            "paifang_store_ranges",
            "Ranges of a cluster's slots that fail apart, by whether they take writes; one without a cluster.",
            all.iter().flat_map(|store| {
                let down = store.lanes - store.lanes_up;
                [("up", store.lanes_up), ("down", down)].into_iter().map(move |(state, count)| {
                    (vec![("store", &*store.name), ("state", state)], number(count))
                })
            }),
        )?;
        gauges(
            &mut encoder,
            "paifang_store_gateways",
            "Gateways that share the store, told or learnt; 0 while that is not known.",
            all.iter().map(|store| {
                (vec![("store", &*store.name)], i64::from(store.gateways.unwrap_or(0)))
            }),
        )?;
        counters(
            &mut encoder,
            "paifang_store_commands",
            "Commands by what became of them.",
            all.iter().flat_map(|store| {
                store.commands.iter().map(move |(result, count)| {
                    (vec![("store", &*store.name), ("result", *result)], *count)
                })
            }),
        )?;
        counters(
            &mut encoder,
            "paifang_store_permits",
            "Permits of limits that were leased, and those given back unused.",
            all.iter().flat_map(|store| {
                [("leased", store.leased), ("given_back", store.given_back)].into_iter().map(
                    move |(event, count)| (vec![("store", &*store.name), ("event", event)], count),
                )
            }),
        )?;
        counters(
            &mut encoder,
            "paifang_store_waits",
            "Answers of the store that calls waited for.",
            all.iter().map(|store| (vec![("store", &*store.name)], store.waited)),
        )?;
        counters(
            &mut encoder,
            "paifang_store_without",
            "Answers that were found without the store, as `on_store_failure` says.",
            all.iter().map(|store| (vec![("store", &*store.name)], store.without)),
        )
    }
}
