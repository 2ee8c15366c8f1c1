//! What a fleet met, as text, JSON and a page with plots.

mod html;
mod plot;
mod text;

use std::{fs, path::Path, time::Duration};

use paifang_client::{Compressed, Compression};
use serde::Serialize;

use super::{
    args::FleetArguments,
    plan::Plan,
    tally::{Counts, Tally, Times, Turn},
};
use crate::cli::Failed;

/// The whole report. Times are milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) target: String,
    pub(super) protocol: String,
    pub(super) network: String,
    pub(super) clients: u32,
    pub(super) seconds: f64,
    pub(super) interrupted: bool,
    pub(super) calls: Calls,
    pub(super) latency_ms: Spread,
    pub(super) connections: Connections,
    pub(super) connect_ms: Spread,
    pub(super) bytes: Traffic,
    /// Where messages may be compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) zstd: Option<Zstd>,
    pub(super) troubles: Vec<TroubleCount>,
    /// Shares of calls, in percent, and the latency that they do not exceed.
    pub(super) percentiles: Vec<(f64, f64)>,
    /// Buckets of latency: up to how long, and how many calls.
    pub(super) buckets: Vec<(f64, u64)>,
    pub(super) series: Vec<Second>,
}

/// Calls by what became of them.
#[derive(Debug, Serialize)]
pub(super) struct Calls {
    pub(super) ok: u64,
    /// Refused by their status, or not sent.
    pub(super) failed: u64,
    /// Sent, and no answer came.
    pub(super) lost: u64,
    /// Answered well, a second.
    pub(super) rate: f64,
}

/// How times spread.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Connections by how they began and ended.
#[derive(Debug, Serialize)]
pub(super) struct Connections {
    pub(super) peak: u64,
    pub(super) full: u64,
    pub(super) resumed: u64,
    pub(super) plain: u64,
    /// With TLS whose first bytes went before the handshake's end.
    pub(super) early: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    pub(super) heartbeats: u64,
}

/// Bytes on the wire, TLS included, TCP and IP not.
#[derive(Debug, Serialize)]
pub(super) struct Traffic {
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) up_per_call: f64,
    pub(super) down_per_call: f64,
    pub(super) up_per_connection: f64,
    pub(super) down_per_connection: f64,
}

/// Compressed messages.
#[derive(Debug, Serialize)]
pub(super) struct Zstd {
    /// How many dictionaries the clients have.
    pub(super) dictionaries: usize,
    pub(super) sent: Messages,
    pub(super) received: Messages,
}

/// Messages that went compressed, one way: how many, their bytes, and what passed for them.
#[derive(Debug, Serialize)]
pub(super) struct Messages {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) wire_bytes: u64,
}

impl From<Compressed> for Messages {
    fn from(Compressed { messages, bytes, wire_bytes }: Compressed) -> Self {
        Self { messages, bytes, wire_bytes }
    }
}

impl From<&Compression> for Zstd {
    fn from(compression: &Compression) -> Self {
        Self {
            dictionaries: compression.dictionaries(),
            sent: compression.sent().into(),
            received: compression.received().into(),
        }
    }
}

/// One kind of trouble.
#[derive(Debug, Serialize)]
pub(super) struct TroubleCount {
    pub(super) kind: String,
    pub(super) count: u64,
    /// What was first said of it.
    pub(super) said: String,
}

/// One second of the fleet.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Second {
    pub(super) at: u64,
    pub(super) calls: u64,
    pub(super) bad: u64,
    pub(super) connected: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

impl Second {
    pub(super) fn of(at: u64, turn: &Turn) -> Self {
        Self {
            at,
            calls: turn.latency.len(),
            bad: turn.bad,
            connected: turn.present,
            p50_ms: millis(turn.latency.value_at_quantile(0.5)),
            p99_ms: millis(turn.latency.value_at_quantile(0.99)),
        }
    }
}

impl Spread {
    fn of(times: &Times) -> Self {
        let at = |share| millis(times.value_at_quantile(share));
        Self {
            count: times.len(),
            mean: times.mean() / 1000.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(times.max()),
        }
    }
}

/// Shares of calls that the plot of latencies shows, in percent.
const SHARES: [f64; 13] =
    [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0];

/// Buckets that a decade of latency has.
const BUCKETS: i32 = 6;

