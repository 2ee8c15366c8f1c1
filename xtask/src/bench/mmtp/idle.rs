//! What idle connections take: memory of the gateway's process, and CPU for their heartbeats.

use std::{thread, time::Duration};

use super::{
    super::{peer::Peer, report::Report},
    gateway::{Fleet, Kit, arrived, connections},
};
use crate::{failure::Result, say};

/// Connections in all, and over how many gateways: a process may have 20,000 files on many machines.
const SIZES: [(u32, u32); 2] = [(10_000, 1), (50_000, 3)];
/// What one may take of the process's memory, in KiB.
const KIB: f64 = 10.0;
/// CPU microseconds a second that one may take.
const CPU_US: f64 = 1.0;
/// Until the memory of what was only needed for handshakes is back.
const SETTLE: Duration = Duration::from_secs(5);
/// Two heartbeats.
const WATCHED: Duration = Duration::from_secs(50);

pub(super) fn measure(kit: &Kit, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    let mut goals = Vec::new();
    for (count, gateways) in SIZES {
        say::step(&format!("{count} idle connections"));
        let each = count.div_ceil(gateways);
        let peers: Vec<Peer> = (0..gateways)
            .map(|index| kit.gateway(&format!("idle-{index}")))
            .collect::<Result<_>>()?;
        // What the first connection brings about is no other's.
        warm(kit, &peers)?;
        let before = resident(&peers)?;
        let clients = each.to_string();
        let mut words = vec!["--protocol", "mmtp", "--clients", &clients, "--call", "quotes.get"];
        words.extend(["--ramp", "40s", "--think", "1h", "--duration", "1h"]);
        // One after the other: their handshakes share a core.
        let mut fleets: Vec<Fleet> = Vec::new();
        for (index, peer) in peers.iter().enumerate() {
            fleets.push(kit.fleet(peer, &format!("idle-{index}"), &words)?);
            arrived(peer, each)?;
        }
        thread::sleep(SETTLE);
        let after = resident(&peers)?;
        let cpu = cpu_seconds(&peers)?;
        thread::sleep(WATCHED);
        let cpu = cpu_seconds(&peers)? - cpu;
        let there: f64 = peers.iter().map(connections).sum::<Result<f64>>()?;
        let kib = (after - before) * 1024.0 / there;
        let us = cpu * 1e6 / WATCHED.as_secs_f64() / there;
        rows.push(vec![
            format!("{there:.0}"),
            gateways.to_string(),
            format!("{before:.0}"),
            format!("{after:.0}"),
            format!("{kib:.1}"),
            format!("{us:.2}"),
        ]);
        goals.push((there, kib, us));
        drop(fleets);
    }
    report.table(
        "Idle MMTP connections",
        "TLS 1.3, greeted, a heartbeat each 25 s from the client. Resident memory of the gateways' processes before and after, so that the \
         allocator's part is in it; the kernel's for its sockets is not. CPU over 50 s, user and system.",
        &["connections", "gateways", "MiB before", "MiB after", "KiB each", "CPU µs a second each"],
        &rows,
    );
    for (there, kib, us) in goals {
        let what = format!("each of {there:.0} idle connections takes at most {KIB} KiB");
        report.goal(&what, format!("{kib:.1}"), kib <= KIB);
        let what = format!("each of {there:.0} takes at most {CPU_US} µs of CPU a second");
        report.goal(&what, format!("{us:.2}"), us <= CPU_US);
    }
    Ok(())
}

/// A few calls to each.
fn warm(kit: &Kit, peers: &[Peer]) -> Result<()> {
    for peer in peers {
        let words = ["--protocol", "mmtp", "--clients", "20", "--call", "quotes.get"];
        let short = ["--ramp", "100ms", "--think", "100ms", "--duration", "1s"];
        kit.fleet(peer, "idle-warm", &[words, short].concat())?.end()?;
    }
    Ok(())
}

fn resident(peers: &[Peer]) -> Result<f64> {
    peers.iter().map(Peer::resident).sum()
}

fn cpu_seconds(peers: &[Peer]) -> Result<f64> {
    peers.iter().map(Peer::cpu_seconds).sum()
}
