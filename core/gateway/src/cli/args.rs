//! The command line's words.

use super::{
    about::{self, CompletionsArguments, ManArguments},
    cache::CacheCommand,
    call::{self, CallArguments},
    connections::ConnectionsArguments,
    dict::{self, DictCommand},
    fleet::FleetArguments,
    handler::HandlerCommand,
    import::ImportArguments,
    plan::PlanCommand,
    top::TopArguments,
};
use crate::Builder;
use clap::{Args, Parser, Subcommand, ValueEnum};
use paifang_config::source::Origin;
use std::path::PathBuf;

/// The config where nothing names one.
const DEFAULT_CONFIG: &str = "paifang.yaml";

/// A mobile access gateway: HTTP through chains of handlers, routed by YAML, released as
/// transactions.
#[derive(Debug, Parser)]
#[command(
    name = "paifang",
    version,
    long_version = about::VERSION.as_str(),
    after_help = "Examples:
  paifang check conf/demo.yaml
  paifang run conf/demo.yaml
  paifang explain --config conf/demo.yaml --request 'POST /v1/orders/7'
  paifang reload
  paifang rollback 3

Exit codes: 0 done, 1 refused or failed, 2 wrong use, 3 gateway not reachable; 4 and 5 of `import`: taken
in part, not at all."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway until it is told to stop.
    #[command(after_help = "Signals:
  SIGHUP                    reload the config
  SIGUSR2                   upgrade: see `paifang upgrade --help`
  SIGTERM, SIGQUIT, SIGINT  stop gracefully: no new connections, calls in flight finish within
                            `shutdown.grace`; a second one of them stops at once

Every secret must be there: a gateway never runs with placeholders.

Example:
  paifang run paifang.yaml --overlay prod.yaml")]
    Run(RunArguments),
    /// Check a config: every error at once, each at its file, line and column.
    #[command(after_help = "Examples:
  paifang check paifang.yaml --overlay prod.yaml
  paifang check paifang.yaml --secrets require   on the gateway's own machine")]
    Check(CheckArguments),
    /// Write the SHA-256 of every module of a `wasm` entry into the config, so that another file in
    /// its place is refused. Everything else in the files stays as it is, comments too.
    #[command(after_help = "Examples:
  paifang lock paifang.yaml
  paifang lock paifang.yaml --check   exits with 1 where an entry has none, or another one")]
    Lock(LockArguments),
    /// Tell the config of another gateway, or the description of an API, in ours, with a report of every
    /// line: taken, approximated, or not taken and why. What protected and could not be taken leaves its API offline.
    #[command(after_help = "Examples:
  paifang import nginx /etc/nginx/nginx.conf > paifang.yaml
  paifang import nginx nginx.conf --out /etc/paifang/ --report json
  paifang import openapi openapi.yaml --out paifang.yaml

Exit codes: 0 all taken, 4 in part, 5 nothing that is online, 1 unreadable or refused by --strict.
docs/from-nginx.md says what becomes of each directive; docs/from-apisix.md and docs/from-openapi.md the like.")]
    Import(ImportArguments),
    /// Write handlers in WebAssembly: begin one, build, test and measure it in the host that the gateway
    /// runs them in, and have it reloaded at each change.
    #[command(
        subcommand,
        after_help = "Examples:
  paifang handler new greet && cd greet
  paifang handler build
  paifang run paifang.yaml
  paifang handler dev

