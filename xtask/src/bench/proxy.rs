//! CPU per proxied request: the gateway with an empty chain and with a usual one, against a stock
//! pingora-proxy pass-through, nginx and Envoy.

use super::{
    Args, build,
    conf::{self, OneApi},
    peer::{Peer, Round},
    report::Report,
    stats::Spread,
};
use crate::{failure::Result, say};

/// The chain whose cost over the empty one is measured; its limits are never reached.
const USUAL_CHAIN: &str =
    "throttle: { rate: 1000000/s, burst: 1000000, by: client_ip }, key_auth: {}";
/// The share of a stock pass-through's CPU that an empty chain may cost.
const AGAINST_STOCK: f64 = 0.9;
/// What the usual chain may cost over the empty one.
const AGAINST_EMPTY: f64 = 1.05;

const EMPTY: &str = "paifang, empty chain";
const USUAL: &str = "paifang, throttle + key_auth";

/// Measures and writes the table; answers have a body of 128 bytes.
///
/// # Errors
/// When a peer or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    build::stock_proxy()?;
    let upstream = Peer::upstream(report.dir())?;
    let peers = peers(args, report, upstream.port)?;
    let rounds = rounds(args, &peers)?;

    let cpu = |name: &str| -> Vec<f64> {
        let at = peers.iter().position(|peer| peer.name == name);
        at.map_or_else(Vec::new, |at| rounds[at].iter().map(|round| round.cpu).collect())
    };
    let (stock, empty, usual) = (cpu("stock pingora-proxy"), cpu(EMPTY), cpu(USUAL));
    let mut rows = Vec::new();
    for (peer, rounds) in peers.iter().zip(&rounds) {
        let cpu: Vec<f64> = rounds.iter().map(|round| round.cpu).collect();
        let rate: Vec<f64> = rounds.iter().map(|round| round.seen.rate).collect();
        let p99: Vec<f64> = rounds.iter().map(|round| round.seen.p99).collect();
        rows.push(vec![
            peer.name.clone(),
            Spread::of(&cpu).to_string(),
            format!("{:.2}", Spread::of_ratios(&cpu, &stock)),
            format!("{:.0}", Spread::of(&rate)),
            format!("{:.2}", Spread::of(&p99)),
            format!("{:.0}", peer.resident()?),
        ]);
    }
    report.table(
        "CPU per proxied request",
        &how(args),
        &["proxy", "CPU µs", "x stock", "requests/s", "p99 ms", "MiB"],
        &rows,
    );
    let ratio = Spread::of_ratios(&empty, &stock);
    report.goal(
        "an empty chain costs at most 0.9 x a stock pass-through",
        format!("{ratio:.2}"),
        ratio.median <= AGAINST_STOCK,
    );
    let ratio = Spread::of_ratios(&usual, &empty);
    report.goal(
        "throttle + key_auth cost at most 1.05 x the empty chain",
        format!("{ratio:.2}"),
        ratio.median <= AGAINST_EMPTY,
    );
    Ok(())
}

/// How rounds are run, for a table.
pub(crate) fn how(args: &Args) -> String {
    format!(
        "{} interleaved rounds of {} s; {} keep-alive connections; proxy on one core, \
         load and upstream on the other. Median (least–greatest); ratios per round.",
        args.rounds, args.seconds, args.connections
    )
}

fn peers(args: &Args, report: &Report, upstream: u16) -> Result<Vec<Peer>> {
    let gateway = |name: &str, dir: &str, handlers: &str| -> Result<Peer> {
        let ports = conf::Ports::free()?;
        let api = OneApi { handlers, ..OneApi::default() };
        let config = api.write(&report.subdir(dir)?, ports, upstream)?;
        Peer::gateway(name, &config, ports)
    };
    let mut peers = vec![
        Peer::stock(upstream)?,
        gateway(EMPTY, "empty", "")?,
        gateway(USUAL, "usual", USUAL_CHAIN)?,
        Peer::nginx(report.dir(), &conf::nginx_proxy(upstream))?,
    ];
    if args.envoy {
        peers.push(Peer::envoy("Envoy", report.dir(), upstream, "")?);
    }
    // The same request for all, so that it is the chain that differs.
    peers.iter_mut().for_each(|peer| peer.headers.push("x-api-key: bench-key".to_owned()));
    Ok(peers)
}

/// Interleaved; the result is by peer, then by round.
pub(crate) fn rounds(args: &Args, peers: &[Peer]) -> Result<Vec<Vec<Round>>> {
    for peer in peers {
        // Pools fill and pages are touched before anything counts.
        peer.round(&peer.load(args.connections, 1))?;
    }
    let mut all: Vec<Vec<Round>> = peers.iter().map(|_| Vec::new()).collect();
    for number in 1..=args.rounds {
        for (peer, rounds) in peers.iter().zip(&mut all) {
            let round = peer.round(&peer.load(args.connections, args.seconds))?;
            say::note(&format!(
                "round {number}/{}: {}: {:.1} µs, {:.0}/s",
                args.rounds, peer.name, round.cpu, round.seen.rate
            ));
            rounds.push(round);
        }
    }
    Ok(all)
}
