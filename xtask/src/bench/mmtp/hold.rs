//! Twenty thousand clients that keep their connections for five minutes, call now and then, and lose nothing.

use serde_json::Value;

use super::{
    super::{Args, figure::figure, peer::Peer, report::Report},
    gateway::{Fleet, Kit},
};
use crate::failure::Result;

/// Gateways, each with a fleet: a process may have 20,000 files on many machines.
const GATEWAYS: u32 = 2;
/// Clients of each.
const CLIENTS: u32 = 10_000;

/// Figures of a fleet's report, by what they are.
const FIGURES: [(&str, &str); 9] = [
    ("clients", "/clients"),
    ("most at once", "/connections/peak"),
    ("calls", "/calls/ok"),
    ("failed", "/calls/failed"),
    ("lost", "/calls/lost"),
    ("connections dropped", "/connections/dropped"),
    ("not connected", "/connections/failed"),
    ("p50 ms", "/latency_ms/p50"),
    ("p99 ms", "/latency_ms/p99"),
];

/// Measures and writes a table.
///
/// # Errors
/// When a gateway or a fleet fails.
pub(crate) fn measure(_: &Args, report: &mut Report) -> Result<()> {
    let kit = Kit::new(report)?;
    let gateways: Vec<Peer> =
        (0..GATEWAYS).map(|index| kit.gateway(&format!("hold-{index}"))).collect::<Result<_>>()?;
    let clients = CLIENTS.to_string();
    let mut words = vec!["--protocol", "mmtp", "--clients", &clients, "--call", "quotes.get"];
    // A server ends who is silent for 52 s: it is heartbeats that keep most of these.
    words.extend(["--ramp", "60s", "--think", "20s..100s", "--duration", "6m", "-d", "{}"]);
    let fleets: Vec<Fleet> = gateways
        .iter()
        .enumerate()
        .map(|(index, gateway)| kit.fleet(gateway, &format!("hold-{index}"), &words))
        .collect::<Result<_>>()?;
    let told: Vec<Value> = fleets.into_iter().map(Fleet::end).collect::<Result<_>>()?;
    let mut rows = Vec::new();
    let mut bad = 0.0;
    for (index, told) in told.iter().enumerate() {
        let mut row = vec![format!("{}", index + 1)];
        for (what, pointer) in FIGURES {
            let figure = figure(told, pointer)?;
            if ["failed", "lost", "connections dropped", "not connected"].contains(&what) {
                bad += figure;
            }
            row.push(format!("{figure:.0}"));
        }
        rows.push(row);
    }
    let head: Vec<&str> = ["fleet"].into_iter().chain(FIGURES.map(|(what, _)| what)).collect();
    report.table(
        "20,000 TLS connections for five minutes",
        "MMTP over TLS 1.3; the clients come within a minute, call each 20 to 100 s, and send heartbeats after 25 s of silence; a connection \
         without them would be ended after 52 s.",
        &head,
        &rows,
    );
    report.goal("nothing is lost", format!("{bad:.0} calls and connections"), bad == 0.0);
    Ok(())
}
