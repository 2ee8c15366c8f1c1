//! Answers that are kept for later calls (RFC 9111).

use paifang_pipeline::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Many;
use crate::yaml::Located;

/// The memory that kept answers have, all APIs together.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheStore {
    /// How much they may take, heads and bookkeeping included: 64KiB to 1TiB. Beyond it the ones
    /// that are asked for least go. Default 64MiB.
    pub memory: Located<ByteSize>,
}

impl Default for CacheStore {
    fn default() -> Self {
        Self { memory: ByteSize::new(64 << 20).into() }
    }
}

/// How an API's answers are kept: those to GET, by what their heads say of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
// Plugins have caches too.
#[schemars(rename = "ApiCache")]
pub struct Cache {
    /// How long answers are fresh that say nothing of it themselves: 1s to 30d. Those with an error
    /// or a temporary redirect are not meant. Without it they are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Located<HumanDuration>>,
    /// The largest body that is kept, up to 64MiB. Default 1MiB.
    pub max_object: Located<ByteSize>,
    /// How long beyond its freshness an answer is still given at once, while a new one is fetched
    /// behind it. An answer's own `stale-while-revalidate` goes first. Up to 30d. Default 0s.
    pub stale_while_revalidate: Located<HumanDuration>,
    /// How long beyond its freshness an answer is given in place of an error of the upstream. An
    /// answer's own `stale-if-error` goes first. Up to 30d. Default 0s.
    pub stale_if_error: Located<HumanDuration>,
    /// How long a call waits for another one that is fetching the same, up to 1m; with 0s each
    /// fetches for itself. Default 5s.
    pub collapse: Located<HumanDuration>,
    /// What tells kept answers apart, beside the API, the host and the path.
    pub key: CacheKey,
    /// Whether clients may ask for fresher answers, by `Cache-Control` and `Pragma`. Default false.
    pub client_control: bool,
    /// The header by which the upstream gives an answer names to be purged by. Default `cache-tag`.
    pub tags: Located<String>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            ttl: None,
            max_object: ByteSize::new(1 << 20).into(),
            stale_while_revalidate: HumanDuration::from_secs(0).into(),
            stale_if_error: HumanDuration::from_secs(0).into(),
            collapse: HumanDuration::from_secs(5).into(),
            key: CacheKey::default(),
            client_control: false,
            tags: "cache-tag".to_owned().into(),
        }
    }
}

/// What tells kept answers apart, beside the API, the host and the path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheKey {
    /// The query parameters that count, at most 32; `[]` for none. Default: the whole query as it
    /// is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Many<Located<String>>>,
    /// Request headers that count, at most 16. Those that an answer's `Vary` names count anyway.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub headers: Many<Located<String>>,
    /// Cookies that count, at most 16.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub cookies: Many<Located<String>>,
    /// Whether each identity has answers of its own. Default false.
    pub identity: bool,
}
