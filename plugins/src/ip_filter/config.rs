//! The config of `ip_filter`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Lets clients pass, or refuses them, by their address. At most 100,000 networks in both lists.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IpFilterConfig {
    /// Addresses and networks, such as `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`: only their
    /// clients pass. Where absent, all pass that `deny` does not name.
    pub allow: Option<Vec<String>>,
    /// Addresses and networks whose clients are refused, though `allow` names them too. Default:
    /// none.
    pub deny: Vec<String>,
}
