//! The words of `paifang fleet`, and what they mean together.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use paifang_client::simnet::Profile;
use paifang_pipeline::units::HumanDuration;

/// The most clients of one fleet.
const MOST: i64 = 100_000;

/// What a fleet does.
#[derive(Debug, Args)]
pub(in crate::cli) struct FleetArguments {
    /// Whom it calls: `https://HOST:PORT` or `http://HOST:PORT`, without a path.
    #[arg(long, value_name = "URL")]
    pub(super) target: String,
    /// What the clients speak.
    #[arg(long, value_enum, default_value_t = Protocol::H2)]
    pub(super) protocol: Protocol,
    /// How many clients there are, each with one connection.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    pub(super) clients: u32,
    /// Over what time they begin, evenly.
    #[arg(long, default_value = "1s")]
    pub(super) ramp: HumanDuration,
    /// How long new calls are made, from the first client's beginning on.
    #[arg(long, default_value = "30s")]
    pub(super) duration: HumanDuration,
    /// How long a client waits before each call: one time, or evenly between two.
    #[arg(long, default_value = "1s..3s", value_name = "FROM..TO")]
    pub(super) think: Think,
    /// After this a call that has no answer is lost.
    #[arg(long, default_value = "30s")]
    pub(super) timeout: HumanDuration,
    #[command(flatten)]
    pub(super) call: CallArguments,
    #[command(flatten)]
    pub(super) line: LineArguments,
    #[command(flatten)]
    pub(super) zstd: ZstdArguments,
    /// Seed of think times and of the network.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Write the report to this file too: .html with plots, or .json. May be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Vec<PathBuf>,
}

/// What a call is.
#[derive(Debug, Args)]
pub(super) struct CallArguments {
    /// An operation instead of method and path; for MMTP.
    #[arg(long, value_name = "OPERATION", conflicts_with_all = ["method", "path"])]
    pub(super) call: Option<String>,
    /// Method of HTTP. Default: POST with a body, else GET.
    #[arg(long)]
    pub(super) method: Option<String>,
    /// Path and query of HTTP.
    #[arg(long, default_value = "/")]
    pub(super) path: String,
    /// A header of HTTP; may be given more than once.
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    pub(super) header: Vec<String>,
    /// The body; @FILE is what is in the file.
    #[arg(long, short = 'd', value_name = "TEXT|@FILE")]
    pub(super) data: Option<String>,
    /// The call may be made twice: MMTP makes it again where its outcome is unknown, as its connection has ended.
    #[arg(long)]
    pub(super) idempotent: bool,
}

/// Compressed messages.
#[derive(Debug, Args)]
pub(super) struct ZstdArguments {
    /// Send and take compressed messages, where the gateway does so too; for MMTP.
    #[arg(long)]
    pub(super) zstd: bool,
    /// The same, with the dictionaries in this folder; what the gateway has besides is fetched into it, once for all clients.
    #[arg(long, value_name = "FOLDER")]
    pub(super) dict: Option<PathBuf>,
}

/// What the connections are.
#[derive(Debug, Args)]
pub(super) struct LineArguments {
    /// The network that each client is on, simulated before its socket: clear, wifi, 4g, satellite, 3g, lossy,
    /// subway, edge.
    #[arg(long, value_name = "PROFILE")]
    pub(super) network: Option<Profile>,
    /// Clients leave after this long and come back with their next call.
    #[arg(long, value_name = "DURATION")]
    pub(super) reconnect_every: Option<HumanDuration>,
    /// Clients leave after this many calls and come back with their next one.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) calls_per_connection: Option<u32>,
    /// Clients remember no TLS session: each handshake is a full one.
    #[arg(long)]
    pub(super) cold: bool,
    /// How often an idle connection is asked for a sign of life (h2: PING; MMTP does so by itself). Default: never.
    #[arg(long, value_name = "DURATION")]
    pub(super) heartbeat: Option<HumanDuration>,
    /// Name of the server, for its certificate and the host of calls. Default: the host of --target.
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,
    /// Certificates to trust, PEM. Default: the system's.
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(super) ca: Option<PathBuf>,
    /// Take any certificate.
    #[arg(long)]
    pub(super) insecure: bool,
    /// An address to connect from; may be given more than once. Default: the system's choice, and towards loopback
    /// several of 127.0.0.0/8 when one has too few ports.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) source: Vec<IpAddr>,
}

/// What clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// HTTP/1.1 with keep-alive, by hyper.
    H1,
    /// HTTP/2, by h2.
    H2,
    /// MMTP, by the client SDK.
    Mmtp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::Mmtp => "mmtp",
        })
    }
}

/// How long a client thinks: evenly between two times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Think {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

impl Think {
    pub(super) fn draw(self, rng: &mut fastrand::Rng) -> Duration {
        self.from + (self.to - self.from).mul_f64(rng.f64())
    }
}

impl FromStr for Think {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let time = |text: &str| {
            let time = text.parse::<HumanDuration>().map_err(|error| error.to_string());
            time.map(HumanDuration::get)
        };
        let think = Self { from: time(from)?, to: time(to)? };
        match think.from <= think.to {
            true => Ok(think),
            false => Err(format!("`{text}` ends before it begins")),
        }
    }
}
