//! Metrics of the gateway as a whole: its release, its reloads, what it refused at the door.

use super::family::{counters, gauges};
use crate::live::{Live, Refusals};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// How releases have gone.
#[derive(Debug, Default)]
pub(crate) struct ReleaseCounters {
    /// Made live.
    pub(crate) released: AtomicU64,
    /// Refused; the one before went on serving.
    pub(crate) failed: AtomicU64,
}

/// Sources.
pub(super) struct Gateway {
    pub(super) live: Arc<Live>,
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
        counters(
            &mut encoder,
            "paifang_reloads",
            "Releases made live, and releases refused.",
            [
                (vec![("result", "released")], self.releases.released.load(Relaxed)),
                (vec![("result", "failed")], self.releases.failed.load(Relaxed)),
            ],
        )?;
        let refusals = self.refusals.read();
        counters(
            &mut encoder,
            "paifang_requests_refused",
            "Requests refused before they were calls, by the error's label.",
            refusals.iter().map(|(label, count)| (vec![("error", *label)], *count)),
        )
    }
}
