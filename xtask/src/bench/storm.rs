//! 20,000 clients of MMTP come back at once where 2,000 a second may be let in: how fast they are, how soon the others are sent away, and
//! whether those who are connected notice.
//!
//! Three ways of sending away: by the listener, before TLS and without a word; by `mmtp.limits`, after the TLS handshake; and by the same in
//! plain text, as behind something else that ends TLS.

use std::path::Path;

use serde_json::Value;

use super::{
    Args, build, certificate,
    conf::Ports,
    figure::figure,
    load::{LOAD_CORE, PROXY_CORE},
    peer::Peer,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Clients that come.
const CLIENTS: u32 = 20_000;
/// A tenth of them may be let in a second.
const RATE: f64 = 2_000.0;
/// Connections that are there before.
const HELD: u32 = 500;
/// A storm that is not over by then has failed.
const SECONDS: u32 = 90;

/// How far the rate of those who are let in may be from the limit.
const OFF: f64 = 0.05;
/// How soon the rest is sent away, in ms, 99 of 100 of them.
const SENT_AWAY: f64 = 10.0;
/// A PONG that is later than this, in ms, is not on time: a client with a call pending asks again after 1.5 s.
const ON_TIME: f64 = 1_500.0;

/// One way of sending away.
struct Case {
    name: &'static str,
    tls: bool,
    /// Keys of the listener.
    listener: &'static str,
    /// Keys of `mmtp.limits`.
    limits: &'static str,
    /// Whether clients are told when to come again.
    words: bool,
}

const CASES: [Case; 3] = [
    Case {
        name: "listener, before TLS",
        tls: true,
        listener: "accept: [ throttle: { rate: 2000/s, burst: 100, by: api } ]",
        limits: "",
        words: false,
    },
    Case {
        name: "mmtp.limits, plain",
        tls: false,
        listener: "",
        limits: "connection_rate: { rate: 2000/s, burst: 100 }",
        words: true,
    },
    Case {
        name: "mmtp.limits, TLS",
        tls: true,
        listener: "",
        limits: "connection_rate: { rate: 2000/s, burst: 100 }",
        words: true,
    },
];

/// What a storm has shown; times in ms.
struct Seen {
    rate: f64,
    /// Until the last one was let in, in seconds.
    seconds: f64,
    refused: f64,
    away_p50: f64,
    away_p99: f64,
    pong_p99: f64,
    pong_max: f64,
}

/// Measures and writes the table.
///
/// # Errors
/// When the gateway or the clients fail.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    if !args.no_build {
        build::storm()?;
    }
    let dir = report.subdir("storm")?;
    certificate::make(&dir, "DNS:storm.example")?;
    let mut rows = Vec::new();
    for case in &CASES {
        let mut seen = Vec::new();
        for _ in 0..args.rounds {
            // A gateway as new: what one storm has left in limits is not for the next.
            let gateway = gateway(case, &dir)?;
            seen.push(storm(case, &gateway, &dir)?);
        }
        rows.push(row(case, &seen));
        judge(case, &seen, report);
    }
    report.table(
        "A storm of clients that come back",
        &format!(
            "{CLIENTS} clients begin within a second and come again until they are let in; {RATE:.0} a second may. {HELD} connections were there before and \
             say PING four times a second. Gateway on core {PROXY_CORE}, all clients in one process on core {LOAD_CORE}, no more than 800 \
             of them connecting at once; sent away: from the client's connect to the end of the connection or to CLOSE. {} rounds; median (least–greatest).",
            args.rounds
        ),
        &["limit", "let in a second", "all in after s", "sent away", "away p50 ms", "p99", "PONG p99 ms", "latest"],
        &rows,
    );
    Ok(())
}

