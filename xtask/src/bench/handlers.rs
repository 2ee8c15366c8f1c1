//! Handlers in WebAssembly: what a call of one costs, and what the gateway pays for a throttle that is
//! one, against its native twin.

use std::process::Command;

use super::{
    Args,
    conf::{self, OneApi},
    peer::Peer,
    proxy::rounds,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// What the WASM throttle may cost the gateway over the native one.
const AGAINST_NATIVE: f64 = 1.05;
/// Goals of cases of `bench-guest`, in microseconds: the 50th and the 99th percentile.
const GOALS: [(&str, &str, f64, f64); 5] = [
    ("one header read, one set", "fresh instance", 10.0, 40.0),
    (
        "request with 8 headers, response and log; one header set in each of the first two",
        "reused instance",
        2.0,
        f64::MAX,
    ),
    ("60 headers set", "reused instance", 15.0, f64::MAX),
    ("60 headers set", "fresh instance", 15.0, f64::MAX),
    ("a key looked up, an identity set", "reused instance", 3.0, f64::MAX),
];
/// Calls of each case.
const CALLS: &str = "100000";

/// Measures and writes the tables.
///
/// # Errors
/// When the handlers cannot be built, the gateway does not come up, or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    calls(report)?;
    throttles(args, report)
}

/// `paifang handler bench` on a guest that does little.
fn calls(report: &mut Report) -> Result<()> {
    let module = tree::target().join("handlers/bench-guest.wasm");
    let cases = tree::root().join("wasm-handlers/bench-guest/cases.yaml");
    let mut command = Command::new(tree::binary("release", "paifang"));
    command.args(["handler", "bench"]).arg(module);
    command.arg("--cases").arg(cases).args(["--calls", CALLS]);
    let output = run::captured(&mut command)?;
    if !output.success {
        return Err(Failure::Failed(format!("{}:\n{}", run::line(&command), output.text)));
    }
    let mut rows = Vec::new();
    let mut case = String::new();
    for line in output.text.lines() {
        match line.strip_prefix("  ") {
            None => line.clone_into(&mut case),
            Some(timing) => {
                let (instance, times) = timing.split_once("  ").unwrap_or((timing, ""));
                rows.push(vec![case.clone(), instance.to_owned(), times.trim().to_owned()]);
            }
        }
    }
    report.table(
        "A call of a WASM handler",
        &format!(
            "`paifang handler bench`, {CALLS} calls of each case, all its stages together, the \
             making of records and the checking of verdicts included."
        ),
        &["case", "instance", "time"],
        &rows,
    );
    goals(report, &rows)
}

/// Each goal against its row of the table.
fn goals(report: &mut Report, rows: &[Vec<String>]) -> Result<()> {
    for (case, instance, half, most) in GOALS {
        let row = rows.iter().find(|row| row[0] == case && row[1] == instance);
        let times = row.and_then(|row| Some((micros(&row[2], "p50")?, micros(&row[2], "p99")?)));
        let Some((p50, p99)) = times else {
            return Err(Failure::Failed(format!("no time of `{case}`, {instance}")));
        };
        let (bound, found) = match most == f64::MAX {
            true => (format!("{half} µs"), format!("{p50:.2} µs")),
            false => {
                (format!("{half} µs, of 99 in 100 {most} µs"), format!("{p50:.2} µs, {p99:.2} µs"))
            }
        };
        let what = format!("{case}, {instance}: half of the calls take at most {bound}");
        report.goal(&what, found, p50 <= half && p99 <= most);
    }
    Ok(())
}

/// The number behind a name, as in `p50     1.18 µs   p99     1.32 µs`.
fn micros(times: &str, name: &str) -> Option<f64> {
    let mut words = times.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// The same limit by the native plugin and by the handler in `wasm-handlers/throttle`.
fn throttles(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    let module = tree::target().join("handlers/throttle.wasm");
    let module = module.display();
    let gateway = |name: &str, wasm: &str, handlers: &str| -> Result<Peer> {
        let ports = conf::Ports::free()?;
        let dir = report.subdir(name)?;
        let config = OneApi { sections: wasm, handlers, ..OneApi::default() }.write(
            &dir,
            ports,
            upstream.port,
        )?;
        Peer::gateway(name, &config, ports)
    };
    let entry = |reuse: u32| {
        format!("wasm:\n  quota: {{ file: \"{module}\", grants: [ clock, kv ], reuse: {reuse} }}\n")
    };
    let quota = "quota: { by: client_ip, rate: 1000000/s, burst: 1000000 }";
    let peers = [
        gateway("native", "", "throttle: { rate: 1000000/s, burst: 1000000, by: client_ip }")?,
        gateway("reused", &entry(1_000_000), quota)?,
        gateway("fresh", &entry(0), quota)?,
    ];
    let all = rounds(args, &peers)?;
    let cpu = |at: usize| -> Vec<f64> { all[at].iter().map(|round| round.cpu).collect() };
    let native = cpu(0);
    let names = ["the native plugin", "WASM, instances reused", "WASM, a fresh one for each call"];
    let rows: Vec<Vec<String>> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let ratio = Spread::of_ratios(&cpu(at), &native);
            vec![(*name).to_owned(), Spread::of(&cpu(at)).to_string(), format!("{ratio:.2}")]
        })
        .collect();
    report.table(
        "A throttle, native and in WASM",
        "CPU of the gateway per proxied request, interleaved rounds as above. Median (least–greatest).",
        &["throttle", "CPU µs", "x native"],
        &rows,
    );
    let ratio = Spread::of_ratios(&cpu(1), &native);
    report.goal(
        "the WASM throttle costs at most 1.05 x its native twin, instances reused",
        format!("{ratio:.2}"),
        ratio.median <= AGAINST_NATIVE,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_by_their_name() {
        let times = "p50     1.18 µs   p99    11.32 µs";
        assert_eq!((micros(times, "p50"), micros(times, "p99")), (Some(1.18), Some(11.32)));
        assert_eq!(micros(times, "p90"), None);
    }
}
