//! A reload every second while half of the load that the gateway can bear goes on: failed requests,
//! and the slowest hundredth against an undisturbed run.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{
    Args, conf,
    load::{Load, Seen},
    peer::Peer,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    run, say, tree,
};

/// How many APIs the gateway has.
const APIS: usize = 1_000;
/// Milliseconds that reloads may add to the slowest hundredth.
const GOAL: f64 = 1.0;

/// Measures and writes the table.
///
/// # Errors
/// When the gateway does not come up, refuses a reload, or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    let dir = report.subdir("reload")?;
    let ports = conf::Ports::free()?;
    let config = conf::many_apis(&dir, ports, upstream.port, APIS)?;
    let mut gateway = Peer::gateway("reloads", &config, ports)?;
    gateway.script = Some(conf::path_script(&dir, APIS)?);

    let full = gateway.load(args.connections, args.seconds.min(3)).run()?;
    let half = half_load(args, &gateway, &dir, full)?;
    let (mut calm, mut disturbed) = (Vec::new(), Vec::new());
    let mut reloads = 0;
    for number in 1..=args.rounds {
        calm.push(half.run()?);
        let (seen, count) = under_reloads(&gateway, &half, &dir, number)?;
        disturbed.push(seen);
        reloads += count;
        say::note(&format!("round {number}/{}: {count} reloads", args.rounds));
    }
    let row = |what: &str, seen: &[Seen]| {
        let p99: Vec<f64> = seen.iter().map(|seen| seen.p99).collect();
        let rate: Vec<f64> = seen.iter().map(|seen| seen.rate).collect();
        let requests: f64 = seen.iter().map(|seen| seen.requests).sum();
        let failed: u64 = seen.iter().map(|seen| seen.failed).sum();
        vec![
            what.to_owned(),
            format!("{requests:.0}"),
            failed.to_string(),
            format!("{:.0}", Spread::of(&rate)),
            format!("{:.2}", Spread::of(&p99)),
        ]
    };
    report.table(
        "A reload every second at half load",
        &format!(
            "{APIS} APIs, {reloads} reloads, each with a changed file. wrk waits between the answers \
             of a connection, so times are of answers, not of a fixed schedule."
        ),
        &["", "requests", "failed", "requests/s", "p99 ms"],
        &[row("undisturbed", &calm), row("a reload every second", &disturbed)],
    );
    let failed: u64 = disturbed.iter().map(|seen| seen.failed).sum();
    report.goal("no request fails", failed, failed == 0);
    let p99 = |seen: &[Seen]| Spread::of(&seen.iter().map(|s| s.p99).collect::<Vec<_>>()).median;
    let added = p99(&disturbed) - p99(&calm);
    report.goal("p99 grows by at most 1 ms", format!("{added:.2} ms"), added <= GOAL);
    Ok(())
}

/// wrk has no fixed rate, but its connections can rest before each request: `c` of them, each with
/// a cycle of rest and answer of `t`, make `c / t` requests. How long an answer takes at half load
/// shows only there, so the rest is set twice.
///
/// # Errors
/// When the load fails.
pub(crate) fn half_load(args: &Args, gateway: &Peer, dir: &Path, full: Seen) -> Result<Load> {
    let cycle = |rate: f64| f64::from(args.connections) / rate * 1_000.0;
    let wanted = cycle(full.rate / 2.0);
    let mut rest = wanted;
    let mut load = gateway.load(args.connections, 2);
    for _ in 0..2 {
        load.script = Some(conf::resting_script(dir, APIS, rest)?);
        rest = (rest + wanted - cycle(load.run()?.rate)).max(0.0);
    }
    load.script = Some(conf::resting_script(dir, APIS, rest)?);
    load.seconds = args.seconds;
    Ok(load)
}

fn under_reloads(gateway: &Peer, load: &Load, dir: &Path, round: u32) -> Result<(Seen, u32)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reloads = scope.spawn(|| -> Result<u32> {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                count += 1;
                conf::api_file(dir, 500, APIS, round * 1_000 + count)?;
                reload(gateway)?;
                thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
            }
            Ok(count)
        });
        let seen = load.run();
        over.store(true, Ordering::Relaxed);
        let count = reloads
            .join()
            .map_err(|_| Failure::Failed("the thread that reloads panicked".to_owned()))??;
        Ok((seen?, count))
    })
}

/// One `paifang reload`, to its end.
///
/// # Errors
/// When the gateway refuses it.
pub(crate) fn reload(gateway: &Peer) -> Result<()> {
    let admin = format!("127.0.0.1:{}", gateway.admin.unwrap_or_default());
    let mut command = Command::new(tree::binary("release", "paifang"));
    command.args(["reload", "--admin", &admin]);
    let output = run::captured(&mut command)?;
    if output.success {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{}:\n{}", run::line(&command), output.text)))
    }
}
