//! `paifang connections`: who is connected to the running gateway by MMTP.

use super::{
    Failed,
    args::GatewayArguments,
    online::{escape, show},
    remote::Remote,
    terminal::say,
};
use clap::Args;
use serde_json::Value;
use std::fmt::Write;

/// Which connections.
#[derive(Debug, Args)]
pub(super) struct ConnectionsArguments {
    /// Only this app's.
    #[arg(long)]
    pub(super) app: Option<String>,
    /// Only this device's: its name, or `0x` and hexadecimal digits.
    #[arg(long)]
    pub(super) device: Option<String>,
    /// Only this user's.
    #[arg(long)]
    pub(super) user: Option<String>,
    /// Only those with a higher number.
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<u64>,
    /// No more than so many, 1 to 1000. Default: 50.
    #[arg(long)]
    pub(super) limit: Option<u32>,
    /// Totals instead.
    #[arg(long, conflicts_with_all = ["app", "device", "user", "after", "limit", "close"])]
    pub(super) totals: bool,
    /// Ask the client of this one to go; it comes back over another one.
    #[arg(long, value_name = "ID", conflicts_with_all = ["app", "device", "user", "after", "limit"])]
    pub(super) close: Option<u64>,
    #[command(flatten)]
    pub(super) gateway: GatewayArguments,
}

pub(super) fn run(wanted: &ConnectionsArguments) -> Result<(), Failed> {
    let remote = Remote::find(&wanted.gateway.reach);
    if let Some(number) = wanted.close {
        let path = format!("/v1/mmtp/connections/{number}/close");
        let answer = remote.post(&path, &Value::Null)?;
        if wanted.gateway.json {
            return show(&wanted.gateway, &answer);
        }
        say(&format!("the client of connection {number} is asked to go"));
        return Ok(());
    }
    if wanted.totals {
        return show(&wanted.gateway, &remote.get("/v1/mmtp")?);
    }
    let (after, limit) =
        (wanted.after.map(|id| id.to_string()), wanted.limit.map(|n| n.to_string()));
    let asked = [
        ("app", &wanted.app),
        ("device", &wanted.device),
        ("user", &wanted.user),
        ("after", &after),
        ("limit", &limit),
    ];
    let mut path = "/v1/mmtp/connections".to_owned();
    let mut sign = '?';
    for (name, value) in asked {
        if let Some(value) = value {
            // Writing into a string cannot fail.
            let _ = write!(path, "{sign}{name}={}", escape(value));
            sign = '&';
        }
    }
    show(&wanted.gateway, &remote.get(&path)?)
}
