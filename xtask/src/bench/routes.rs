//! What a large config costs each call: instructions per route lookup, and CPU per request.

use std::process::Command;

use super::{Args, build, conf, peer::Peer, proxy, report::Report, stats::Spread};
use crate::{
    failure::{Failure, Result},
    run, say, tree,
};

/// How many APIs a gateway has.
const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// What a lookup among 100,000 may cost over one among 10.
const GOAL: f64 = 1.1;

/// Measures and writes the table.
///
/// # Errors
/// When callgrind, a gateway or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    build::route_lookup()?;
    let mut instructions = Vec::new();
    for size in SIZES {
        let count = instructions_per_lookup(report, size)?;
        say::note(&format!("{size} APIs: {count:.0} instructions a lookup"));
        instructions.push(count);
    }

    let upstream = Peer::upstream(report.dir())?;
    let mut peers = Vec::new();
    for size in SIZES {
        let dir = report.subdir(&format!("routes-{size}"))?;
        let ports = conf::Ports::free()?;
        let config = conf::many_apis(&dir, ports, upstream.port, size)?;
        let mut peer = Peer::gateway(&format!("{size} APIs"), &config, ports)?;
        peer.script = Some(conf::path_script(&dir, size)?);
        peers.push(peer);
    }
    let rounds = proxy::rounds(args, &peers)?;
    let cpu: Vec<Vec<f64>> =
        rounds.iter().map(|rounds| rounds.iter().map(|round| round.cpu).collect()).collect();

    let mut rows = Vec::new();
    for (i, peer) in peers.iter().enumerate() {
        rows.push(vec![
            peer.name.clone(),
            format!("{:.0}", instructions[i]),
            format!("{:.2}", instructions[i] / instructions[0]),
            Spread::of(&cpu[i]).to_string(),
            format!("{:.2}", Spread::of_ratios(&cpu[i], &cpu[0])),
            format!("{:.0}", peer.resident()?),
        ]);
    }
    report.table(
        "Route lookup",
        "Instructions by callgrind: two runs that differ only in their number of lookups. CPU per \
         request as above, every call to another API.",
        &["", "instructions", "x 10 APIs", "CPU µs", "x 10 APIs", "MiB"],
        &rows,
    );
    let ratio = instructions[2] / instructions[0];
    report.goal(
        "a lookup among 100,000 costs at most 1.1 x the instructions of one among 10",
        format!("{ratio:.2}"),
        ratio <= GOAL,
    );
    Ok(())
}

/// Two runs, so that building the table and starting the program cancel out.
fn instructions_per_lookup(report: &Report, apis: usize) -> Result<f64> {
    const FEW: u32 = 10_000;
    const MANY: u32 = 60_000;
    let few = instructions(report, apis, FEW)?;
    let many = instructions(report, apis, MANY)?;
    Ok((many - few) / f64::from(MANY - FEW))
}

fn instructions(report: &Report, apis: usize, lookups: u32) -> Result<f64> {
    let out = report.dir().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(tree::example("release", "route_lookup"));
    command.args([apis.to_string(), lookups.to_string()]);
    let output = run::captured(&mut command)?;
    // A lookup that finds nothing may be cheaper, and is not what is measured.
    let all_found = output.text.contains(&format!("{lookups} of {lookups} found"));
    collected(&output.text)
        .filter(|_| output.success && all_found)
        .ok_or_else(|| Failure::Failed(format!("{}:\n{}", run::line(&command), output.text)))
}

/// Callgrind's closing line, `==7== Collected : 123456`.
fn collected(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_says_what_it_collected() {
        assert_eq!(collected("==7== \n==7== Collected : 1234\n==7==\n"), Some(1234.0));
        assert_eq!(collected("==7== Collected : "), None);
        assert_eq!(collected("valgrind: no such program"), None);
    }
}
