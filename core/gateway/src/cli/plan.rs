//! `paifang plan`: the contingency plans of a running gateway.

use super::{
    Failed,
    args::GatewayArguments,
    online::{escape, show},
    remote::Remote,
};
use clap::{Args, Subcommand};
use serde_json::json;

/// What to do with plans.
#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// List the plans, which are on, what they change, and who switched them lately.
    List(GatewayArguments),
    /// Switch a plan on.
    On(SwitchArguments),
    /// Switch a plan off.
    Off(SwitchArguments),
    /// Say what switching a plan would change, and what it would mean by what calls do now. Changes
    /// nothing.
    Rehearse(PlanArguments),
}

/// Which plan.
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The plan's name.
    name: String,
    #[command(flatten)]
    gateway: GatewayArguments,
}

/// Which plan, and why.
#[derive(Debug, Args)]
pub(super) struct SwitchArguments {
    /// The plan's name.
    name: String,
    /// Why, for those who ask later: one line of up to 500 characters.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    gateway: GatewayArguments,
}

pub(super) fn plan(command: &PlanCommand) -> Result<(), Failed> {
    match command {
        PlanCommand::List(gateway) => {
            show(gateway, &Remote::find(&gateway.reach).get("/v1/plans")?)
        }
        PlanCommand::On(wanted) => switch(wanted, "on"),
        PlanCommand::Off(wanted) => switch(wanted, "off"),
        PlanCommand::Rehearse(wanted) => {
            let path = format!("/v1/plans/{}/rehearsal", escape(&wanted.name));
            show(&wanted.gateway, &Remote::find(&wanted.gateway.reach).get(&path)?)
        }
    }
}

fn switch(wanted: &SwitchArguments, to: &str) -> Result<(), Failed> {
    let path = format!("/v1/plans/{}/{to}", escape(&wanted.name));
    let body = json!({ "reason": wanted.reason });
    show(&wanted.gateway, &Remote::find(&wanted.gateway.reach).post(&path, &body)?)
}
