//! CPU per request of what is done with answers: compressing them, keeping them; against nginx.

use std::fmt::Write;

use super::{
    Args,
    conf::{self, OneApi},
    peer::Peer,
    proxy,
    report::Report,
    stats::Spread,
};
use crate::{
    failure::{Failure, Result},
    run, tree,
};

/// Items of the page: about 16 KiB of JSON.
const ITEMS: usize = 96;
/// The level of both for gzip. The libraries differ, so the sizes are told beside.
const LEVEL: u32 = 5;

/// Measures and writes the tables.
///
/// # Errors
/// When a peer or the load fails.
pub(crate) fn measure(args: &Args, report: &mut Report) -> Result<()> {
    tree::write(&report.dir().join("page.json"), &page())?;
    let upstream = Peer::upstream_of(report.dir(), &conf::nginx_page(report.dir()))?;
    compressed(args, report, upstream.port)?;
    kept(args, report, upstream.port)
}

fn compressed(args: &Args, report: &mut Report, upstream: u16) -> Result<()> {
    let gateway = |codec: &str, level: u32| {
        let handlers =
            format!("compress: {{ codecs: [ {codec} ], levels: {{ {codec}: {level} }} }}");
        let api = OneApi { handlers: &handlers, ..OneApi::default() };
        gateway(report, &format!("paifang, {codec} {level}"), api, upstream)
    };
    let mut peers = [
        gateway("gzip", LEVEL)?,
        gateway("gzip", 1)?,
        gateway("zstd", 3)?,
        gateway("br", 4)?,
        Peer::nginx(report.dir(), &conf::nginx_gzip(upstream, LEVEL))?,
        Peer::nginx(report.dir(), &conf::nginx_gzip(upstream, 1))?,
    ];
    for (at, name) in [(4, format!("nginx, gzip {LEVEL}")), (5, "nginx, gzip 1".to_owned())] {
        peers[at].name = name;
    }
    for (peer, codec) in peers.iter_mut().zip(["gzip", "gzip", "zstd", "br", "gzip", "gzip"]) {
        peer.headers.push(format!("accept-encoding: {codec}"));
    }
    let title = format!("A compressed answer, {} bytes of JSON", page().len());
    compare(args, report, &title, &peers, &[(0, 4), (1, 5), (2, 4), (3, 4), (4, 4), (5, 5)])
}

fn kept(args: &Args, report: &mut Report, upstream: u16) -> Result<()> {
    let api = OneApi { options: "    cache: { ttl: 1h }\n", ..OneApi::default() };
    let peers = [
        gateway(report, "paifang, cache", api, upstream)?,
        gateway(report, "paifang, proxied", OneApi::default(), upstream)?,
        Peer::nginx(report.dir(), &conf::nginx_cache(report.dir(), upstream))?,
    ];
    let title = format!("A kept answer, {} bytes", page().len());
    compare(args, report, &title, &peers, &[(0, 2), (1, 2), (2, 2)])
}

fn gateway(report: &Report, name: &str, api: OneApi<'_>, upstream: u16) -> Result<Peer> {
    let ports = conf::Ports::free()?;
    let dir = report.subdir(&name.replace([',', ' '], "-"))?;
    Peer::gateway(name, &api.write(&dir, ports, upstream)?, ports)
}

/// A row for each pair: a peer, and the one that it is compared with.
fn compare(
    args: &Args,
    report: &mut Report,
    title: &str,
    peers: &[Peer],
    pairs: &[(usize, usize)],
) -> Result<()> {
    let all = proxy::rounds(args, peers)?;
    let cpu = |at: usize| -> Vec<f64> { all[at].iter().map(|round| round.cpu).collect() };
    let mut rows = Vec::new();
    for (at, against) in pairs {
        let ratio = Spread::of_ratios(&cpu(*at), &cpu(*against));
        rows.push(vec![
            peers[*at].name.clone(),
            Spread::of(&cpu(*at)).to_string(),
            format!("{ratio:.2}"),
            size(&peers[*at])?.to_string(),
        ]);
    }
    let head = ["proxy", "CPU µs", "x nginx of the same level", "bytes"];
    report.table(title, &proxy::how(args), &head, &rows);
    Ok(())
}

/// The bytes of an answer's body as they come.
fn size(peer: &Peer) -> Result<usize> {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-s", "-o", "/dev/null", "-w", "%{size_download}"]);
    for header in &peer.headers {
        curl.args(["-H", header]);
    }
    let said = run::captured(curl.arg(format!("http://127.0.0.1:{}/", peer.port)))?;
    let size = said.text.trim().parse().ok().filter(|_| said.success);
    size.ok_or_else(|| Failure::Failed(format!("{}: no size: {}", peer.name, said.text)))
}

/// JSON such as a list of a shop's articles: names and keys repeat, numbers do not.
fn page() -> String {
    let mut text = String::from("{\"items\":[");
    let mut seed: u32 = 7;
    for item in 0..ITEMS {
        // Numerical Recipes' generator: the same page at each run.
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        let (sku, price, stock) = (next(), next() % 100_000, next() % 1_000);
        let comma = if item == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}{{\"id\":\"article-{sku:08x}\",\"name\":\"Article number {item}\",\"price\":{{\"amount\":{price},\
             \"currency\":\"EUR\"}},\"in_stock\":{stock},\"tags\":[\"new\",\"summer\"],\"image\":\"/images/{sku:08x}.webp\"}}"
        );
    }
    text + "]}"
}
