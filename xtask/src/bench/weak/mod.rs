//! Small calls of clients that come back, over weak networks: the kernel's own TCP on both sides, and between them a link that
//! delays, jitters, narrows, loses and blacks out packets.

mod fleet;
mod link;

use std::{path::Path, process::Command, time::Duration};

use super::{Args, build, report::Report, stats::Spread};
use crate::{
    failure::{Failure, Result},
    run, say,
    server::Server,
    tree,
};
use fleet::{CASES, Case, Seen};
use link::{Link, SERVER_ADDRESS, Spaces};

/// From the best network to the worst; `weak-link` knows their figures.
const PROFILES: [&str; 7] = ["wifi", "4g", "satellite", "3g", "lossy", "subway", "edge"];

/// What a case's ratio is against.
const AGAINST: usize = 4;

/// A fleet runs so many times longer than a round of the other measures: calls take seconds here.
const LONGER: u32 = 6;

/// Where the gateway listens, in a namespace of its own.
const PORT: u16 = 8443;

/// How long the gateway may take until it listens.
const READY: Duration = Duration::from_secs(30);

/// Measures each case on each network, in interleaved rounds.
pub(super) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    link::possible()?;
    if !args.no_build {
        build::weak_link()?;
    }
    let dir = report.subdir("weak")?;
    let spaces = Spaces::make()?;
    let _gateway = gateway(&dir, &spaces)?;
    let seconds = args.seconds * LONGER;
    for profile in PROFILES {
        say::step(&format!("network {profile}"));
        let mut seen: Vec<Vec<Seen>> = CASES.iter().map(|_| Vec::new()).collect();
        for round in 1..=args.rounds {
            for (case, seen) in CASES.iter().zip(&mut seen) {
                // The same seed for all cases of a round, and a link as new: they meet the same outages.
                let link = Link::start(profile, round, &spaces)?;
                seen.push(fleet::run(case, round, seconds, &dir, &spaces)?);
                drop(link);
            }
        }
        tell(profile, &seen, seconds, report);
    }
    Ok(())
}

fn tell(profile: &str, seen: &[Vec<Seen>], seconds: u32, report: &mut Report) {
    let of = |seen: &[Seen], figure: fn(&Seen) -> f64| seen.iter().map(figure).collect::<Vec<_>>();
    let base = of(&seen[AGAINST], |seen| seen.mean);
    let row = |(case, seen): (&Case, &Vec<Seen>)| {
        let means = of(seen, |seen| seen.mean);
        vec![
            case.name.to_owned(),
            format!("{:.0}", Spread::of(&means)),
            format!("{:.0}", Spread::of(&of(seen, |seen| seen.p99))),
            format!("{:.2}", Spread::of_ratios(&means, &base)),
            format!("{:.0}", of(seen, |seen| seen.ok).iter().sum::<f64>()),
            format!("{:.0}", of(seen, |seen| seen.bad).iter().sum::<f64>()),
            format!("{:.0}", Spread::of(&of(seen, |seen| seen.bytes)).median),
        ]
    };
    let rows: Vec<_> = CASES.iter().zip(seen).map(row).collect();
    report.table(
        &format!("Small calls over a weak network: {profile}"),
        &format!(
            "`paifang fleet`, {} clients a fleet, {seconds} s a fleet and round, a call of 60 bytes and an answer of 120; times in ms as median \
             (least–greatest) of the rounds, ratios of means round by round.",
            fleet::CLIENTS
        ),
        &["case", "mean", "p99", &format!("mean to {}", CASES[AGAINST].name), "ok", "failed, lost", "bytes a call"],
        &rows,
    );
}

/// The gateway in its namespace, with a certificate of its own.
fn gateway(dir: &Path, spaces: &Spaces) -> Result<Server> {
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    openssl.args(["-subj", "/CN=weak", "-addext", &format!("subjectAltName=IP:{SERVER_ADDRESS}")]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "30"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&cert);
    let made = run::captured(&mut openssl)?;
    if !made.success {
        return Err(Failure::Failed(format!("openssl: {}", made.text)));
    }
    let config = dir.join("gateway.yaml");
    tree::write(&config, CONFIG)?;
    let log = dir.join("gateway.log");
    let mut command = spaces.in_server(&tree::binary("release", "paifang"));
    command.arg("run").arg(&config);
    let mut server = Server::start("the gateway", &mut command, &log)?;
    server.wait(READY, || tree::read(&log).is_ok_and(|text| text.contains("listening on")))?;
    Ok(server)
}

/// One API, which answers as a shop would.
const CONFIG: &str = r#"version: 1
listeners:
  - { name: weak, address: "0.0.0.0:8443", tls: { certificates: [ { cert: cert.pem, key: key.pem } ] } }
apis:
  - id: orders.create
    match: { method: POST, path: /v1/orders }
    handlers:
      - respond:
          status: 201
          headers: { content-type: application/json }
          body: '{"id":"6f1c1e6a-70b4-4c1f-9d86-1d2f9f3f0b11","state":"accepted","total":1999,"currency":"CNY","eta":"2026-11-22T10:00:00Z"}'
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_listens_where_fleets_call() {
        assert!(CONFIG.contains(&format!("0.0.0.0:{PORT}")));
        assert_eq!(CASES[AGAINST].name, "h2, back");
    }
}
