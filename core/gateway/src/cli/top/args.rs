//! What `paifang top` is asked.

use crate::{cli::args::GatewayArguments, insight::Sort};
use clap::Args;
use paifang_pipeline::units::HumanDuration;

/// What to watch.
#[derive(Debug, Args)]
pub(in crate::cli) struct TopArguments {
    /// Print a table once instead of drawing it anew.
    #[arg(long)]
    pub(super) once: bool,
    /// By what APIs are sorted, the largest first.
    #[arg(long, value_enum, default_value_t = Sort::Rate)]
    pub(super) sort: Sort,
    /// Only APIs whose id contains this.
    #[arg(long, value_name = "TEXT")]
    pub(super) filter: Option<String>,
    /// At most so many APIs, 1 to 10000.
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
    /// How often to ask, 500ms or more.
    #[arg(long, default_value = "2s", value_name = "DURATION")]
    pub(super) interval: HumanDuration,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}
