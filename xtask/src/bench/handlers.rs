//! Handlers in WebAssembly: what a call of one costs, and what the gateway pays for a throttle that is
//! one, against its native twin.

use std::process::Command;

use super::{Args, conf, peer::Peer, proxy::rounds, report::Report, stats::Spread};
use crate::{
    failure::{Failure, Result},
    handlers, run, tree,
};

/// What the WASM throttle may cost the gateway over the native one.
const AGAINST_NATIVE: f64 = 1.05;
/// Calls of each case.
const CALLS: &str = "100000";

/// Measures and writes the tables.
///
/// # Errors
/// When the handlers cannot be built, the gateway does not come up, or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    handlers::ready()?;
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
    Ok(())
}

/// The same limit by the native plugin and by the handler in `wasm-handlers/throttle`.
fn throttles(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    let module = tree::target().join("handlers/throttle.wasm");
    let module = module.display();
    let gateway = |name: &str, wasm: &str, handlers: &str| -> Result<Peer> {
        let ports = conf::Ports::free()?;
        let dir = report.subdir(name)?;
        let config = conf::one_api_of(&dir, ports, upstream.port, wasm, handlers)?;
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
