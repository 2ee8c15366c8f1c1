//! Three times as many calls as the servers behind the gateway can answer: how many are answered all the
//! same, and how long those take, with the upstream's `limits` and without.
//!
//! The upstream is what is overloaded: a server on a core of its own that works hard for each answer. The
//! gateway refuses what is too much, at a small part of what a call costs.

use super::{
    Args,
    conf::{self, OneApi},
    open_loop::{Offer, Outcome},
    peer::Peer,
    report::Report,
    stats::Spread,
};
use crate::failure::{Failure, Result};

/// The share of its capacity that must be answered at three times as much.
const GOODPUT: f64 = 0.9;
/// How many times the capacity is offered.
const TIMES: f64 = 3.0;
/// Calls at once with which the capacity is found, as many as `limits` lets through.
const AT_ONCE: u32 = 8;
/// Seconds of load that are not looked at.
const WARM_UP: u32 = 2;

/// What the gateway holds back: 8 calls at the server, 16 that wait for up to 100 ms.
const LIMITS: &str =
    ", limits: { total_requests: 8, pending: 16, pending_timeout: 100ms }, retry: { attempts: 1 }";

/// Measures and writes the table.
///
/// # Errors
/// When a peer or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    let upstream = Peer::upstream_of(report.dir(), &conf::nginx_slow())?;
    let gateway = |name: &str, limits: &str| -> Result<Peer> {
        let ports = conf::Ports::free()?;
        let api = OneApi { upstream: limits, ..OneApi::default() };
        let dir = report.subdir(&name.replace([',', ' '], "-"))?;
        Peer::gateway(name, &api.write(&dir, ports, upstream.port)?, ports)
    };
    let bounded = gateway("overload, limits", LIMITS)?;
    let open = gateway("overload, no limits", ", retry: { attempts: 1 }")?;
    let mut capacity = Vec::new();
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let seen = bounded.load(AT_ONCE, args.seconds).run()?;
        if seen.failed > 0 {
            return Err(Failure::Failed(format!("{} calls failed without overload", seen.failed)));
        }
        capacity.push(seen.rate);
        let offer = |peer: &Peer| {
            let (port, rate) = (peer.port, seen.rate * TIMES);
            Offer { port, rate, seconds: args.seconds, warm_up: WARM_UP }.run()
        };
        with.push(offer(&bounded)?);
        without.push(offer(&open)?);
    }
    write(report, args, &capacity, &with, &without);
    Ok(())
}

fn write(
    report: &mut Report,
    args: &Args,
    capacity: &[f64],
    with: &[Outcome],
    without: &[Outcome],
) {
    let spread = |of: &[Outcome], value: fn(&Outcome) -> f64| {
        Spread::of(&of.iter().map(value).collect::<Vec<_>>())
    };
    let row = |name: &str, of: &[Outcome]| {
        let good: Vec<f64> = of.iter().map(|outcome| outcome.good).collect();
        vec![
            name.to_owned(),
            format!("{:.0}", spread(of, |outcome| outcome.offered)),
            format!("{:.0}", spread(of, |outcome| outcome.good)),
            format!("{:.2}", Spread::of_ratios(&good, capacity)),
            format!("{:.1}", spread(of, |outcome| outcome.p50)),
            format!("{:.1}", spread(of, |outcome| outcome.p99)),
        ]
    };
    let how = format!(
        "Capacity: {:.0} answers a second with {AT_ONCE} calls at once. {} rounds of {} s; calls \
         at random times whatever became of those before, each timed from when it was due. Median (least–greatest).",
        Spread::of(capacity),
        args.rounds,
        args.seconds
    );
    report.table(
        "Three times the capacity of the upstream",
        &how,
        &["upstream", "calls/s", "answered/s", "x capacity", "p50 ms", "p99 ms"],
        &[row("with `limits`", with), row("without", without)],
    );
    let good: Vec<f64> = with.iter().map(|outcome| outcome.good).collect();
    let ratio = Spread::of_ratios(&good, capacity);
    report.goal(
        "at three times the capacity at least 0.9 of it are answered",
        format!("{ratio:.2}"),
        ratio.median >= GOODPUT,
    );
}
