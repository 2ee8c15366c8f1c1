//! `ip_filter`: who calls from these addresses passes, or is refused.
//!
//! `deny` wins over `allow`, however narrow the networks are. In a chain it refuses calls, in a
//! listener's `accept` it closes connections. Page: `docs/plugins/ip_filter.md`.

mod config;
pub mod errors;
mod networks;
mod ranges;
#[cfg(test)]
mod tests;

pub use config::IpFilterConfig;

use networks::{Lists, Networks};
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Connection, ErrorCode, Handler, Plugin, RequestCall, Stages,
    Verdict,
};
use std::{net::IpAddr, sync::Arc};

/// The most entries of both lists of a step.
const MAX_NETWORKS: usize = 100_000;

/// The plugin.
#[derive(Default)]
pub struct IpFilter {
    lists: Lists,
}

impl Plugin for IpFilter {
    type Config = IpFilterConfig;

    fn kind(&self) -> &'static str {
        "ip_filter"
    }

    fn errors(&self) -> &'static [&'static ErrorCode] {
        errors::ROWS
    }

    fn build(&self, config: IpFilterConfig, _: &BuildContext<'_>) -> Result<Built, ConfigError> {
        let IpFilterConfig { allow, deny } = config;
        let count = allow.as_ref().map_or(0, Vec::len) + deny.len();
        if count > MAX_NETWORKS {
            let message = format!("a step has at most {MAX_NETWORKS} networks, not {count}");
            return Err(ConfigError::at("", message)
                .help("networks side by side are one: write `10.0.0.0/23` for two of 24 bits"));
        }
        let allow = match allow {
            Some(list) if list.is_empty() => {
                return Err(ConfigError::at("/allow", "an empty list would let nobody in")
                    .help("leave `allow` away to let all in that `deny` does not name"));
            }
            Some(list) => Some(self.lists.get(&list, "/allow")?),
            None if deny.is_empty() => {
                return Err(ConfigError::at("", "neither `allow` nor `deny` names a network")
                    .help("write `allow: [ 10.0.0.0/8 ]`, `deny: [ 192.0.2.7 ]`, or both"));
            }
            None => None,
        };
        Ok(Built::new(Step { allow, deny: self.lists.get(&deny, "/deny")? }))
    }
}

/// The handler.
struct Step {
    /// `None` lets all in that `deny` has not.
    allow: Option<Arc<Networks>>,
    deny: Arc<Networks>,
}

impl Step {
    fn admits(&self, client: IpAddr) -> bool {
        self.allow.as_ref().is_none_or(|allow| allow.has(client)) && !self.deny.has(client)
    }
}

impl Handler for Step {
    fn stages(&self) -> Stages {
        Stages::REQUEST.and(Stages::ACCEPT)
    }

    fn accept(&self, connection: &Connection) -> bool {
        self.admits(connection.client.ip())
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        if self.admits(call.facts().client_ip) {
            Verdict::Continue
        } else {
            Verdict::reject(errors::ADDRESS_REFUSED)
        }
    }
}
