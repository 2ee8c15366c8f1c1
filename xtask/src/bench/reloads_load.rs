//! Reloads of a module that changes each time, one right after the other, while calls go through it.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use super::{
    Args,
    load::{Load, Seen},
    reload,
    report::Report,
    stats::Spread,
    swap::Swapped,
};
use crate::{
    failure::{Failure, Result},
    say,
};

/// Measures and writes the table.
///
/// # Errors
/// When the gateway does not come up, refuses a reload, or the load cannot run.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let mut swapped = Swapped::start("reloads-load", report)?;
    let full = swapped.gateway.load(args.connections, args.seconds.min(3)).run()?;
    let dir = report.subdir("reloads-load")?;
    let load = reload::half_load(args, &swapped.gateway, &dir, full)?;
    let mut calm = Vec::new();
    for _ in 0..args.rounds {
        calm.push(load.run()?);
    }
    say::note("undisturbed rounds are done");
    let (disturbed, took) = under_swaps(&mut swapped, &load, args.reloads.div_ceil(2))?;
    let reloads = took.len();
    report.table(
        &format!("{reloads} reloads of a changed module under load"),
        &format!(
            "One reload right after the other, each with a module that was never there, at half of the \
             load that the gateway can bear; every call goes through the module. Gateway and \
             compilation share one core. A reload took {:.0} ms. wrk waits between the answers \
             of a connection.",
            Spread::of(&took)
        ),
        &["", "requests", "failed", "requests/s", "p50 ms", "p99 ms"],
        &[row("undisturbed", &calm), row("reloads", &disturbed)],
    );
    let failed: u64 = disturbed.iter().map(|seen| seen.failed).sum();
    report.goal(&format!("of the calls during {reloads} reloads none fails"), failed, failed == 0);
    Ok(())
}

fn row(what: &str, seen: &[Seen]) -> Vec<String> {
    let spread = |of: fn(&Seen) -> f64| Spread::of(&seen.iter().map(of).collect::<Vec<_>>());
    vec![
        what.to_owned(),
        format!("{:.0}", seen.iter().map(|seen| seen.requests).sum::<f64>()),
        seen.iter().map(|seen| seen.failed).sum::<u64>().to_string(),
        format!("{:.0}", spread(|seen| seen.rate)),
        format!("{:.2}", spread(|seen| seen.p50)),
        format!("{:.2}", spread(|seen| seen.p99)),
    ]
}

/// Rounds of load for as long as the reloads go on; how long each of those took, in milliseconds.
fn under_swaps(swapped: &mut Swapped, load: &Load, reloads: u32) -> Result<(Vec<Seen>, Vec<f64>)> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let rounds = scope.spawn(|| -> Result<Vec<Seen>> {
            let mut seen = Vec::new();
            while !over.load(Relaxed) {
                seen.push(load.run()?);
            }
            Ok(seen)
        });
        let mut swaps = || -> Result<Vec<f64>> {
            let mut took = Vec::new();
            for number in 1..=reloads {
                took.push(swapped.swap()?.as_secs_f64() * 1e3);
                if number % 50 == 0 {
                    say::note(&format!("{number}/{reloads} reloads"));
                }
            }
            Ok(took)
        };
        let took = swaps();
        over.store(true, Relaxed);
        let seen = rounds
            .join()
            .map_err(|_| Failure::Failed("the thread that makes the load panicked".to_owned()))??;
        Ok((seen, took?))
    })
}
