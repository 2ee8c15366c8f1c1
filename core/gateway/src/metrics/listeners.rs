//! Metrics of listeners and their connections.

use super::family::{counters, gauges};
use crate::edge::{Counter, Edge, EdgeStats, ListenerStatus, Refusal, tls::SessionStats};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt, sync::Arc};

/// What the edge has counted.
pub(super) struct Listeners(pub(super) Arc<Edge>);

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

/// Where a plain counter is.
type Place = fn(&EdgeStats) -> &Counter;

/// Name, help and place of the plain counters.
const COUNTERS: [(&str, &str, Place); 10] = [
    ("paifang_connections_accepted", "Connections accepted, refused ones included.", |s| {
        &s.accepted
    }),
    ("paifang_connections_served", "Connections handed to a front.", |s| &s.served),
    ("paifang_connections_aborted", "Connections dropped at a drain's deadline.", |s| &s.aborted),
    ("paifang_connection_panics", "Connections that ended by a panic.", |s| &s.panics),
    ("paifang_accept_errors", "Times that accepting failed for want of resources.", |s| {
        &s.accept_errors
    }),
    ("paifang_tls_handshakes", "TLS handshakes that succeeded.", |s| &s.handshakes),
    ("paifang_tls_resumptions", "TLS handshakes that resumed a session.", |s| &s.resumptions),
    ("paifang_tls_early_data", "TLS handshakes with early data that was taken.", |s| &s.early_data),
    (
        "paifang_tls_early_data_refused",
        "TLS handshakes whose client offered early data that was not taken.",
        |s| &s.early_data_refused,
    ),
    ("paifang_tls_handshakes_failed", "TLS handshakes that failed.", |s| &s.handshakes_failed),
];

impl Collector for Listeners {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let listeners = self.0.listeners();
        gauges(
            &mut encoder,
            "paifang_connections",
            "Connections held now, those in their handshake included.",
            listeners.iter().map(|l| (vec![("listener", &*l.name)], i64::from(l.active))),
        )?;
        for (name, help, place) in COUNTERS {
            let values =
                listeners.iter().map(|l| (vec![("listener", &*l.name)], place(&l.stats).get()));
            counters(&mut encoder, name, help, values)?;
        }
        counters(
            &mut encoder,
            "paifang_tls_handshakes_timed_out",
            "TLS handshakes cut at their deadline.",
            listeners
                .iter()
                .map(|l| (vec![("listener", &*l.name)], l.stats.handshakes_timed_out.get())),
        )?;
        sessions(&mut encoder, &listeners)?;
        counters(
            &mut encoder,
            "paifang_connections_refused",
            "Connections closed before they were served, by why.",
            listeners.iter().flat_map(|l| {
                Refusal::ALL.into_iter().map(|reason| {
                    let labels = vec![("listener", &*l.name), ("reason", reason.label())];
                    (labels, l.stats.refused(reason))
                })
            }),
        )
    }
}

/// Reads one number of a listener's sessions.
type SessionCount = fn(&SessionStats) -> u64;

/// The sessions that listeners keep for their clients.
fn sessions(encoder: &mut DescriptorEncoder<'_>, listeners: &[ListenerStatus]) -> fmt::Result {
    let values = |read: SessionCount| {
        listeners.iter().map(move |l| (&*l.name, l.sessions.as_deref().map_or(0, read)))
    };
    let gauge = |read| values(read).map(|(name, held)| (vec![("listener", name)], held as i64));
    gauges(
        encoder,
        "paifang_tls_sessions_held",
        "Sessions that are kept for clients to resume.",
        gauge(SessionStats::held),
    )?;
    gauges(
        encoder,
        "paifang_tls_sessions_held_bytes",
        "Memory that they take.",
        gauge(SessionStats::held_bytes),
    )?;
    let events: [(&str, SessionCount); 4] = [
        ("kept", |s| s.kept.get()),
        ("taken", |s| s.taken.get()),
        ("missed", |s| s.missed.get()),
        ("evicted", |s| s.evicted.get()),
    ];
    counters(
        encoder,
        "paifang_tls_sessions",
        "What became of sessions that are kept.",
        events.into_iter().flat_map(|(event, read)| {
            values(read)
                .map(move |(name, count)| (vec![("event", event), ("listener", name)], count))
        }),
    )
}