fn row(case: &Case, seen: &[Seen]) -> Vec<String> {
    let spread = |of: fn(&Seen) -> f64| Spread::of(&seen.iter().map(of).collect::<Vec<_>>());
    vec![
        case.name.to_owned(),
        format!("{:.0}", spread(|seen| seen.rate)),
        format!("{:.1}", spread(|seen| seen.seconds)),
        format!("{:.0}", spread(|seen| seen.refused)),
        format!("{:.2}", spread(|seen| seen.away_p50)),
        format!("{:.2}", spread(|seen| seen.away_p99)),
        format!("{:.1}", spread(|seen| seen.pong_p99)),
        format!("{:.0}", spread(|seen| seen.pong_max)),
    ]
}

fn judge(case: &Case, seen: &[Seen], report: &mut Report) {
    let all = |of: fn(&Seen) -> f64| Spread::of(&seen.iter().map(of).collect::<Vec<_>>());
    let rate = all(|seen| seen.rate / RATE);
    let what = format!("{}: let in within 5 % of the limit", case.name);
    report.goal(&what, format!("{rate:.3} of it"), (rate.median - 1.0).abs() <= OFF);
    let away = all(|seen| seen.away_p99);
    let what = format!("{}: 99 of 100 are sent away within 10 ms", case.name);
    report.goal(&what, format!("{away:.2}"), away.median <= SENT_AWAY);
    let late = all(|seen| seen.pong_max);
    let what = format!("{}: PONGs of those connected are on time (1.5 s)", case.name);
    report.goal(&what, format!("{late:.0} ms"), late.greatest <= ON_TIME);
}

fn gateway(case: &Case, dir: &Path) -> Result<Peer> {
    let ports = Ports::free()?;
    let Ports { public, admin } = ports;
    let tls = match case.tls {
        true => "tls: { certificates: [ { cert: cert.pem, key: key.pem } ] }, mmtp: {}",
        false => "mmtp: { plain: true }",
    };
    let listener = match case.listener {
        "" => tls.to_owned(),
        keys => format!("{tls}, {keys}"),
    };
    let text = format!(
        "version: 1\n\
         listeners: [ {{ name: storm, address: '127.0.0.1:{public}', {listener} }} ]\n\
         admin: {{ address: '127.0.0.1:{admin}' }}\n\
         releases: {{ directory: {} }}\n\
         mmtp: {{ limits: {{ {} }} }}\n\
         apis: [ {{ id: a, operation: a, handlers: [ respond: {{ status: 204 }} ] }} ]\n",
        dir.join("releases").display(),
        case.limits
    );
    let file = dir.join("paifang.yaml");
    tree::write(&file, &text)?;
    Peer::gateway(case.name, &file, ports)
}

fn storm(case: &Case, gateway: &Peer, dir: &Path) -> Result<Seen> {
    let mut command = std::process::Command::new("taskset");
    command.args(["-c", LOAD_CORE]).arg(tree::example("release", "storm"));
    command.arg(format!("127.0.0.1:{}", gateway.port));
    command.args([CLIENTS, HELD, SECONDS].map(|number| number.to_string()));
    if case.tls {
        command.arg(dir.join("cert.pem"));
    }
    let output = run::captured(&mut command)?;
    let failed =
        |why: &str| Failure::Failed(format!("{}: {why}:\n{}", run::line(&command), output.text));
    let seen: Value = serde_json::from_str(output.text.trim()).map_err(|_| failed("no figures"))?;
    let number = |pointer: &str| figure(&seen, pointer);
    if number("/admitted")? < f64::from(CLIENTS) || number("/lost")? > 0.0 {
        return Err(failed("not all came in, or some were lost that were connected"));
    }
    // All but a few without a word, or with one.
    let words = number("/words")? / number("/refused_ms/count")?.max(1.0);
    if (words > 0.5) != case.words {
        return Err(failed("clients were not sent away in the way that is measured"));
    }
    Ok(Seen {
        rate: number("/rate")?,
        seconds: number("/seconds")?,
        refused: number("/refused_ms/count")?,
        away_p50: number("/refused_ms/p50")?,
        away_p99: number("/refused_ms/p99")?,
        pong_p99: number("/pong_ms/p99")?,
        pong_max: number("/pong_ms/max")?,
    })
}
