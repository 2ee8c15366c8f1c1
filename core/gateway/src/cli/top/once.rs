//! A picture as plain text, and the cells that both ways of showing it share.

use super::feed::{Picture, Wish};
use serde_json::Value;
use std::fmt::Write;

/// The columns after an API's id, with their widths.
pub(super) const COLUMNS: [(&str, u16); 9] = [
    ("calls/s", 10),
    ("1m", 10),
    ("errors/s", 9),
    ("error%", 7),
    ("4xx%", 7),
    ("p50 ms", 9),
    ("p90 ms", 9),
    ("p99 ms", 9),
    ("in flight", 9),
];

/// The columns after an endpoint's address, with their widths.
pub(super) const ENDPOINT_COLUMNS: [(&str, u16); 5] =
    [("health", 12), ("in flight", 9), ("idle", 6), ("calls", 12), ("failed", 10)];

/// An API's cells, in the order of [`COLUMNS`].
pub(super) fn api_cells(item: &Value) -> [String; 9] {
    let (short, long) = (&item["last_10s"], &item["last_1m"]);
    let share = |name: &str| format!("{:.2}", short[name].as_f64().unwrap_or(0.0) * 100.0);
    let rate = |of: &Value, name: &str| format!("{:.1}", of[name].as_f64().unwrap_or(0.0));
    let millis = |name: &str| {
        short[name].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
    };
    [
        rate(short, "rate"),
        rate(long, "rate"),
        rate(short, "errors"),
        share("error_share"),
        share("refused_share"),
        millis("p50_ms"),
        millis("p90_ms"),
        millis("p99_ms"),
        item["in_flight"].as_i64().unwrap_or(0).to_string(),
    ]
}

/// One endpoint of an upstream.
pub(super) struct EndpointRow {
    /// The upstream's name and the endpoint's address.
    pub(super) name: String,
    /// In the order of [`ENDPOINT_COLUMNS`].
    pub(super) cells: [String; 5],
    pub(super) healthy: bool,
}

/// All endpoints, by upstream.
pub(super) fn endpoints(picture: &Picture) -> Vec<EndpointRow> {
    let mut rows = Vec::new();
    for upstream in Picture::items(&picture.upstreams) {
        let name = upstream["name"].as_str().unwrap_or_default();
        for endpoint in upstream["endpoints"].as_array().into_iter().flatten() {
            let healthy = endpoint["healthy"].as_bool().unwrap_or(true);
            let away = endpoint["passed_over"].as_bool().unwrap_or(false);
            let health = match (healthy, away) {
                (false, _) => "UNHEALTHY",
                (true, true) => "passed over",
                (true, false) => "healthy",
            };
            let number = |name: &str| endpoint[name].as_u64().unwrap_or(0).to_string();
            let count = |name: &str| endpoint["counts"][name].as_u64().unwrap_or(0);
            let failed: u64 = FAILURES.iter().map(|name| count(name)).sum();
            rows.push(EndpointRow {
                name: format!("{name} {}", endpoint["address"].as_str().unwrap_or_default()),
                cells: [
                    health.to_owned(),
                    number("in_flight"),
                    number("idle_connections"),
                    count("calls").to_string(),
                    failed.to_string(),
                ],
                healthy: healthy && !away,
            });
        }
    }
    rows
}

/// Counts of an endpoint that tell of a failed attempt (docs/specs/metrics.md, Upstreams).
const FAILURES: [&str; 6] =
    ["connect_failures", "connect_timeouts", "tls_failures", "closed", "timeouts", "malformed"];

/// The first line: how the gateway is.
pub(super) fn summary(picture: &Picture) -> String {
    let stats = &picture.stats;
    let (short, long) = (&stats["last_10s"], &stats["last_1m"]);
    let number = |of: &Value, name: &str| of[name].as_f64().unwrap_or(0.0);
    format!(
        "release {}   {:.1} calls/s ({:.1} over 1 m)   {:.2} % errors   p99 {} ms   {} in flight   {} of {} APIs called",
        stats["release"].as_u64().unwrap_or(0),
        number(short, "rate"),
        number(long, "rate"),
        number(short, "error_share") * 100.0,
        short["p99_ms"].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.2}")),
        stats["in_flight"].as_i64().unwrap_or(0),
        stats["apis_called"].as_u64().unwrap_or(0),
        stats["apis"].as_u64().unwrap_or(0),
    )
}

/// An id as a terminal may show it: what would steer the terminal is replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{FFFD}' } else { letter }).collect()
}

/// All of it.
pub(super) fn text(picture: &Picture, wish: &Wish) -> String {
    let mut text = summary(picture) + "\n";
    let items = Picture::items(&picture.apis);
    let ids: Vec<String> =
        items.iter().map(|item| printable(item["id"].as_str().unwrap_or_default())).collect();
    let width = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).max(8);
    let wide = width(&mut ids.iter().map(|id| id.chars().count()));
    // Writing into a string cannot fail.
    let _ = write!(text, "\n{:<wide$}", format!("api by {}", wish.sort.as_str()));
    for (head, width) in COLUMNS {
        let _ = write!(text, " {head:>0$}", usize::from(width));
    }
    for (id, item) in ids.iter().zip(items) {
        let _ = write!(text, "\n{id:<wide$}");
        for (cell, (_, width)) in api_cells(item).iter().zip(COLUMNS) {
            let _ = write!(text, " {cell:>0$}", usize::from(width));
        }
    }
    let found = picture.apis["found"].as_u64().unwrap_or(0);
    if found > items.len() as u64 {
        let _ = write!(text, "\n… {} more; `--limit` shows them", found - items.len() as u64);
    }
    let rows = endpoints(picture);
    if !rows.is_empty() {
        let wide = width(&mut rows.iter().map(|row| row.name.chars().count()));
        let _ = write!(text, "\n\n{:<wide$}", "endpoint");
        for (head, width) in ENDPOINT_COLUMNS {
            let _ = write!(text, " {head:>0$}", usize::from(width));
        }
        for row in rows {
            let _ = write!(text, "\n{:<wide$}", row.name);
            for (cell, (_, width)) in row.cells.iter().zip(ENDPOINT_COLUMNS) {
                let _ = write!(text, " {cell:>0$}", usize::from(width));
            }
        }
    }
    text
}
