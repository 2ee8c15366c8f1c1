//! The load: wrk on the second core, and what it says.

use std::{path::PathBuf, process::Command};

use crate::{
    failure::{Failure, Result},
    run, setup,
};

/// A load on one port.
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// Sent with each request, `name: value`.
    pub(crate) headers: Vec<String>,
    /// A wrk script that chooses paths or delays.
    pub(crate) script: Option<PathBuf>,
}

/// What a load saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Answers that came.
    pub(crate) requests: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    /// Milliseconds that half of the answers took at most.
    pub(crate) p50: f64,
    /// Milliseconds that 99 of 100 answers took at most.
    pub(crate) p99: f64,
    /// Answers that were not 2xx or 3xx, and connections that failed, broke or timed out.
    pub(crate) failed: u64,
}

impl Load {
    /// Runs the load to its end.
    ///
    /// # Errors
    /// When wrk cannot run or prints what is not understood.
    pub(crate) fn run(&self) -> Result<Seen> {
        let wrk = setup::find("wrk").unwrap_or_else(|| "wrk".into());
        let mut command = Command::new("taskset");
        command.args(["-c", LOAD_CORE]).arg(wrk).args(["--latency", "-t1"]);
        command.args([format!("-c{}", self.connections), format!("-d{}s", self.seconds)]);
        for header in &self.headers {
            command.args(["-H", header]);
        }
        if let Some(script) = &self.script {
            command.arg("-s").arg(script);
        }
        command.arg(format!("http://127.0.0.1:{}/", self.port));
        let output = run::captured(&mut command)?;
        Seen::read(&output.text)
            .filter(|_| output.success)
            .ok_or_else(|| Failure::Failed(format!("{}:\n{}", run::line(&command), output.text)))
    }
}

/// The core that load and upstream share.
pub(crate) const LOAD_CORE: &str = "1";
/// The core that the proxy has for itself.
pub(crate) const PROXY_CORE: &str = "0";
/// Both, where nothing else runs.
pub(crate) const ALL_CORES: &str = "0,1";

impl Seen {
    fn read(text: &str) -> Option<Self> {
        let mut seen = Self { requests: 0.0, rate: 0.0, p50: 0.0, p99: 0.0, failed: 0 };
        for line in text.lines().map(str::trim) {
            if let Some((count, _)) = line.split_once(" requests in ") {
                seen.requests = count.parse().ok()?;
            } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
                seen.rate = rate.trim().parse().ok()?;
            } else if let Some(time) = line.strip_prefix("50%") {
                seen.p50 = milliseconds(time.trim())?;
            } else if let Some(time) = line.strip_prefix("99%") {
                seen.p99 = milliseconds(time.trim())?;
            } else if let Some(count) = line.strip_prefix("Non-2xx or 3xx responses:") {
                seen.failed += count.trim().parse::<u64>().ok()?;
            } else if let Some(counts) = line.strip_prefix("Socket errors:") {
                let counts = counts.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
                seen.failed += counts.sum::<u64>();
            }
        }
        (seen.requests > 0.0).then_some(seen)
    }
}

/// wrk's `850.00us`, `1.20ms`, `2.00s`, `1.10m`.
fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 4s test @ http://127.0.0.1:8080/\n  1 threads and 64 connections\n  \
        Thread Stats   Avg      Stdev     Max   +/- Stdev\n    Latency     1.55ms  400.00us  12.00ms   90.00%\n  \
        Latency Distribution\n     50%    1.40ms\n     99%  850.00us\n  \
        81234 requests in 4.00s, 20.11MB read\n  \
        Socket errors: connect 1, read 2, write 0, timeout 3\n  \
        Non-2xx or 3xx responses: 4\nRequests/sec:  20308.50\nTransfer/sec:      5.03MB\n";

    #[test]
    fn every_kind_of_failure_counts() {
        let seen = Seen { requests: 81234.0, rate: 20308.5, p50: 1.4, p99: 0.85, failed: 10 };
        assert_eq!(Seen::read(OUTPUT), Some(seen));
    }

    #[test]
    fn no_answer_is_no_measure() {
        assert_eq!(Seen::read("unable to connect to 127.0.0.1:8080 Connection refused"), None);
    }

    #[test]
    fn times_in_all_of_its_units() {
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
        assert_eq!(milliseconds("1.50m"), Some(90_000.0));
        assert_eq!(milliseconds("3 days"), None);
    }
}