docs/tutorial-handler.md goes that way step by step."
    )]
    Handler(HandlerCommand),
    /// Make one call over MMTP, as an app would.
    #[command(after_help = call::EXAMPLES)]
    Call(CallArguments),
    /// Dictionaries that make small messages of MMTP shorter: train one with samples, look at it, try it.
    #[command(subcommand, after_help = dict::EXAMPLES)]
    Dict(DictCommand),
    /// Print the JSON Schema of the config, all plugins included.
    #[command(after_help = "Examples:
  paifang schema > paifang.schema.json
  paifang schema paifang.yaml > paifang.schema.json   with the handlers of its `wasm` too")]
    Schema(SchemaArguments),
    /// Say what a chain does, or which API a request belongs to and why.
    #[command(after_help = "Examples:
  paifang explain                        every API, a line each
  paifang explain orders.create          one API, step by step
  paifang explain --request 'POST https://api.example.com/v1/orders/7' --header 'x-channel: partner'
  paifang explain --live orders.create   as the running gateway has it")]
    Explain(ExplainArguments),
    /// Show what a reload would change, or how two configs differ.
    #[command(after_help = "Examples:
  paifang diff                                  the files against the running gateway
  paifang diff --config new.yaml --against old.yaml")]
    Diff(DiffArguments),
    /// Make the files the running gateway's new release, or say why not.
    #[command(after_help = "Example:
  paifang reload --admin 127.0.0.1:9900")]
    Reload(GatewayArguments),
    /// Have another process take the running gateway's place, without a lost request: the program at
    /// the path that it was started by, with the same arguments, and the files as they are.
    #[command(
        after_help = "The new process checks and compiles everything before it takes the listening sockets over. Whatever
fails on the way leaves the running one serving, and is told. SIGUSR2 does the same.

Example:
  apt-get install paifang    which does this itself
  paifang upgrade"
    )]
    Upgrade(GatewayArguments),
    /// List the releases that are kept.
    Releases(GatewayArguments),
    /// Make an earlier release live again. It stays until an explicit reload.
    #[command(after_help = "Example:
  paifang rollback 3")]
    Rollback(RollbackArguments),
    /// See, rehearse and switch the contingency plans of the running gateway.
    #[command(
        subcommand,
        after_help = "Examples:
  paifang plan list
  paifang plan rehearse big_sale
  paifang plan on big_sale --reason 'the sale begins'
  paifang plan off big_sale

A switch makes a release of what the gateway serves now, not of the files; a reload keeps the plans that
are on. docs/plans.md says how they are written."
    )]
    Plan(PlanCommand),
    /// Say how the running gateway is.
    Status(GatewayArguments),
    /// Show the upstreams of the running gateway and their endpoints' health.
    Upstreams(GatewayArguments),
    /// Show the connections of the running gateway that speak MMTP, or ask the client of one to go.
    #[command(after_help = "Examples:
  paifang connections                       the oldest 50
  paifang connections --user ann --limit 10
  paifang connections --totals              by app, version and network; by channel; ends
  paifang connections --close 4711")]
    Connections(ConnectionsArguments),
    /// Watch the running gateway: its APIs by rate, errors and times, its endpoints by health.
    #[command(
        after_help = "Keys: r e s 5 9 f i  sort by rate, errors, error share, p50, p99, in flight, id
      /  show only APIs whose id contains a text     p  pause     q  leave

Examples:
  paifang top
  paifang top --sort p99 --filter orders
  paifang top --once --sort errors --limit 10   a table, for scripts
  paifang top --json                            the numbers; docs/admin.md explains them

