//! The report as one page that needs nothing else: no script, no font, no picture from elsewhere.

use std::fmt::Write;

use super::{
    Report, Second,
    plot::{Curve, bars, figure, lines},
};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;color:#222}\
svg{width:100%;margin:.8em 0;background:#fafafa;border:1px solid #ddd}svg text{font-size:11px}.grid{stroke:#ddd}\
.left{text-anchor:end}.mid{text-anchor:middle}table{border-collapse:collapse;margin:.8em 0}\
td,th{border:1px solid #ddd;padding:.2em .6em;text-align:right}th:first-child,td:first-child{text-align:left}\
pre{white-space:pre-wrap;background:#fafafa;border:1px solid #ddd;padding:.6em}";

const BLUE: &str = "#2a6fb0";
const RED: &str = "#b03a2a";
const GREEN: &str = "#2f8a4c";

pub(super) fn page(report: &Report) -> String {
    let title = escaped(&format!(
        "{} clients, {} to {}, network {}",
        report.clients, report.protocol, report.target, report.network
    ));
    let over_time = |figure: fn(&Second) -> f64| {
        report.series.iter().map(|second| (second.at as f64, figure(second))).collect::<Vec<_>>()
    };
    let rate = lines(
        "calls and failures a second",
        "s",
        &[
            Curve {
                name: "answered",
                colour: BLUE,
                points: over_time(|second| second.calls as f64),
            },
            Curve { name: "failed", colour: RED, points: over_time(|second| second.bad as f64) },
        ],
    );
    let latency = lines(
        "latency over time, ms",
        "s",
        &[
            Curve { name: "p50", colour: GREEN, points: over_time(|second| second.p50_ms) },
            Curve { name: "p99", colour: RED, points: over_time(|second| second.p99_ms) },
        ],
    );
    let connected = over_time(|second| second.connected as f64);
    let connected = lines(
        "open connections",
        "s",
        &[Curve { name: "connections", colour: GREEN, points: connected }],
    );
    let spread: Vec<_> =
        report.buckets.iter().map(|(limit, count)| (figure(*limit), *count as f64)).collect();
    let spread = bars("calls by latency, up to ms", &spread);
    let text = report.text();
    // Its plots are drawn better below.
    let figures = escaped(text.split("\n\n").next().unwrap_or_default());
    format!(
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>Fleet</h1><p>{title}</p>\n<pre>{figures}</pre>\n{rate}{latency}{connected}{spread}{}</body></html>\n",
        percentiles(report)
    )
}

fn percentiles(report: &Report) -> String {
    let mut out = "<table><tr><th>share of calls</th><th>within ms</th></tr>".to_owned();
    for (share, limit) in &report.percentiles {
        // Writing to a `String` cannot fail.
        let _ = write!(out, "<tr><td>{share} %</td><td>{limit:.2}</td></tr>");
    }
    out + "</table>"
}

/// Text that is no markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn markup_is_no_markup() {
        assert_eq!(escaped("<a b='c'>&\""), "&lt;a b=&#39;c&#39;&gt;&amp;&quot;");
    }
}
