//! Zones of MMTP: where users are at home.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostPort, Id};
use crate::yaml::Located;

/// Where users are at home: here, or elsewhere. Whose credential `authenticate` has looked at, is somebody's of a zone: the one that its answer
/// names in `header`, else the one of the user's shard, else this one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    /// This gateway's own zone. Calls that it sends to another one say so in `CDN-Loop` (RFC 8586), and one that comes back is refused.
    pub here: Located<Id>,
    /// The field of `authenticate`'s answer that names the user's zone. Default `x-zone`.
    #[serde(default = "header")]
    pub header: Located<String>,
    /// Zones by shard: a user's shard is the number in the first 8 bytes (big-endian) of the SHA-256 of the user's id, modulo how many
    /// there are. At most 4096; a zone may have several. Without it users of whom `header` says nothing are at home here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shards: Vec<Located<Id>>,
    /// The other zones by name.
    pub homes: IndexMap<Id, Located<ZoneHome>>,
}

/// A zone elsewhere; one of the two keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneHome {
    /// Its clients are sent there: their connections end with 3002 (`moved`) and these addresses, the best first. At most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved_to: Vec<HostPort>,
    /// Its clients stay connected here, and their calls go to this upstream, a gateway of their zone, instead of the APIs' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Located<Id>>,
}

fn header() -> Located<String> {
    "x-zone".to_owned().into()
}
