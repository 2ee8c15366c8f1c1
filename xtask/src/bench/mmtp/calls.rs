//! A small call over MMTP and over HTTP/2, through the same gateway and API.

use super::{
    super::{Args, figure::figure, report::Report, stats::Spread},
    gateway::Kit,
};
use crate::failure::{Failure, Result};

/// Calls per CPU second, of what HTTP/2 has.
const BETTER: f64 = 1.5;

/// What a round has seen, a call.
struct Seen {
    cpu_us: f64,
    bytes: f64,
    rate: f64,
}

pub(super) fn measure(args: &Args, kit: &Kit, report: &mut Report) -> Result<()> {
    let gateway = kit.gateway("calls")?;
    let clients = args.connections.to_string();
    let duration = format!("{}s", args.seconds);
    let body = r#"{"shop":"7","items":[{"sku":"A-1001","count":2}]}"#;
    let cases: [(&str, &[&str]); 2] =
        [("h2", &["--path", "/v1/quotes"]), ("mmtp", &["--call", "quotes.get"])];
    let mut seen = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for ((protocol, what), seen) in cases.iter().zip(&mut seen) {
            let before = gateway.cpu_seconds()?;
            let mut words = vec!["--protocol", protocol, "--clients", &clients];
            words.extend(["--duration", &duration, "--ramp", "100ms", "--think", "0s"]);
            words.extend(["-H", "content-type: application/json", "-d", body]);
            words.extend(*what);
            let told = kit.fleet(&gateway, &format!("calls-{protocol}"), &words)?.end()?;
            let cpu = gateway.cpu_seconds()? - before;
            let number = |pointer: &str| figure(&told, pointer);
            let (ok, bad) =
                (number("/calls/ok")?, number("/calls/failed")? + number("/calls/lost")?);
            if ok < 1.0 || bad > 0.0 {
                return Err(Failure::Failed(format!("{protocol}: {ok} calls and {bad} failures")));
            }
            seen.push(Seen {
                cpu_us: cpu * 1e6 / ok,
                bytes: (number("/bytes/up")? + number("/bytes/down")?) / ok,
                rate: ok / f64::from(args.seconds),
            });
        }
    }
    let of = |seen: &[Seen], figure: fn(&Seen) -> f64| seen.iter().map(figure).collect::<Vec<_>>();
    let [h2, mmtp] = &seen;
    let ratio = |figure| Spread::of_ratios(&of(h2, figure), &of(mmtp, figure));
    let (cpu, bytes) = (ratio(|seen| seen.cpu_us), ratio(|seen| seen.bytes));
    let row = |name: &str, seen: &[Seen], cpu: String, bytes: String| {
        let spread = |figure| Spread::of(&of(seen, figure));
        vec![
            name.to_owned(),
            format!("{:.1}", spread(|seen| seen.cpu_us)),
            cpu,
            format!("{:.0}", spread(|seen| seen.bytes).median),
            bytes,
            format!("{:.0}", spread(|seen| seen.rate)),
        ]
    };
    report.table(
        "Small calls on connections that are there: MMTP beside HTTP/2",
        &format!(
            "`paifang fleet`, {clients} clients, each with a connection and one call in flight; TLS 1.3, a body of {} bytes and an answer \
             of 62; CPU of the gateway's process on a core of its own, bytes within TCP, both ways, with what connecting takes; {} rounds of {duration}.",
            body.len(),
            args.rounds
        ),
        &["protocol", "CPU µs a call", "calls per CPU s to h2", "bytes a call", "h2's bytes to it", "calls/s"],
        &[
            row("h2", h2, "1".to_owned(), "1".to_owned()),
            row("mmtp", mmtp, format!("{cpu:.2}"), format!("{bytes:.2}")),
        ],
    );
    let what = format!("at least {BETTER} x the calls per CPU second of h2");
    report.goal(&what, format!("{cpu:.2}"), cpu.median >= BETTER);
    report.goal("fewer bytes a call than h2", format!("{bytes:.2} x fewer"), bytes.median > 1.0);
    Ok(())
}
