//! Metrics of the gateway as a whole: its release, its reloads, what it refused at the door.

use super::family::{counters, gauges};
use crate::{
    live::{Held, Live, Refusals},
    upgrade::Predecessor,
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::time::Instant;

/// How releases have gone.
#[derive(Debug, Default)]
pub(crate) struct ReleaseCounters {
    /// Made live.
    pub(crate) released: AtomicU64,
    /// Refused; the one before went on serving.
    pub(crate) failed: AtomicU64,
    /// Upgrades that failed; this process went on serving.
    pub(crate) upgrades_failed: AtomicU64,
    /// The process whose place this one has taken.
    pub(crate) predecessor: OnceLock<Arc<Predecessor>>,
}

/// Sources.
pub(super) struct Gateway {
    pub(super) live: Arc<Live>,
    pub(super) held: Arc<Held>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) releases: Arc<ReleaseCounters>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gateway")
    }
}

impl Collector for Gateway {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        gauges(
            &mut encoder,
            "paifang_build_info",
            "The gateway's version.",
            [(vec![("version", version)], 1)],
        )?;
        let number = i64::try_from(self.live.load().snapshot.number()).unwrap_or(i64::MAX);
        gauges(&mut encoder, "paifang_release", "Number of the live release.", [(vec![], number)])?;
        let live = self.live.load();
        let plans = live.snapshot.config().plans.keys().map(|name| &**name);
        let is_on = |name: &str| live.snapshot.plans().iter().any(|plan| plan.name == *name);
        gauges(
            &mut encoder,
            "paifang_plan_on",
            "1 for each plan that is on, 0 for those that are off.",
            plans.map(|name| (vec![("plan", name)], i64::from(is_on(name)))),
        )?;
        counters(
            &mut encoder,
            "paifang_reloads",
            "Releases made live, and releases refused.",
            [
                (vec![("result", "released")], self.releases.released.load(Relaxed)),
                (vec![("result", "failed")], self.releases.failed.load(Relaxed)),
            ],
        )?;
        let upgrades_failed = self.releases.upgrades_failed.load(Relaxed);
        counters(
            &mut encoder,
            "paifang_upgrades_failed",
            "Upgrades that failed; this process went on serving.",
            [(vec![], upgrades_failed)],
        )?;
        let left = self.releases.predecessor.get().and_then(|before| before.connections());
        gauges(
            &mut encoder,
            "paifang_predecessor_connections",
            "Connections of the process before an upgrade that have not ended yet.",
            [(vec![], i64::try_from(left.unwrap_or_default()).unwrap_or(i64::MAX))],
        )?;
        self.held_families(&mut encoder)?;
        let refusals = self.refusals.read();
        counters(
            &mut encoder,
            "paifang_requests_refused",
            "Requests refused before they were calls, by the error's label.",
            refusals.iter().map(|(label, count)| (vec![("error", *label)], *count)),
        )
    }
}

impl Gateway {
    fn held_families(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let held = self.held.read(Instant::now());
        let calls: usize = held.iter().map(|old| old.calls).sum();
        let oldest = held.first().map_or(0, |old| old.age.as_secs());
        for (name, help, value) in [
            ("paifang_snapshots_held", "Old releases that calls still hold.", held.len() as u64),
            (
                "paifang_snapshots_held_calls",
                "Calls, streams and tunnels that hold an old release.",
                calls as u64,
            ),
            (
                "paifang_snapshots_held_oldest_seconds",
                "How long ago the oldest release that calls hold was replaced; 0 where none is held.",
                oldest,
            ),
        ] {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauges(encoder, name, help, [(vec![], value)])?;
        }
        Ok(())
    }
}
