//! Small calls of clients that come back, over weak networks: the kernel's own TCP on both sides, and between them a link that
//! delays, jitters, narrows, loses and blacks out packets.

mod fleet;
mod link;

use std::{path::Path, time::Duration};

use super::{Args, build, certificate, report::Report, stats::Spread};
use crate::{failure::Result, say, server::Server, tree};
use fleet::{Case, Coming, PROTOCOLS, Seen};
use link::{Link, SERVER_ADDRESS, Spaces};

/// From the best network to the worst; `weak-link` knows their figures.
pub(super) const PROFILES: [&str; 7] = ["wifi", "4g", "satellite", "3g", "lossy", "subway", "edge"];

/// How much better the mean of MMTP is to be on the worst network.
const BETTER: f64 = 5.0;

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
    let named = |profile: &&str| {
        args.networks.is_empty() || args.networks.iter().any(|network| network == profile)
    };
    for profile in PROFILES.into_iter().filter(named) {
        say::step(&format!("network {profile}"));
        let mut seen: Vec<(Case, Vec<Seen>)> = Coming::ALL
            .iter()
            .flat_map(|coming| PROTOCOLS.map(|protocol| Case { protocol, coming: *coming }))
            .map(|case| (case, Vec::new()))
            .collect();
        for round in 1..=args.rounds {
            for (case, seen) in &mut seen {
                // The same seed for all cases of a round, and a link as new: they meet the same outages.
                let link = Link::start(profile, round, &spaces)?;
                seen.push(fleet::run(case, round, seconds, &dir, &spaces)?);
                drop(link);
            }
        }
        tell(profile, &seen, seconds, report);
        report.save()?;
    }
    Ok(())
}

/// A figure in each round.
fn of(seen: &[Seen], figure: fn(&Seen) -> f64) -> Vec<f64> {
    seen.iter().map(figure).collect()
}

/// The rounds of those who speak `protocol` and come like this.
fn rounds<'a>(seen: &'a [(Case, Vec<Seen>)], protocol: &str, coming: Coming) -> &'a [Seen] {
    let found = seen.iter().find(|(case, _)| case.protocol == protocol && case.coming == coming);
    found.map_or(&[], |(_, rounds)| rounds)
}

fn means(seen: &[(Case, Vec<Seen>)], protocol: &str, coming: Coming) -> Vec<f64> {
    of(rounds(seen, protocol, coming), |seen| seen.mean)
}

/// The share of calls that were not answered: a mean is one of those that were.
fn unanswered(rounds: &[Seen]) -> f64 {
    let total = |figure| of(rounds, figure).iter().sum::<f64>();
    let bad = total(|seen| seen.bad);
    bad / (total(|seen| seen.ok) + bad)
}

fn tell(profile: &str, seen: &[(Case, Vec<Seen>)], seconds: u32, report: &mut Report) {
    let row = |(case, rounds): &(Case, Vec<Seen>)| {
        let own = of(rounds, |seen| seen.mean);
        let to = |protocol| {
            format!("{:.2}", Spread::of_ratios(&own, &means(seen, protocol, case.coming)))
        };
        let total = |figure| of(rounds, figure).iter().sum::<f64>();
        vec![
            case.name(),
            format!("{:.0}", Spread::of(&own)),
            format!("{:.0}", Spread::of(&of(rounds, |seen| seen.p99))),
            to("h1"),
            to("h2"),
            format!("{:.0}", total(|seen| seen.ok)),
            format!("{:.0}", total(|seen| seen.bad)),
            format!("{:.0}", Spread::of(&of(rounds, |seen| seen.bytes)).median),
        ]
    };
    let rows: Vec<_> = seen.iter().map(row).collect();
    report.table(
        &format!("Small calls over a weak network: {profile}"),
        &format!(
            "`paifang fleet`, {} clients a fleet, {seconds} s a fleet and round, a call of 60 bytes and an answer of 120; times in ms as median \
             (least–greatest) of the rounds, ratios of means round by round, to clients that come the same way.",
            fleet::CLIENTS
        ),
        &["case", "mean", "p99", "mean to h1", "mean to h2", "ok", "failed, lost", "bytes a call"],
        &rows,
    );
    goals(profile, seen, report);
}

fn goals(profile: &str, seen: &[(Case, Vec<Seen>)], report: &mut Report) {
    for coming in Coming::ALL {
        let (own, label) = (means(seen, "mmtp", coming), coming.label());
        for protocol in ["h1", "h2"] {
            let times = Spread::of_ratios(&means(seen, protocol, coming), &own);
            let [lost, theirs] =
                ["mmtp", protocol].map(|protocol| unanswered(rounds(seen, protocol, coming)));
            let what = format!(
                "{profile}: the mean of MMTP, {label}, is no worse than {protocol}'s, and no more calls go without an answer"
            );
            let found =
                format!("{times:.2} x better, {:.1} % and {:.1} %", lost * 100.0, theirs * 100.0);
            report.goal(&what, found, times.median >= 1.0 && lost <= theirs);
        }
    }
    if Some(&profile) != PROFILES.last() {
        return;
    }
    // An app of HTTPS connects for its calls; one of MMTP has its connection.
    let own = means(seen, "mmtp", Coming::Kept);
    for (protocol, coming) in
        [("h1", Coming::Cold), ("h1", Coming::Back), ("h2", Coming::Cold), ("h2", Coming::Back)]
    {
        let times = Spread::of_ratios(&means(seen, protocol, coming), &own);
        let what = format!(
            "{profile}: the mean of MMTP, kept, is {BETTER} x better than {protocol}'s, {}",
            coming.label()
        );
        report.goal(&what, format!("{times:.2} x better"), times.median >= BETTER);
    }
}

/// The gateway in its namespace, with a certificate of its own.
fn gateway(dir: &Path, spaces: &Spaces) -> Result<Server> {
    certificate::make(dir, &format!("IP:{SERVER_ADDRESS}"))?;
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
  - { name: weak, address: "0.0.0.0:8443", tls: { certificates: [ { cert: cert.pem, key: key.pem } ], early_data: {} }, mmtp: {} }
apis:
  - id: quotes.get
    match: { method: POST, path: /v1/quotes }
    operation: quotes.get
    early_data: true
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
        assert!(CONFIG.contains("operation: quotes.get") && CONFIG.contains("path: /v1/quotes"));
    }
}
