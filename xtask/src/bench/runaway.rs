//! Handlers that compute for ever: how late they are cut, and what others notice.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::{
    Args, conf, cpu,
    http::Client,
    load::{ALL_CORES, Seen},
    peer::Peer,
    report::Report,
    stats::{Spread, hundredth},
};
use crate::{
    failure::{Failure, Result},
    say, tree,
};

/// `limits.cpu` of the handler, in milliseconds.
const LIMIT: f64 = 10.0;
/// Milliseconds of CPU time beyond that in which a runaway must be cut.
const GOAL: f64 = 5.0;
/// Runaways whose end is measured one by one.
const SINGLE: u32 = 500;
/// Between the beginnings of two, where they are paced.
const PACE: Duration = Duration::from_millis(100);

/// What goes on beside the calls of others.
#[derive(Clone, Copy)]
struct Beside {
    name: &'static str,
    /// The API that runaways call.
    path: Option<&'static str>,
    paced: bool,
}

/// Measures and writes the tables.
///
/// # Errors
/// When the gateway does not come up, does not cut a runaway, or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream(report.dir())?;
    let module = tree::target().join("handlers/bench-guest.wasm");
    let ports = conf::Ports::free()?;
    let dir = report.subdir("runaway")?;
    let config = conf::runaways(&dir, ports, upstream.port, &module, LIMIT)?;
    single(&Peer::gateway_on(ALL_CORES, "runaway", &config, ports)?, report)?;
    others(args, &Peer::gateway("runaway", &config, ports)?, report)
}

/// Runaways on a gateway that does nothing else.
fn single(gateway: &Peer, report: &mut Report) -> Result<()> {
    let mut client = Client::connect(gateway.port)?;
    let (mut computed, mut waited) = (Vec::new(), Vec::new());
    for number in 0..SINGLE + 20 {
        let before = gateway.thread_times()?;
        let began = Instant::now();
        cut(&mut client, "/always")?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        let used = cpu::most(&before, &gateway.thread_times()?) * 1e3;
        // The first ones touch pages for the first time.
        if number >= 20 {
            computed.push(used);
            waited.push(took);
        }
    }
    let row = |what: &str, times: &[f64]| {
        let at = |hundredths| format!("{:.2}", hundredth(times, hundredths));
        vec![what.to_owned(), at(50), at(99), at(100)]
    };
    report.table(
        "A runaway's end",
        &format!(
            "{SINGLE} calls of a handler that loops for ever, `limits.cpu` {LIMIT} ms, one after the other on \
             a gateway with one worker on an idle machine. CPU time is that of the worker from \
             the request to its answer, so the rest of the call is in it."
        ),
        &["ms", "p50", "p99", "most"],
        &[row("CPU time of the worker", &computed), row("until the answer", &waited)],
    );
    let late = hundredth(&computed, 100) - LIMIT;
    report.goal(
        "a runaway is cut at most 5 ms of CPU time after its limit",
        format!("{late:.2} ms"),
        late <= GOAL,
    );
    Ok(())
}

/// Others' calls, with and without runaways beside them.
fn others(args: &Args, gateway: &Peer, report: &mut Report) -> Result<()> {
    let beside = |name, path, paced| Beside { name, path, paced };
    let modes = [
        beside("no runaways", None, false),
        beside("10 runaways a second, breaker off", Some("/always"), true),
        beside("a runaway always, breaker off", Some("/always"), false),
        beside("a runaway always, breaker as by default", Some("/broken"), false),
    ];
    let mut all: Vec<(Vec<Seen>, u64)> = modes.iter().map(|_| (Vec::new(), 0)).collect();
    for round in 1..=args.rounds {
        for (mode, (seen, ran)) in modes.iter().zip(&mut all) {
            let (round, cut) = with_runaways(args, gateway, *mode)?;
            seen.push(round);
            *ran += cut;
        }
        say::note(&format!("round {round}/{}", args.rounds));
    }
    let rows: Vec<Vec<String>> = modes
        .iter()
        .zip(&all)
        .map(|(mode, (seen, ran))| {
            let spread =
                |of: fn(&Seen) -> f64| Spread::of(&seen.iter().map(of).collect::<Vec<_>>());
            vec![
                mode.name.to_owned(),
                ran.to_string(),
                format!("{:.0}", spread(|seen| seen.rate)),
                format!("{:.2}", spread(|seen| seen.p50)),
                format!("{:.2}", spread(|seen| seen.p99)),
                seen.iter().map(|seen| seen.failed).sum::<u64>().to_string(),
            ]
        })
        .collect();
    report.table(
        "Others beside runaways",
        &format!(
            "{} interleaved rounds of {} s, {} connections to an API with a WASM handler of its own, on \
             a gateway with a single worker, on one core: what a runaway holds, all others wait for. Runaways \
             come from one client that waits for each answer.",
            args.rounds, args.seconds, args.connections
        ),
        &["beside", "runaways that ran", "requests/s", "p50 ms", "p99 ms", "failed"],
        &rows,
    );
    let failed: u64 = all.iter().flat_map(|(seen, _)| seen).map(|seen| seen.failed).sum();
    report.goal("no call of others fails beside runaways", failed, failed == 0);
    Ok(())
}

/// A round of others' calls; how many runaways were cut meanwhile.
fn with_runaways(args: &Args, gateway: &Peer, beside: Beside) -> Result<(Seen, u64)> {
    let load = gateway.load(args.connections, args.seconds);
    let Some(path) = beside.path else { return Ok((load.run()?, 0)) };
    let over = AtomicBool::new(false);
    let before = timeouts(gateway)?;
    let seen = thread::scope(|scope| {
        let runaways = scope.spawn(|| -> Result<()> {
            let mut client = Client::connect(gateway.port)?;
            while !over.load(Relaxed) {
                let began = Instant::now();
                cut(&mut client, path)?;
                if beside.paced {
                    thread::sleep(PACE.saturating_sub(began.elapsed()));
                }
            }
            Ok(())
        });
        let seen = load.run();
        over.store(true, Relaxed);
        runaways
            .join()
            .map_err(|_| Failure::Failed("the thread of runaways panicked".to_owned()))??;
        seen
    })?;
    Ok((seen, timeouts(gateway)? - before))
}

/// How many runaways the gateway has cut. What an open breaker refuses does not run at all.
fn timeouts(gateway: &Peer) -> Result<u64> {
    let metrics = Client::connect(gateway.admin.unwrap_or_default())?.ask("GET", "/metrics", "")?;
    let lines = metrics.body.lines();
    let counts = lines.filter_map(|line| {
        let (_, count) = line.strip_prefix("paifang_wasm_timeouts_total{")?.rsplit_once(' ')?;
        count.parse::<u64>().ok()
    });
    Ok(counts.sum())
}

/// One call that loops, to the answer that says so.
fn cut(client: &mut Client, path: &str) -> Result<()> {
    match client.ask("GET", path, "x-runaway: 1\r\n")?.status {
        503 => Ok(()),
        status => Err(Failure::Failed(format!("a runaway was answered with {status}"))),
    }
}