impl Report {
    pub(super) fn new(
        plan: &Plan,
        words: &FleetArguments,
        tally: &Tally,
        series: Vec<Second>,
        took: Duration,
        interrupted: bool,
    ) -> Self {
        let counts = tally.whole();
        let bytes = plan.wire().now();
        let calls = counts.ok + counts.failed + counts.lost;
        let opened = counts.full + counts.resumed + counts.plain;
        let network = &words.line.network;
        Self {
            target: words.target.clone(),
            protocol: words.protocol.to_string(),
            network: network.as_ref().map_or("none", |network| &network.name).to_owned(),
            clients: plan.clients,
            seconds: took.as_secs_f64(),
            interrupted,
            calls: Calls {
                ok: counts.ok,
                failed: counts.failed,
                lost: counts.lost,
                rate: share(counts.ok, took.as_secs_f64()),
            },
            latency_ms: Spread::of(&counts.latency),
            connections: Connections {
                peak: tally.peak(),
                full: counts.full,
                resumed: counts.resumed,
                plain: counts.plain,
                early: counts.early,
                failed: counts.connect_failed,
                dropped: counts.dropped,
                heartbeats: counts.heartbeats,
            },
            connect_ms: Spread::of(&counts.connect),
            bytes: Traffic {
                up: bytes.up,
                down: bytes.down,
                up_per_call: share(counts.call_bytes.up, calls as f64),
                down_per_call: share(counts.call_bytes.down, calls as f64),
                up_per_connection: share(counts.connect_bytes.up, opened as f64),
                down_per_connection: share(counts.connect_bytes.down, opened as f64),
            },
            zstd: plan.compression.as_ref().map(Zstd::from),
            percentiles: SHARES
                .map(|share| (share, millis(counts.latency.value_at_percentile(share))))
                .to_vec(),
            buckets: buckets(&counts.latency),
            troubles: troubles(&counts),
            series,
        }
    }

    /// What the caller is told by the exit code.
    ///
    /// # Errors
    /// When not every call was answered well, or none was made, or nothing could be reached.
    pub(super) fn verdict(&self) -> Result<(), Failed> {
        let Calls { ok, failed, lost, .. } = self.calls;
        let Connections { failed: unconnected, peak, .. } = self.connections;
        match (failed, lost, unconnected, ok) {
            (0, 0, 0, 1..) => Ok(()),
            _ if peak == 0 && (failed > 0 || unconnected > 0) => {
                let why = self.troubles.iter().max_by_key(|trouble| trouble.count);
                let why = why.map_or("", |trouble| &*trouble.said);
                Err(Failed::Unreachable(format!(
                    "no client could connect to {}: {why}",
                    self.target
                )))
            }
            (0, 0, 0, 0) => Err(Failed::Said(
                "no call was made: --duration must be longer than clients --think first".to_owned(),
            )),
            _ => Err(Failed::Said(format!(
                "{failed} calls failed, {lost} lost, {unconnected} connections failed"
            ))),
        }
    }

    /// Writes it to a file, in the format that its name says.
    ///
    /// # Errors
    ///
    /// Why that was not possible.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: String| format!("{}: {error}", path.display());
        let text = match format(path)? {
            Format::Html => html::page(self),
            Format::Json => {
                serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?
            }
        };
        fs::write(path, text).map_err(|error| failed(error.to_string()))
    }

    /// It for a terminal.
    pub(super) fn text(&self) -> String {
        text::text(self)
    }
}

/// How a report is written.
enum Format {
    Html,
    Json,
}

/// The format that the name of a file says.
///
/// # Errors
///
/// When it says none.
fn format(path: &Path) -> Result<Format, String> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("html" | "htm") => Ok(Format::Html),
        Some("json") => Ok(Format::Json),
        _ => Err(format!("--report: {} ends neither in .html nor in .json", path.display())),
    }
}

/// Sees to it that a report can be written there, before there is one.
///
/// # Errors
/// When it cannot, or when the name says no format.
pub(super) fn prepare(path: &Path) -> Result<(), String> {
    format(path)?;
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map(drop).map_err(|why| format!("--report: {}: {why}", path.display()))
}

fn troubles(counts: &Counts) -> Vec<TroubleCount> {
    let count = |(kind, (count, said)): (&_, &(u64, String))| TroubleCount {
        kind: format!("{kind}"),
        count: *count,
        said: said.clone(),
    };
    counts.troubles.iter().map(count).collect()
}

/// Buckets whose limits grow evenly, from the shortest time to the longest.
fn buckets(times: &Times) -> Vec<(f64, u64)> {
    if times.is_empty() {
        return Vec::new();
    }
    let place = |micros: u64| ((micros.max(1) as f64).log10() * f64::from(BUCKETS)).floor() as i32;
    let limit = |place: i32| 10f64.powf(f64::from(place) / f64::from(BUCKETS));
    (place(times.min())..=place(times.max()))
        .map(|place| {
            let (low, high) = (limit(place).ceil() as u64, limit(place + 1).ceil() as u64 - 1);
            (limit(place + 1) / 1000.0, times.count_between(low, high.max(low)))
        })
        .collect()
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn share(part: u64, whole: f64) -> f64 {
    if whole > 0.0 { part as f64 / whole } else { 0.0 }
}
