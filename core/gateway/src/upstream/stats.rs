//! Counters of upstreams and endpoints: plain atomics, exported by the gateway's metrics.

use paifang_pipeline::OriginError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Declares counters that can be read all at once.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident, $reading:ident { $($(#[$field_doc:meta])* $field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name { $(pub(super) $field: Counter),* }

        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $reading { $($(#[$field_doc])* pub $field: u64),* }

        impl $name {
            pub(super) fn read(&self) -> $reading {
                $reading { $($field: self.$field.get()),* }
            }
        }

        impl $reading {
            /// Names and values, for exporting.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),*]
            }
        }
    };
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

counters! {
    /// What has become of an endpoint's connections and calls since it is known.
    EndpointStats, EndpointCounts {
        /// Attempts that got a connection or a stream.
        calls,
        /// Connections opened.
        connects,
        /// Attempts that went over a connection that had served others.
        reuses,
        /// Kept connections that turned out to be dead before a request was put on them.
        dead_reuses,
        /// Connections that were refused or unreachable.
        connect_failures,
        /// Connections that took too long.
        connect_timeouts,
        /// TLS that failed.
        tls_failures,
        /// Connections that ended before a whole response head.
        closed,
        /// Heads that did not come, or requests that were not taken, in time.
        timeouts,
        /// Answers that broke HTTP.
        malformed,
        /// Good probes.
        probes_good,
        /// Bad probes.
        probes_bad,
        /// Changes from healthy to unhealthy.
        turned_unhealthy,
        /// Changes from unhealthy to healthy.
        turned_healthy,
        /// Times that it was left alone because calls to it failed.
        ejections,
        /// Times that it was not, because too few would have been left.
        ejections_refused,
    }
}

impl EndpointStats {
    /// Counts a failed attempt by its row.
    pub(super) fn failed(&self, error: &OriginError) {
        match error.code.label {
            "connect_failed" => self.connect_failures.count(),
            "connect_timeout" => self.connect_timeouts.count(),
            "upstream_tls" => self.tls_failures.count(),
            "upstream_closed" => self.closed.count(),
            "upstream_timeout" => self.timeouts.count(),
            _ => self.malformed.count(),
        }
    }
}

counters! {
    /// What has become of an upstream's calls as a whole.
    UpstreamStats, UpstreamCounts {
        /// Calls, counted at their first attempt.
        calls,
        /// Attempts that found no endpoint to use.
        no_endpoint,
        /// Calls that had to wait for room.
        queued,
        /// Calls that were refused for the queue was full.
        queue_full,
        /// Calls that were refused for they had waited too long.
        queue_timeouts,
        /// Repetitions that were allowed.
        retries,
        /// Repetitions that the budget refused.
        retries_refused,
        /// Names that were resolved.
        dns_answers,
        /// Look-ups that failed.
        dns_failures,
        /// Times that members were found out by discovery.
        discoveries,
        /// Times that they were not.
        discovery_failures,
    }
}
