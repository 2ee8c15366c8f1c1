//! One fleet over the link, and what its report says.

use std::path::Path;

use serde_json::Value;

use super::{
    super::figure::figure,
    PORT,
    link::{SERVER_ADDRESS, Spaces},
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Clients of a fleet: few, for they share the link.
pub(super) const CLIENTS: u32 = 4;

/// How clients come to their connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coming {
    /// A new connection for each call, with nothing remembered.
    Cold,
    /// A new connection for each call, with the session of TLS that is remembered.
    Back,
    /// One connection for all calls, for as long as it lives.
    Kept,
}

impl Coming {
    pub(super) const ALL: [Self; 3] = [Self::Cold, Self::Back, Self::Kept];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Back => "back",
            Self::Kept => "kept",
        }
    }

    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Cold => &["--calls-per-connection", "1", "--cold"],
            Self::Back => &["--calls-per-connection", "1"],
            Self::Kept => &[],
        }
    }
}

/// What clients speak, in the order in which a round takes them.
pub(super) const PROTOCOLS: [&str; 3] = ["h1", "h2", "mmtp"];

/// Whose calls are measured.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) protocol: &'static str,
    pub(super) coming: Coming,
}

impl Case {
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.protocol, self.coming.label())
    }
}

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
    match case.protocol {
        "mmtp" => command.args(["--call", "quotes.get", "--idempotent"]),
        _ => command.args(["--path", "/v1/quotes"]),
    };
    command.args(["-H", "content-type: application/json"]);
    command.args(["-d", r#"{"shop":"7","items":[{"sku":"A-1001","count":2}],"pay":"card"}"#]);
    command.args(case.coming.words()).arg("--report").arg(&report);
    // A network that loses calls is no reason to end: they are counted.
    let output = run::captured(&mut command)?;
    let told = std::fs::read(&report).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let without = || Failure::Failed(format!("{}: no report: {}", case.name(), output.text));
    seen(&told.ok_or_else(without)?)
}

fn seen(report: &Value) -> Result<Seen> {
    let number = |pointer: &str| figure(report, pointer);
    let ok = number("/calls/ok")?;
    let bad = number("/calls/failed")? + number("/calls/lost")?;
    Ok(Seen {
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
        let report = serde_json::json!({ "calls": { "ok": 8, "failed": 1, "lost": 1 },
            "latency_ms": { "mean": 2.5, "p99": 9.0 }, "bytes": { "up": 100, "down": 300 } });
        let read = seen(&report).unwrap();
        assert_eq!(
            (read.mean, read.p99, read.ok, read.bad, read.bytes),
            (2.5, 9.0, 8.0, 2.0, 40.0)
        );
        assert!(seen(&serde_json::json!({})).is_err());
    }
}
