//! Metrics of kept answers: what calls have found, what they take.

use super::family::{counters, gauges};
use crate::cache::Cache;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt, sync::Arc};

/// Source.
pub(super) struct Answers(pub(super) Arc<Cache>);

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers")
    }
}

impl Collector for Answers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = self.0.read();
        let found = read.apis.iter().flat_map(|api| {
            let id = &*api.id;
            api.found
                .iter()
                .map(move |(found, count)| (vec![("api", id), ("found", found.as_str())], *count))
        });
        counters(
            &mut encoder,
            "paifang_cache_calls",
            "Calls of APIs with a cache, by what they found there.",
            found,
        )?;
        counters(
            &mut encoder,
            "paifang_cache_evictions",
            "Keys whose answers had to go for want of room.",
            [(vec![], read.evicted)],
        )?;
        for (name, help, value) in [
            ("paifang_cache_keys", "Keys with kept answers.", read.keys),
            ("paifang_cache_used_bytes", "What kept answers take.", read.used_bytes),
            ("paifang_cache_memory_bytes", "What kept answers may take.", read.memory_bytes),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauges(&mut encoder, name, help, [(vec![], value)])?;
        }
        Ok(())
    }
}
