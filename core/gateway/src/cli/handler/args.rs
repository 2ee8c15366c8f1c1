//! The words of `paifang handler`.

use super::new::{Stage, name};
use crate::cli::args::Reach;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to do with a handler.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum HandlerCommand {
    /// Make the package of a new handler, which builds and works as it is.
    #[command(after_help = "Examples:
  paifang handler new greet
  paifang handler new audit --stage request,log --path handlers/audit")]
    New(HandlerNew),
    /// Build a handler, and run its probes in the host that the gateway runs it in.
    #[command(after_help = "Examples:
  paifang handler build
  paifang handler build greet --out conf/handlers/greet.wasm

The compiler is the active Rust toolchain where it has the target wasm32-unknown-unknown. Where it has
not, rustup is asked to add it, or Debian's packages are installed where that needs no password; else
the line to type is said.")]
    Build(HandlerBuild),
    /// Build and test a handler at each change of its source, and have the running gateway reload it.
    #[command(after_help = "Examples:
  paifang handler dev
  paifang handler dev greet --config conf/paifang.yaml
  paifang handler dev --once      once, for scripts

The module goes where the config's `wasm` entry says. What does not build, or fails a probe or a case of
tests/cases.yaml, goes nowhere. Ctrl-C ends it.")]
    Dev(HandlerDev),
    /// Run the cases that a module carries, and those of case files.
    #[command(after_help = "Examples:
  paifang handler test handlers/risk-score.wasm
  paifang handler test handlers/risk-score.wasm tests/cases.yaml")]
    Test(HandlerTest),
    /// Say what a module is and wants: stages, grants, config, probes, size.
    #[command(after_help = "Example:
  paifang handler inspect handlers/risk-score.wasm")]
    Inspect(HandlerFile),
    /// Measure what a call costs, with a fresh and with a reused instance.
    #[command(after_help = "Examples:
  paifang handler bench handlers/risk-score.wasm
  paifang handler bench handlers/risk-score.wasm --cases tests/cases.yaml --calls 100000

Times are of all stages of a case together, on this machine and now.")]
    Bench(HandlerBench),
}

/// What to begin.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerNew {
    /// The handler's name: a package's, so lower-case letters, digits, `-` and `_`.
    #[arg(value_parser = name::parse)]
    pub(super) name: String,
    /// The folder to make. Default: NAME.
    #[arg(long, value_name = "DIR")]
    pub(super) path: Option<PathBuf>,
    /// The stages that it takes part in.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "request,response")]
    pub(super) stage: Vec<Stage>,
}

/// What to build.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerBuild {
    #[command(flatten)]
    pub(super) source: HandlerSource,
    /// Where the module is put. Default: target/handlers/NAME.wasm in the folder of its workspace,
    /// which is the package's own where it is in none.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// Which package.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerSource {
    /// The package's folder.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(super) folder: PathBuf,
    /// Fetch nothing: neither crates nor a compiler.
    #[arg(long)]
    pub(super) offline: bool,
}

/// What to work on.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerDev {
    #[command(flatten)]
    pub(super) source: HandlerSource,
    /// The `wasm` entry of the config whose file is replaced. Default: that which names a file
    /// NAME.wasm, or is called NAME.
    #[arg(long, value_name = "NAME", conflicts_with = "out")]
    pub(super) entry: Option<String>,
    /// The file that is replaced, whatever the config says.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Do it once, and exit with how it went.
    #[arg(long)]
    pub(super) once: bool,
    #[command(flatten)]
    pub(super) gateway: Reach,
}

/// Which module.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerFile {
    /// The module's file: a component, or a core module that wit-bindgen made.
    #[arg(value_name = "MODULE")]
    pub(super) file: PathBuf,
}

/// What to test.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerTest {
    #[command(flatten)]
    pub(super) module: HandlerFile,
    /// Case files, beside the probes that the module carries.
    #[arg(value_name = "CASES")]
    pub(super) cases: Vec<PathBuf>,
}

/// What to measure.
#[derive(Debug, Args)]
pub(in crate::cli) struct HandlerBench {
    #[command(flatten)]
    pub(super) module: HandlerFile,
    /// The case file. Default: the probes that the module carries.
    #[arg(long, value_name = "CASES")]
    pub(super) cases: Option<PathBuf>,
    /// How many calls of each case: 1 to 10000000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) calls: u32,
}
