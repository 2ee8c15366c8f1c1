//! Metrics of MMTP's connections.

use super::family::{counters, gauges};
use crate::access::AccessHost;
use paifang_access::{Form, FormTotals, Handshake, Server, Totals};
use paifang_mmtp::session::Traffic;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt, sync::Arc};

/// What the access front has counted.
pub(super) struct Mmtp(pub(super) Arc<Server<AccessHost>>);

impl fmt::Debug for Mmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mmtp")
    }
}

/// Where a plain counter is.
type Place = fn(&Totals) -> u64;

/// Name, help and place of the plain counters.
const COUNTERS: [(&str, &str, Place); 9] = [
    ("paifang_mmtp_greeted", "MMTP connections whose client was let in.", |t| t.greeted),
    (
        "paifang_mmtp_calls_refused",
        "Calls over MMTP that were answered before they reached an API.",
        |t| t.refused,
    ),
    ("paifang_mmtp_messages_received", "Messages from MMTP clients.", |t| t.messages_in),
    ("paifang_mmtp_messages_sent", "Messages to MMTP clients.", |t| t.messages_out),
    ("paifang_mmtp_messages_dropped", "Messages dropped for slow MMTP clients.", |t| t.dropped),
    ("paifang_mmtp_received_bytes", "Bytes from MMTP clients, beside TLS.", |t| t.bytes_in),
    ("paifang_mmtp_sent_bytes", "Bytes to MMTP clients, beside TLS.", |t| t.bytes_out),
    ("paifang_mmtp_logins", "Credentials of MMTP clients that were good.", |t| t.logins),
    ("paifang_mmtp_denied", "Credentials of MMTP clients that were not good.", |t| t.denied),
];

/// What a channel's sums are read by: from clients, and to them.
type Read = fn(&Traffic) -> (u64, u64);

/// Name, help and sums of the counters by channel.
const CHANNELS: [(&str, &str, Read); 2] = [
    (
        "paifang_mmtp_channel_messages",
        "Calls, answers and messages that began, by MMTP channel.",
        |own| (own.received, own.sent),
    ),
    (
        "paifang_mmtp_channel_bytes",
        "Their bytes, TLVs included and frames' heads not, by MMTP channel.",
        |own| (own.bytes_received, own.bytes_sent),
    ),
];

impl Collector for Mmtp {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        let totals = stats.totals();
        for (name, help, place) in COUNTERS {
            counters(&mut encoder, name, help, [(vec![], place(&totals))])?;
        }
        let of_form = |count: fn(&FormTotals) -> u64| {
            Form::ALL.map(|form| (vec![("form", form.label())], count(&stats.form(form))))
        };
        let name = "paifang_mmtp_opened";
        let help = "MMTP connections, and POSTs with MMTP, that came, greeted or not.";
        counters(&mut encoder, name, help, of_form(|own| own.opened))?;
        let help = "Calls that came over MMTP.";
        counters(&mut encoder, "paifang_mmtp_calls", help, of_form(|own| own.calls))?;
        let by_kind =
            Handshake::ALL.map(|kind| (vec![("kind", kind.label())], stats.handshakes(kind)));
        counters(
            &mut encoder,
            "paifang_mmtp_handshakes",
            "MMTP connections that came, by how their TLS began.",
            by_kind,
        )?;
        let channels: Vec<(String, Traffic)> =
            stats.channels().iter().map(|own| (own.channel.to_string(), *own)).collect();
        for (name, help, read) in CHANNELS {
            let rows = channels.iter().flat_map(|(channel, own)| {
                let (received, sent) = read(own);
                [("in", received), ("out", sent)]
                    .map(|(way, count)| (vec![("channel", &**channel), ("direction", way)], count))
            });
            counters(&mut encoder, name, help, rows)?;
        }
        let both = [("in", totals.zstd_in), ("out", totals.zstd_out)];
        counters(
            &mut encoder,
            "paifang_mmtp_compressed_bytes",
            "Bytes of messages that came and went compressed: as they are (plain), and on the wire.",
            both.iter().flat_map(|(direction, bytes)| {
                [("plain", bytes.plain), ("wire", bytes.wire)]
                    .map(|(form, count)| (vec![("direction", *direction), ("form", form)], count))
            }),
        )?;
        let groups = stats.groups();
        gauges(
            &mut encoder,
            "paifang_mmtp_connections",
            "MMTP connections that are greeted, by app, its version and the network that the client names.",
            groups.iter().map(|((app, version, network), count)| {
                let labels = vec![("app", &**app), ("version", &**version), ("network", *network)];
                (labels, i64::try_from(*count).unwrap_or(i64::MAX))
            }),
        )?;
        let refused = self.0.host().guard().refused();
        counters(
            &mut encoder,
            "paifang_mmtp_limited",
            "MMTP connections and calls beyond a limit of `mmtp.limits`, by the limit.",
            refused.iter().map(|(limit, count)| (vec![("limit", *limit)], *count)),
        )?;
        let closes = stats.closes();
        counters(
            &mut encoder,
            "paifang_mmtp_closed",
            "MMTP connections that ended, by who ended them and the code.",
            closes.iter().map(|((by, code), count)| (vec![("by", *by), ("code", *code)], *count)),
        )
    }
}
