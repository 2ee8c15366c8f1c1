//! `paifang cache`: kept answers of a running gateway.

use super::{Failed, args::GatewayArguments, remote::Remote, terminal::say};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::fmt::Write;

/// What to do with kept answers.
#[derive(Debug, Subcommand)]
pub(super) enum CacheCommand {
    /// Say how much is kept, and what calls have found there.
    Status(GatewayArguments),
    /// End kept answers before their time. Everything that is named goes.
    Purge(PurgeArguments),
}

/// What to end.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub(super) struct PurgeArguments {
    /// All answers of this host and path, with whatever query.
    #[arg(long, value_name = "URL", group = "what")]
    url: Vec<String>,
    /// Answers to which the upstream gave this tag.
    #[arg(long, value_name = "TAG", group = "what")]
    tag: Vec<String>,
    /// All answers of this API.
    #[arg(long, value_name = "ID", group = "what")]
    api: Vec<String>,
    /// Everything there is.
    #[arg(long, group = "what")]
    all: bool,
    #[command(flatten)]
    gateway: GatewayArguments,
}

pub(super) fn cache(command: &CacheCommand) -> Result<(), Failed> {
    match command {
        CacheCommand::Status(gateway) => {
            let answer = Remote::find(&gateway.reach).get("/v1/cache")?;
            say(&if gateway.json { format!("{answer:#}") } else { told(&answer) });
        }
        CacheCommand::Purge(purge) => {
            let order = json!({
                "urls": purge.url, "tags": purge.tag, "apis": purge.api, "all": purge.all,
            });
            let answer = Remote::find(&purge.gateway.reach).post("/v1/cache/purge", &order)?;
            say(&if purge.gateway.json { format!("{answer:#}") } else { "purged".to_owned() });
        }
    }
    Ok(())
}

/// For people: the memory, then a line for each API that has counted something.
fn told(answer: &Value) -> String {
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!(
        "{} keys in {} of {} KiB, {} had to go",
        number(answer, "keys"),
        number(answer, "used_bytes") >> 10,
        number(answer, "memory_bytes") >> 10,
        number(answer, "evicted"),
    );
    for api in answer.get("apis").and_then(Value::as_array).into_iter().flatten() {
        let id = api.get("id").and_then(Value::as_str).unwrap_or_default();
        let found = api.get("found").and_then(Value::as_object).into_iter().flatten();
        let counts: Vec<_> = found
            .filter(|(_, count)| count.as_u64() != Some(0))
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        let counts = if counts.is_empty() { "no calls yet".to_owned() } else { counts.join(", ") };
        // Writing into a string cannot fail.
        let _ = write!(text, "\n{id}: {counts}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::told;
    use serde_json::json;

    #[test]
    fn the_status_is_for_people() {
        let answer = json!({
            "keys": 2, "used_bytes": 4096, "memory_bytes": 65536, "evicted": 1,
            "apis": [ { "id": "a", "found": { "hit": 3, "miss": 1, "stale": 0 } }, { "id": "b", "found": {} } ],
        });
        let wanted = "2 keys in 4 of 64 KiB, 1 had to go\na: 3 hit, 1 miss\nb: no calls yet";
        assert_eq!(told(&answer), wanted);
    }
}
