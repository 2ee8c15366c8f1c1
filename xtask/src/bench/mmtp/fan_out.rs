//! A message to many connections: what it costs beside bare write calls, and where several wait for each connection.

use std::process::Command;

use super::super::{Args, report::Report, stats::Spread};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Connections.
const COUNT: u32 = 9_000;
/// What one message each may cost beside a bare write.
const BESIDE_BARE: f64 = 1.3;
/// Nanoseconds a message where several wait: a million a second and core.
const COALESCED_NS: f64 = 1000.0;

pub(super) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let modes = ["bare", "one", "sixteen"];
    let mut seen = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (mode, seen) in modes.iter().zip(&mut seen) {
            let mut command = Command::new(tree::example("release", "fan_out"));
            let output = run::captured(command.arg(mode).arg(COUNT.to_string()))?;
            let nanos = output.text.trim().parse::<f64>().ok().filter(|_| output.success);
            let failed = || Failure::Failed(format!("{}:\n{}", run::line(&command), output.text));
            seen.push(nanos.ok_or_else(failed)?);
        }
    }
    let [bare, one, sixteen] = &seen;
    let row = |name: &str, nanos: &[f64]| {
        let rates: Vec<f64> = nanos.iter().map(|nanos| 1e3 / nanos).collect();
        vec![
            name.to_owned(),
            format!("{:.0}", Spread::of(nanos)),
            format!("{:.2}", Spread::of(&rates)),
            format!("{:.2}", Spread::of_ratios(nanos, bare)),
        ]
    };
    report.table(
        "A message of 100 bytes to many connections",
        &format!(
            "{COUNT} greeted connections in plain text over loopback, a server of one thread, CPU time of that thread (the \
             kernel's part in it, its clients another process); the message is encoded once, its bytes are shared. `bare` writes the same frame to as many plain sockets.",
        ),
        &["what", "CPU ns a message", "million a second and core", "x bare"],
        &[
            row("a bare write each", bare),
            row("one message each", one),
            row("sixteen wait for each", sixteen),
        ],
    );
    let beside = Spread::of_ratios(one, bare);
    let what = format!("one message each costs at most {BESIDE_BARE} x a bare write");
    report.goal(&what, format!("{beside:.2}"), beside.median <= BESIDE_BARE);
    let each = Spread::of(sixteen);
    let what = "a million messages a second and core where sixteen wait for each";
    report.goal(what, format!("{each:.0} ns"), each.median <= COALESCED_NS);
    Ok(())
}