Rates and times are those of the last 10 s; the gateway takes them every 2 s."
    )]
    Top(TopArguments),
    /// See what the running gateway keeps of answers, and end some of it before its time.
    #[command(
        subcommand,
        after_help = "Examples:
  paifang cache status
  paifang cache purge --url https://api.example.com/v1/items
  paifang cache purge --tag shoes --tag hats
  paifang cache purge --all"
    )]
    Cache(CacheCommand),
    /// Show or change how much the running gateway logs.
    #[command(after_help = "Examples:
  paifang log-level
  paifang log-level debug
  paifang log-level 'info,paifang=trace'")]
    LogLevel(LogLevelArguments),
    /// Print a header that makes single calls log every step's verdict, time and header changes.
    #[command(after_help = "Example:
  curl -H \"$(paifang trace --seconds 60)\" http://127.0.0.1:8080/v1/orders/7")]
    Trace(TraceArguments),
    /// Have many simulated clients call a gateway, over simulated networks, and report what they met.
    #[command(after_help = "Examples:
  paifang fleet --target https://127.0.0.1:8443 --insecure --path /v1/ping
  paifang fleet --target https://gw.example.com --clients 20000 --ramp 60s --duration 5m --think 20s..40s \\
      --path '/v1/orders/7' -d '{\"item\":1}' -H 'content-type: application/json' --report fleet.html
  paifang fleet --target https://127.0.0.1:8443 --ca ca.pem --host api.example.com --network 3g \\
      --calls-per-connection 1   clients that return, with the sessions of TLS that they remember
  paifang fleet --target https://127.0.0.1:8443 --ca ca.pem --host api.example.com --protocol mmtp \\
      --call orders.create -d @order.json --dict dict/   compressed, with dictionaries; --zstd does without

Exit codes: 0 every call was answered with a status below 400, 1 some were not or none was made, 2 wrong use or limits of this machine,
3 no client could connect. docs/fleet.md says more.")]
    Fleet(Box<FleetArguments>),
    /// Print what a shell completes.
    Completions(CompletionsArguments),
    /// Write the manual, a page for each command.
    #[command(hide = true)]
    Man(ManArguments),
}

/// Which config.
#[derive(Debug, Clone, Args)]
pub(super) struct ConfigArguments {
    /// The config file. Default: `PAIFANG_CONFIG` of the environment, else paifang.yaml.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Files merged over it, in this order.
    #[arg(long, value_name = "FILE")]
    pub(super) overlay: Vec<PathBuf>,
}

impl ConfigArguments {
    /// The config file.
    pub(super) fn root(&self) -> PathBuf {
        let environment = || std::env::var_os("PAIFANG_CONFIG").filter(|name| !name.is_empty());
        let named = self.config.clone().or_else(|| environment().map(PathBuf::from));
        named.unwrap_or_else(|| DEFAULT_CONFIG.into())
    }

    /// The files, as the config loader names them.
    pub(super) fn origin(&self) -> Origin {
        Origin { root: self.root(), overlays: self.overlay.clone() }
    }

    /// A builder that reads these files.
    pub(super) fn into_builder(self, builder: Builder) -> Builder {
        let root = self.root();
        self.overlay.into_iter().fold(builder.config(root), Builder::overlay)
    }
}

/// Which config, for commands that are about nothing else.
#[derive(Debug, Clone, Args)]
pub(super) struct OneConfig {
    /// The config file; the same as --config.
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    named: ConfigArguments,
}

impl OneConfig {
    /// Whichever way it was named.
    pub(super) fn get(self) -> ConfigArguments {
        let Self { file, named } = self;
        ConfigArguments { config: file.or(named.config), ..named }
    }
}

/// What becomes of secrets that are not on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Secrets {
    /// They are errors, as they are when the gateway runs.
    Require,
    /// Placeholders stand in for them, and certificates and keys are not looked at; a note on
    /// standard error lists them.
    Placeholder,
}

/// Which schema.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// A config that can be compiled: the handlers of its `wasm` are kinds of steps too.
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// Files merged over it, in this order.
    #[arg(long, value_name = "FILE", requires = "config")]
    overlay: Vec<PathBuf>,
}

impl SchemaArguments {
    /// The config, where one is named.
    pub(super) fn get(self) -> Option<ConfigArguments> {
        let overlay = self.overlay;
        self.config.map(|config| ConfigArguments { config: Some(config), overlay })
    }
}

/// How to check.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    pub(super) config: OneConfig,
    /// What becomes of secrets that are not on this machine.
    #[arg(long, value_enum, default_value_t = Secrets::Placeholder)]
    pub(super) secrets: Secrets,
}

