//! TLS handshakes per CPU second, full and resumed, against rustls in a bare loop; and what idle TLS connections take.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    Args, build,
    conf::Ports,
    load::{LOAD_CORE, PROXY_CORE},
    peer::Peer,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Handshakes per CPU second, of what bare rustls makes.
const AGAINST_BARE: f64 = 0.7;
/// Idle connections.
const IDLE: u32 = 10_000;
/// What one may take of the process's memory, in KiB.
const IDLE_KIB: f64 = 10.0;
/// Until the memory of what was only needed for handshakes is back.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures and writes two tables.
///
/// # Errors
/// When a peer or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    if !args.no_build {
        build::handshakes()?;
    }
    let dir = report.subdir("handshakes")?;
    client(&dir, &["certificate", &dir.display().to_string()])?;
    let gateway = gateway(&dir)?;
    speed(args, report, &dir, [&gateway, &Peer::bare_rustls(&dir)?])?;
    idle(report, &dir, &gateway)
}

fn gateway(dir: &Path) -> Result<Peer> {
    let ports = Ports::free()?;
    let Ports { public, admin } = ports;
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    let (cert, key, store) = (cert.display(), key.display(), dir.join("releases"));
    let text = format!(
        "version: 1\n\
         listeners:\n  - name: bench\n    address: \"127.0.0.1:{public}\"\n    \
         tls: {{ certificates: [ {{ cert: \"{cert}\", key: \"{key}\" }} ], sessions: {{}} }}\n    \
         limits: {{ idle: 10m }}\n\
         admin: {{ address: \"127.0.0.1:{admin}\" }}\n\
         releases: {{ directory: {} }}\n\
         apis:\n  - {{ id: bench, match: {{ path: / }}, handlers: [ respond: {{ status: 204 }} ] }}\n",
        store.display()
    );
    let file = dir.join("paifang.yaml");
    tree::write(&file, &text)?;
    Peer::gateway("paifang", &file, ports)
}

/// Runs the clients' program to its end; gives the number that it prints.
fn client(dir: &Path, args: &[&str]) -> Result<f64> {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_CORE]).arg(tree::example("release", "handshakes")).args(args);
    let output = run::captured(command.current_dir(dir))?;
    match output.success {
        true => Ok(output.text.trim().parse().unwrap_or(0.0)),
        false => Err(Failure::Failed(format!("{}:\n{}", run::line(&command), output.text))),
    }
}

fn speed(args: &Args, report: &mut Report, dir: &Path, peers: [&Peer; 2]) -> Result<()> {
    let mut rows = Vec::new();
    for kind in ["full", "resumed"] {
        let mut micros = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds {
            for (peer, micros) in peers.iter().zip(&mut micros) {
                let before = peer.cpu_seconds()?;
                let (to, seconds) = (format!("127.0.0.1:{}", peer.port), args.seconds.to_string());
                let folder = dir.display().to_string();
                let made = client(dir, &["load", &to, &folder, &seconds, kind])?;
                if made < 1.0 {
                    return Err(Failure::Failed(format!("{}: no handshake was made", peer.name)));
                }
                micros.push((peer.cpu_seconds()? - before) * 1e6 / made);
            }
        }
        let [ours, bare] = &micros;
        // Fewer microseconds are more handshakes: what we make of what bare rustls makes.
        let share = Spread::of_ratios(bare, ours);
        for (peer, micros, share) in
            [(peers[0], ours, format!("{share:.2}")), (peers[1], bare, "1".to_owned())]
        {
            let per_second: Vec<f64> = micros.iter().map(|micros| 1e6 / micros).collect();
            let (micros, per_second) = (Spread::of(micros), Spread::of(&per_second));
            let name = format!("{}, {kind}", peer.name);
            rows.push(vec![name, format!("{micros:.0}"), format!("{per_second:.0}"), share]);
        }
        let what =
            format!("{kind} handshakes per CPU second at least {AGAINST_BARE} x bare rustls");
        report.goal(&what, format!("{share:.2}"), share.median >= AGAINST_BARE);
    }
    report.table(
        "TLS handshakes",
        &format!(
            "TLS 1.3, P-256 key, X25519; sessions kept by the server; a connection is made, shakes hands, and ends. Server on core \
             {PROXY_CORE}, four clients on core {LOAD_CORE}; {} interleaved rounds of {} s.",
            args.rounds, args.seconds
        ),
        &["server", "CPU µs", "per CPU second", "x bare rustls"],
        &rows,
    );
    Ok(())
}

/// How much more memory the gateway has while it holds idle connections.
fn idle(report: &mut Report, dir: &Path, gateway: &Peer) -> Result<()> {
    let before = gateway.resident()?;
    let mut command = Command::new(tree::example("release", "handshakes"));
    let to = format!("127.0.0.1:{}", gateway.port);
    command.args(["hold", &to, &dir.display().to_string(), &IDLE.to_string()]);
    let line = run::line(&command);
    let failed = |e: std::io::Error| Failure::Failed(format!("{line}: {e}"));
    let mut holder =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut held = String::new();
    if let Some(output) = holder.stdout.take() {
        BufReader::new(output).read_line(&mut held).map_err(failed)?;
    }
    thread::sleep(SETTLE);
    let after = gateway.resident()?;
    drop(holder.stdin.take());
    holder.wait().map_err(failed)?;
    let held: f64 = held.trim().parse().unwrap_or(0.0);
    if held < f64::from(IDLE) {
        return Err(Failure::Failed(format!("{line}: only {held} connections were held")));
    }
    let each = (after - before) * 1024.0 / held;
    report.table(
        "Idle TLS connections",
        "HTTP/1.1 without a call yet. Resident memory of the process before and after, so that the allocator's part is in it; the \
         kernel's for its sockets is not.",
        &["connections", "MiB before", "MiB after", "KiB each"],
        &[vec![
            format!("{held:.0}"),
            format!("{before:.0}"),
            format!("{after:.0}"),
            format!("{each:.1}"),
        ]],
    );
    report.goal(
        &format!("an idle TLS connection takes at most {IDLE_KIB} KiB"),
        format!("{each:.1}"),
        each <= IDLE_KIB,
    );
    Ok(())
}
