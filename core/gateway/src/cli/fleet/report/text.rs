//! The report for a terminal.

use std::fmt::Write;

use super::{Report, Second, Spread, Zstd};

/// Columns of a plot.
const WIDTH: usize = 60;

const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write(report, &mut out);
    out
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let Report { calls, connections, bytes, .. } = report;
    let early = if report.interrupted { ", interrupted" } else { "" };
    writeln!(
        out,
        "{} clients, {} to {}, network {}, {:.1} s{early}",
        report.clients, report.protocol, report.target, report.network, report.seconds
    )?;
    writeln!(
        out,
        "calls        {} ok ({:.1}/s), {} failed, {} lost",
        calls.ok, calls.rate, calls.failed, calls.lost
    )?;
    spread(out, "latency", &report.latency_ms)?;
    writeln!(
        out,
        "connections  {} at most, {} full handshakes, {} resumed ({} with early data), {} without TLS, {} failed, {} dropped",
        connections.peak,
        connections.full,
        connections.resumed,
        connections.early,
        connections.plain,
        connections.failed,
        connections.dropped
    )?;
    spread(out, "connecting", &report.connect_ms)?;
    if connections.heartbeats > 0 {
        writeln!(out, "heartbeats   {} answered", connections.heartbeats)?;
    }
    writeln!(
        out,
        "bytes        {:.0} up, {:.0} down a call; {:.0} up, {:.0} down a connection; {} up, {} down in all",
        bytes.up_per_call,
        bytes.down_per_call,
        bytes.up_per_connection,
        bytes.down_per_connection,
        bytes.up,
        bytes.down
    )?;
    if let Some(Zstd { dictionaries, sent, received }) = &report.zstd {
        writeln!(
            out,
            "compressed   {} sent, {} bytes as {}; {} received, {} bytes as {}; {dictionaries} dictionaries",
            sent.messages,
            sent.bytes,
            sent.wire_bytes,
            received.messages,
            received.bytes,
            received.wire_bytes
        )?;
    }
    for trouble in &report.troubles {
        let said =
            if trouble.said.is_empty() { String::new() } else { format!(": {}", trouble.said) };
        writeln!(out, "trouble      {} × {}{said}", trouble.count, trouble.kind)?;
    }
    if let Some(most) =
        report.buckets.iter().map(|(_, count)| *count).max().filter(|most| *most > 0)
    {
        writeln!(out, "\ncalls by latency, up to")?;
        for (limit, count) in &report.buckets {
            let bar = "█".repeat((*count as f64 / most as f64 * WIDTH as f64).ceil() as usize);
            writeln!(out, "{limit:>10.2} ms {count:>8} {bar}")?;
        }
    }
    if report.series.len() > 1 {
        series(out, report, "calls a second", |second| second.calls as f64)?;
        series(out, report, "p99 in ms", |second| second.p99_ms)?;
    }
    Ok(())
}

fn spread(out: &mut String, name: &str, times: &Spread) -> std::fmt::Result {
    writeln!(
        out,
        "{name:<12} mean {:.2} ms, p50 {:.2}, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        times.mean, times.p50, times.p90, times.p99, times.p999, times.max
    )
}

/// A figure over time, in one line.
fn series(
    out: &mut String,
    report: &Report,
    name: &str,
    figure: impl Fn(&Second) -> f64,
) -> std::fmt::Result {
    let figures: Vec<f64> = report.series.iter().map(figure).collect();
    let each = figures.len().div_ceil(WIDTH);
    let columns: Vec<f64> =
        figures.chunks(each).map(|some| some.iter().sum::<f64>() / some.len() as f64).collect();
    let most = columns.iter().copied().fold(0.0, f64::max);
    let line: String = columns
        .iter()
        .map(|value| match most > 0.0 {
            true => EIGHTHS[((value / most * 7.0).round() as usize).min(7)],
            false => EIGHTHS[0],
        })
        .collect();
    writeln!(out, "\n{name}, {each} s a column, at most {most:.1}\n{line}")
}