/// How to lock.
#[derive(Debug, Args)]
pub(super) struct LockArguments {
    #[command(flatten)]
    pub(super) config: OneConfig,
    /// Write nothing; say which entries have no SHA-256 or that of another file.
    #[arg(long)]
    pub(super) check: bool,
}

/// How to run.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) config: OneConfig,
    /// Where releases are kept, whatever the config says: with it the last good release is found
    /// even when the config cannot be read at all.
    #[arg(long, env = "PAIFANG_RELEASES", value_name = "DIRECTORY")]
    pub(super) releases: Option<PathBuf>,
    /// Where the compiled code of WASM handlers is kept, so that a start needn't compile them again: a
    /// directory of this user alone, made with mode 0700. Default: none is kept.
    #[arg(long, env = "PAIFANG_CODE_CACHE", value_name = "DIRECTORY")]
    pub(super) code_cache: Option<PathBuf>,
    /// How many threads serve calls. Default: one a core.
    #[arg(long, env = "PAIFANG_WORKERS")]
    pub(super) workers: Option<std::num::NonZeroUsize>,
    /// How the gateway's own log is written. Default: `log.format` of the config.
    #[arg(long, env = "PAIFANG_LOG_FORMAT", value_enum)]
    pub(super) log_format: Option<LogFormat>,
}

/// How the gateway's own log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Which running gateway, and how it answers.
#[derive(Debug, Clone, Args)]
pub(super) struct GatewayArguments {
    #[command(flatten)]
    pub(super) reach: Reach,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which running gateway.
#[derive(Debug, Clone, Args)]
pub(super) struct Reach {
    /// Address of its admin API. Default: `admin.address` of the config file where there is one,
    /// else 127.0.0.1:9900.
    #[arg(long, env = "PAIFANG_ADMIN", value_name = "HOST:PORT")]
    pub(super) admin: Option<String>,
    /// The admin token, where the gateway wants one.
    #[arg(long, env = "PAIFANG_ADMIN_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    #[command(flatten)]
    pub(super) config: ConfigArguments,
}

/// What to explain.
#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// An API's id; every API where neither this nor `--request` is given.
    pub(super) api: Option<String>,
    /// A request: method and target, which may name a host.
    #[arg(long, value_name = "'METHOD TARGET'", conflicts_with = "api")]
    pub(super) request: Option<String>,
    /// A header of the request.
    #[arg(long, value_name = "'NAME: VALUE'", requires = "request")]
    pub(super) header: Vec<String>,
    /// The listener that the request comes by. Default: the first one of the config.
    #[arg(long, value_name = "NAME", requires = "request")]
    pub(super) listener: Option<String>,
    /// Ask the running gateway instead of reading the files.
    #[arg(long)]
    pub(super) live: bool,
    /// What becomes of secrets that are not on this machine.
    #[arg(long, value_enum, default_value_t = Secrets::Placeholder)]
    pub(super) secrets: Secrets,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

/// What to compare.
#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The older config file; the running gateway where absent.
    #[arg(long, value_name = "FILE")]
    pub(super) against: Option<PathBuf>,
    /// With --against: what becomes of secrets that are not on this machine.
    #[arg(long, value_enum, default_value_t = Secrets::Placeholder)]
    pub(super) secrets: Secrets,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

/// What to go back to.
#[derive(Debug, Args)]
pub(super) struct RollbackArguments {
    /// The release's number.
    pub(super) number: u64,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

/// How much to log.
#[derive(Debug, Args)]
pub(super) struct LogLevelArguments {
    /// A level, or directives such as `info,paifang=debug`. Shows the present one where absent.
    pub(super) level: Option<String>,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

/// How long to trace.
#[derive(Debug, Args)]
pub(super) struct TraceArguments {
    /// How long the header is good for, in seconds: 1 to 3600.
    #[arg(long, default_value_t = 300)]
    pub(super) seconds: u64,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_words_make_sense_together() {
        Arguments::command().debug_assert();
    }
}
