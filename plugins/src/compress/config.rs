//! The config of `compress`.

use super::codec::Codec;
use paifang_pipeline::units::ByteSize;
use schemars::JsonSchema;
use serde::Deserialize;

/// Compresses responses as clients accept it, and decodes compressed requests where it is told to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What responses are compressed with: `zstd`, `br`, `gzip`, in the order in which they are
    /// preferred when a client likes several equally. Default all three in this order. Empty:
    /// responses are left alone.
    pub codecs: Vec<Codec>,
    /// How hard each codec works.
    pub levels: LevelsConfig,
    /// Media types of the responses to compress, 1 to 64: `text/html`, all of a kind with `text/*`,
    /// all of a syntax with `*+json`. Default text, JSON, XML, JavaScript, WebAssembly, SVG and
    /// fonts that are not compressed by themselves; the page lists them.
    pub types: Vec<String>,
    /// Responses that are known to be smaller are sent as they are. Default `1KiB`.
    pub min_size: ByteSize,
    /// When what has been compressed so far goes out. Default `auto`.
    pub flush: Flush,
    /// Decodes request bodies. Without it they go on as they are.
    pub request: Option<RequestConfig>,
}

/// Levels: the higher the smaller and slower.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LevelsConfig {
    /// 1 to 9. Default 3.
    pub zstd: u8,
    /// 1 to 6. Default 4.
    pub br: u8,
    /// 1 to 9. Default 5.
    pub gzip: u8,
}

/// When what has been compressed so far goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flush {
    /// With every piece that comes, where the response's length is not known or it is
    /// `text/event-stream`; whenever the codec sees fit, where the length is known.
    Auto,
    /// With every piece that comes.
    Always,
}

/// Which request bodies are decoded, and how large they may become.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestConfig {
    /// The codings that are taken: `gzip`, `zstd`, `br`. Default all.
    pub codecs: Vec<Codec>,
    /// The largest decoded body, 1 KiB to 1 GiB. Default `8MiB`. Where a step below needs the whole
    /// body, the API's `body_limit` counts too.
    pub limit: ByteSize,
    /// How many times larger the decoded body may be, 2 to 10000; its first 64 KiB are free.
    /// Default 100.
    pub ratio: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            codecs: vec![Codec::Zstd, Codec::Br, Codec::Gzip],
            levels: LevelsConfig::default(),
            types: super::types::DEFAULT.iter().map(|&text| text.to_owned()).collect(),
            min_size: ByteSize::new(1 << 10),
            flush: Flush::Auto,
            request: None,
        }
    }
}

impl Default for LevelsConfig {
    fn default() -> Self {
        Self { zstd: 3, br: 4, gzip: 5 }
    }
}

impl LevelsConfig {
    /// The level of a codec.
    pub(super) fn of(&self, codec: Codec) -> u8 {
        match codec {
            Codec::Zstd => self.zstd,
            Codec::Br => self.br,
            Codec::Gzip => self.gzip,
        }
    }
}

impl Default for RequestConfig {
    fn default() -> Self {
        Self {
            codecs: vec![Codec::Gzip, Codec::Zstd, Codec::Br],
            limit: ByteSize::new(8 << 20),
            ratio: 100,
        }
    }
}
