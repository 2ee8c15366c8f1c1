//! Compressed messages of MMTP: `off`, or the rules, and the dictionaries.

use std::path::PathBuf;

use paifang_pipeline::units::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rules, Switch};
use crate::yaml::Located;

/// Which messages are compressed; where it is off, clients are told to compress nothing.
pub type Compression = Switch<CompressionRules>;

/// Which messages to clients are compressed. Those of clients that take none never are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionRules {
    /// Shorter ones go as they are. 16B to 64KiB. Default 64B.
    pub min_size: Located<ByteSize>,
    /// Longer ones go as they are: an answer is collected before it is compressed. 1KiB to 1MiB, at least `min_size`. Above 128KiB a
    /// dictionary is not used. Default 128KiB.
    pub max_size: Located<ByteSize>,
    /// How hard: 1 (fast) to 19 (small). Default 3.
    pub level: Located<i32>,
}

impl Default for CompressionRules {
    fn default() -> Self {
        Self {
            min_size: ByteSize::new(64).into(),
            max_size: ByteSize::new(128 << 10).into(),
            level: 3.into(),
        }
    }
}

/// A dictionary that clients and the gateway both have. It is no secret: every client may have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageDictionary {
    /// The file, as `paifang dict train` writes it; at most 128KiB. It is read at each reload.
    pub file: Located<PathBuf>,
    /// The channel whose messages it is for: 1 (calls) to 4, 8 to 31. Default 1.
    #[serde(default = "calls")]
    pub channel: Located<u8>,
    /// The operation whose calls it is for: `orders.create`, or `orders.*` for all whose names begin so; an API must have such a one. Default: everything on the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Located<String>>,
    /// Whether clients that have not got it may fetch it. Otherwise those alone use it that came with it. Default true.
    #[serde(default = "yes")]
    pub public: bool,
}

fn calls() -> Located<u8> {
    1.into()
}

const fn yes() -> bool {
    true
}

impl Rules for CompressionRules {
    const KEYS: &'static str = "min_size, max_size, level";
}
