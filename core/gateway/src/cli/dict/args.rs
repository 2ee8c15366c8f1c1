//! What `paifang dict` is asked.

use clap::{Args, Subcommand};
use paifang_pipeline::units::ByteSize;
use std::path::PathBuf;

/// What stands below the command's help.
pub(in crate::cli) const EXAMPLES: &str = "Examples:
  paifang dict train samples/orders/ -o dict/orders.zdict
  paifang dict info dict/orders.zdict
  paifang dict try dict/orders.zdict --lines today.jsonl

docs/dictionaries.md says what they are good for, and what must not be in them.";

/// What to do with dictionaries.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DictCommand {
    /// Train a dictionary with samples of messages, and say what it gains on samples that it was not trained with.
    #[command(after_help = "Examples:
  paifang dict train samples/orders/
  paifang dict train --lines orders.jsonl --size 32KiB -o dict/orders.zdict

Every client gets the dictionary, and parts of samples stand in it as they are. So samples that seem to hold
secrets are refused; --allow-secrets takes them all the same.

Exit codes: 0 written, 1 refused or failed, 2 wrong use.")]
    Train(TrainArguments),
    /// Say what a dictionary is: its name, size and memory.
    #[command(after_help = "Example:
  paifang dict info dict/orders.zdict")]
    Info(InfoArguments),
    /// Say what a dictionary gains on messages.
    #[command(after_help = "Example:
  paifang dict try dict/orders.zdict samples/today/
  paifang dict try dict/orders.zdict --lines today.jsonl --level 9")]
    Try(TryArguments),
}

/// Which messages.
#[derive(Debug, Args)]
pub(in crate::cli) struct SampleArguments {
    /// Files of one message each, and folders of such files, with what is below them.
    #[arg(value_name = "FILE|FOLDER", required = true)]
    pub(super) from: Vec<PathBuf>,
    /// Each line of a file is a message, such as in JSON lines.
    #[arg(long)]
    pub(super) lines: bool,
}

/// How to train.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrainArguments {
    #[command(flatten)]
    pub(super) samples: SampleArguments,
    /// The dictionary's size: 1KiB to 128KiB. More than 64KiB seldom pays for small messages.
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub(super) size: ByteSize,
    /// How many of a hundred messages are kept back to be tried with it; the same messages each time.
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=90))]
    pub(super) hold_out: u8,
    /// The level that the trial compresses at, 1 to 19.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(super) level: i32,
    /// Where to write it. Default: a file in this folder that bears the dictionary's name.
    #[arg(short, long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    pub(super) force: bool,
    /// Take samples that seem to hold secrets.
    #[arg(long)]
    pub(super) allow_secrets: bool,
    /// Print one JSON document instead of a text.
    #[arg(long)]
    pub(super) json: bool,
}

/// Of which dictionary to tell.
#[derive(Debug, Args)]
pub(in crate::cli) struct InfoArguments {
    /// The dictionary.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Print one JSON document instead of a text.
    #[arg(long)]
    pub(super) json: bool,
}

/// What to try.
#[derive(Debug, Args)]
pub(in crate::cli) struct TryArguments {
    /// The dictionary.
    #[arg(value_name = "DICTIONARY")]
    pub(super) dictionary: PathBuf,
    #[command(flatten)]
    pub(super) samples: SampleArguments,
    /// The level to compress at, 1 to 19.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(super) level: i32,
    /// Print one JSON document instead of a text.
    #[arg(long)]
    pub(super) json: bool,
}
