//! One fleet over the link, and what its report says.

use std::path::Path;

use serde_json::Value;

use super::{
    PORT,
    link::{SERVER_ADDRESS, Spaces},
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Clients of a fleet: few, for they share the link.
pub(super) const CLIENTS: u32 = 4;

/// Whose calls are measured.
pub(super) struct Case {
    pub(super) name: &'static str,
    protocol: &'static str,
    words: &'static [&'static str],
}

/// A new connection for each call, with nothing remembered.
const COLD: &[&str] = &["--calls-per-connection", "1", "--cold"];
/// A new connection for each call, with the session of TLS that is remembered.
const BACK: &[&str] = &["--calls-per-connection", "1"];
/// One connection for all calls.
const KEPT: &[&str] = &[];

/// In the order in which a round takes them.
pub(super) const CASES: [Case; 6] = [
    Case { name: "h1, cold", protocol: "h1", words: COLD },
    Case { name: "h1, back", protocol: "h1", words: BACK },
    Case { name: "h1, kept", protocol: "h1", words: KEPT },
    Case { name: "h2, cold", protocol: "h2", words: COLD },
    Case { name: "h2, back", protocol: "h2", words: BACK },
    Case { name: "h2, kept", protocol: "h2", words: KEPT },
];

/// What a fleet has seen; times in ms.
pub(super) struct Seen {
    pub(super) mean: f64,
    pub(super) p99: f64,
    pub(super) ok: f64,
    /// Failed and lost calls.
    pub(super) bad: f64,
    /// On the wire a call, both ways, with its share of connecting.
    pub(super) bytes: f64,
}

/// Runs a fleet for so long.
pub(super) fn run(
    case: &Case,
    round: u32,
    seconds: u32,
    dir: &Path,
    spaces: &Spaces,
) -> Result<Seen> {
    let report = dir.join("fleet.json");
    let _gone = std::fs::remove_file(&report);
    let mut command = spaces.in_client(&tree::binary("release", "paifang"));
    command.args(["fleet", "--insecure", "--target", &format!("https://{SERVER_ADDRESS}:{PORT}")]);
    command.args(["--protocol", case.protocol, "--clients", &CLIENTS.to_string()]);
    command.args(["--ramp", "1s", "--think", "200ms..800ms", "--timeout", "60s"]);
    command.args(["--duration", &format!("{seconds}s"), "--seed", &round.to_string()]);
    command.args(["--path", "/v1/orders", "-H", "content-type: application/json"]);
    command.args(["-d", r#"{"shop":"7","items":[{"sku":"A-1001","count":2}],"pay":"card"}"#]);
    command.args(case.words).arg("--report").arg(&report);
    // A network that loses calls is no reason to end: they are counted.
    let output = run::captured(&mut command)?;
    let text = tree::read(&report)
        .map_err(|_| Failure::Failed(format!("{}: no report: {}", case.name, output.text)))?;
    seen(&text).ok_or_else(|| Failure::Failed(format!("{}: not a report: {text}", case.name)))
}

fn seen(report: &str) -> Option<Seen> {
    let report: Value = serde_json::from_str(report).ok()?;
    let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let ok = number("/calls/ok")?;
    let bad = number("/calls/failed")? + number("/calls/lost")?;
    Some(Seen {
        mean: number("/latency_ms/mean")?,
        p99: number("/latency_ms/p99")?,
        bytes: (number("/bytes/up")? + number("/bytes/down")?) / (ok + bad).max(1.0),
        ok,
        bad,
    })
}

#[cfg(test)]
mod tests {
    use super::seen;

    #[test]
    fn a_report_is_read() {
        let report = r#"{"calls":{"ok":8,"failed":1,"lost":1},"latency_ms":{"mean":2.5,"p99":9.0},
            "bytes":{"up":100,"down":300}}"#;
        let read = seen(report).unwrap();
        assert_eq!(
            (read.mean, read.p99, read.ok, read.bad, read.bytes),
            (2.5, 9.0, 8.0, 2.0, 40.0)
        );
        assert!(seen("{}").is_none());
    }
}
