//! What a listener counts: plain atomics, read by the metrics endpoint.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was closed before it was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The listener holds as many connections as it may.
    TooManyConnections,
    /// The client holds as many connections as it may.
    TooManyFromClient,
    /// A PROXY header is required, and the peer is no trusted proxy.
    UntrustedProxy,
    /// No PROXY header, or a malformed one.
    BadProxyHeader,
    /// The PROXY header wasn't whole by its deadline.
    ProxyHeaderTimeout,
    /// The accept stage said no.
    Gate,
    /// A plain connection sent too little to tell its protocol by its deadline.
    SilentTimeout,
}

impl Refusal {
    /// Every reason, in the order of the declaration.
    pub const ALL: [Self; 7] = [
        Self::TooManyConnections,
        Self::TooManyFromClient,
        Self::UntrustedProxy,
        Self::BadProxyHeader,
        Self::ProxyHeaderTimeout,
        Self::Gate,
        Self::SilentTimeout,
    ];

    /// The value of the metric's `reason` label.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyFromClient => "too_many_from_client",
            Self::UntrustedProxy => "untrusted_proxy",
            Self::BadProxyHeader => "bad_proxy_header",
            Self::ProxyHeaderTimeout => "proxy_header_timeout",
            Self::Gate => "gate",
            Self::SilentTimeout => "silent_timeout",
        }
    }
}

/// What became of early data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct EarlyData {
    /// The client said that it sends some.
    pub(super) offered: bool,
    /// Some of it came, and was taken.
    pub(super) taken: bool,
}

/// A number that only grows, unless its owner says otherwise.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn increment(&self) {
        self.add(1);
    }
}

/// The counts of one listening socket since it was bound; reloads that keep the socket keep them.
#[derive(Debug, Default)]
pub struct EdgeStats {
    /// Connections that the kernel gave us, refused ones included.
    pub accepted: Counter,
    /// Connections handed to the handler.
    pub served: Counter,
    /// TLS handshakes that succeeded.
    pub handshakes: Counter,
    /// Those of them that resumed a session.
    pub resumptions: Counter,
    /// Those of them whose client sent data along that was taken.
    pub early_data: Counter,
    /// Those of them whose client offered such data that was refused, so that it sends it again.
    pub early_data_refused: Counter,
    /// TLS handshakes that failed: no common version, cipher, protocol; a bad client certificate; no TLS at
    /// all; the client left.
    pub handshakes_failed: Counter,
    /// TLS handshakes cut at their deadline.
    pub handshakes_timed_out: Counter,
    /// Times that accepting failed for want of descriptors or memory, and paused.
    pub accept_errors: Counter,
    /// Connections that ended by a panic.
    pub panics: Counter,
    /// Connections dropped at a drain's deadline.
    pub aborted: Counter,
    refused: [Counter; Refusal::ALL.len()],
}

impl EdgeStats {
    /// Connections closed before they were handed over, for this reason.
    pub fn refused(&self, reason: Refusal) -> u64 {
        self.refused[reason as usize].get()
    }

    /// Counts a handshake that succeeded, or goes on while its early data is served.
    pub(super) fn count_handshake(&self, resumed: bool, early: EarlyData) {
        self.handshakes.increment();
        if resumed {
            self.resumptions.increment();
        }
        if early.taken {
            self.early_data.increment();
        } else if early.offered {
            self.early_data_refused.increment();
        }
    }

    pub(super) fn refuse(&self, reason: Refusal) {
        self.refused[reason as usize].increment();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_and_a_label_of_its_own() {
        let stats = EdgeStats::default();
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            (0..=index).for_each(|_| stats.refuse(reason));
        }
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(stats.refused(reason), index as u64 + 1);
        }
        let mut labels: Vec<_> = Refusal::ALL.map(Refusal::label).to_vec();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Refusal::ALL.len());
    }
}
