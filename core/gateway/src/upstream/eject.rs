//! Which endpoints are out, over the whole of an upstream; see [`super::outlier`] for one of them.
//!
//! Ejection is a preference among servers, never a verdict over all of them: it stops at a share of
//! the endpoints, never takes the last one that probes call healthy, and is not heeded any more once
//! probes have taken all others.

use super::{Upstream, endpoint::Endpoint, members::Listed, outlier::Why};
use paifang_pipeline::{OriginError, Replay, ports::Nanos};
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// In place of a time: nobody is out.
pub(super) const NEVER: u64 = u64::MAX;

impl Endpoint {
    /// An attempt has ended well.
    pub(super) fn went_well(&self) {
        if let Some(spec) = &self.common.spec.outliers {
            // What is good ejects nobody.
            let _ = self.outlier.record(true, spec, self.common.clock.now());
        }
    }

    /// An attempt has failed by the endpoint's fault.
    pub(super) fn went_wrong(self: &Arc<Self>) {
        let Some(spec) = &self.common.spec.outliers else { return };
        let now = self.common.clock.now();
        if let Some(why) = self.outlier.record(false, spec, now)
            && !self.outlier.is_out()
            && let Some(upstream) = self.common.upstream.upgrade()
        {
            upstream.eject(self, why, now);
        }
    }

    /// An answer has come with this status.
    pub(super) fn answered(self: &Arc<Self>, status: http::StatusCode) {
        let Some(spec) = &self.common.spec.outliers else { return };
        if spec.is_failure(status) { self.went_wrong() } else { self.went_well() }
    }
}

/// Whether the end of an attempt that had begun is the endpoint's fault. A connection or stream that it
/// has closed or refused before it took anything is none: so servers end and restart. Nor is its
/// silence while the client has not sent all.
pub(super) fn is_its_fault(error: &OriginError, request_ended: bool) -> bool {
    error.replay != Replay::Safe && (request_ended || error.code.label != "upstream_timeout")
}

impl Upstream {
    /// Ejects an endpoint, where that leaves enough.
    fn eject(&self, endpoint: &Arc<Endpoint>, why: Why, now: Nanos) {
        let Some(spec) = &self.common.spec.outliers else { return };
        let out = {
            let members = self.members.lock();
            if endpoint.outlier.is_out() {
                return;
            }
            let all: Vec<Listed> = members.listed().filter(|listed| listed.weight > 0).collect();
            let out = all.iter().filter(|listed| listed.endpoint.outlier.is_out()).count();
            let others = all.iter().filter(|listed| {
                let other = &listed.endpoint;
                !Arc::ptr_eq(other, endpoint)
                    && other.health.is_healthy()
                    && !other.outlier.is_out()
            });
            // One at least, or a small upstream would never be rid of any.
            let most = (all.len() * spec.share_max_permille as usize / 1000).max(1);
            if out >= most || others.count() == 0 {
                None
            } else {
                Some(endpoint.outlier.eject(spec, now))
            }
        };
        let (upstream, address) = (self.name(), endpoint.address);
        let Some(time) = out else {
            // Not at every failure from here on.
            endpoint.outlier.forget();
            endpoint.stats.ejections_refused.count();
            tracing::warn!(%upstream, endpoint = %address, %why, "endpoint fails and is not ejected: too few would be left");
            return;
        };
        endpoint.stats.ejections.count();
        tracing::warn!(%upstream, endpoint = %address, %why, ?time, "endpoint is ejected");
        self.rebalance();
        self.announce();
    }

    /// Takes those back whose time is over. A look at the clock, nearly always.
    pub(super) fn readmit(&self, now: Nanos) {
        if now.0 < self.next_back.load(Relaxed) {
            return;
        }
        let mut any = false;
        for Listed { endpoint, .. } in self.members.lock().listed() {
            if endpoint.outlier.until().is_some_and(|until| until <= now) {
                endpoint.outlier.readmit(now);
                endpoint.warmth.begin(now);
                any = true;
                tracing::info!(upstream = %self.name(), endpoint = %endpoint.address, "endpoint is no longer ejected");
            }
        }
        if any {
            self.rebalance();
            self.announce();
        }
    }
}
