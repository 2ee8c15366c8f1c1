//! Handlers in WebAssembly: the file of each, what it may use, and its limits.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;

use paifang_pipeline::units::{ByteSize, HumanDuration, Rate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Breaker, Id};
use crate::yaml::{Digest, Located};

/// A handler in WebAssembly. Its name is a kind of step like any other.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wasm {
    /// The component, relative to the file in which this stands; 64MiB at most.
    pub file: Located<PathBuf>,
    /// SHA-256 of the file: 64 hex digits, which `paifang lock` writes. Another file is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Located<Sha256>>,
    /// Calls that an instance serves before a fresh one takes its place, 0 to 1000000; with 0 each
    /// call has an instance of its own. Default 0.
    #[serde(default)]
    pub reuse: Located<u32>,
    /// What it may use, each once; `{ http: [ idp ] }` for calls to upstreams. Nothing else is there
    /// for it.
    #[serde(default)]
    pub grants: Vec<Located<Grant>>,
    /// The store that `kv` keeps its values in, one of `stores`. Default: this gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Located<Id>>,
    /// Whether it protects what stands behind it: then no plan may leave its steps out or put others in
    /// their place. Default true.
    #[serde(default = "protects")]
    pub protects: bool,
    /// How much of everything it may use.
    #[serde(default)]
    pub limits: WasmLimits,
    /// When it is not called any more because it fails, and its steps fail at once.
    #[serde(default)]
    pub breaker: Breaker,
}

const fn protects() -> bool {
    true
}

/// Something that a handler may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// Lines in the gateway's log.
    Log,
    /// The time.
    Clock,
    /// Random bytes.
    Random,
    /// Values by key that outlive a call, the same for all its steps.
    Kv,
    /// Hashes and signatures, by the gateway's own provider.
    Crypto,
    /// Counters of its own.
    Metrics,
    /// To say who the caller is.
    Identity,
    /// What steps hand on to each other.
    Slots,
    /// Calls to these upstreams, at least one: `{ http: [ idp ] }`.
    Http(Vec<Located<Id>>),
}

impl Grant {
    /// Its word in YAML.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Kv => "kv",
            Self::Crypto => "crypto",
            Self::Metrics => "metrics",
            Self::Identity => "identity",
            Self::Slots => "slots",
            Self::Http(_) => "http",
        }
    }
}

/// How much a handler may use. What is beyond a limit fails the call, not the gateway.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WasmLimits {
    /// Memory of an instance, all its memories together. 64KiB to 1GiB. Default 16MiB.
    pub memory: Located<ByteSize>,
    /// Elements of an instance's tables together: 1 to 1000000. Default 10000.
    pub table: Located<u32>,
    /// How long a call of it may compute without waiting. 1ms to 1s. Default 10ms.
    pub cpu: Located<HumanDuration>,
    /// How long a call of it may take, waiting included. 10ms to 60s. Default 3s.
    pub wall: Located<HumanDuration>,
    /// The largest body that is handed in or taken back. 1KiB to 64MiB. Default 1MiB.
    pub body: Located<ByteSize>,
    /// Instances at once: 1 to 10000. Default 64.
    pub instances: Located<u32>,
    /// Lines of log; more are dropped and counted. Default 100/s.
    pub log_rate: Rate,
    /// Values in its store: 1 to 10000000. Default 10000.
    pub kv_entries: Located<u32>,
    /// Keys and values in its store together. 1KiB to 16GiB. Default 16MiB.
    pub kv_bytes: Located<ByteSize>,
    /// One value in its store. 1B to 16MiB. Default 64KiB.
    pub kv_value: Located<ByteSize>,
}

impl Default for WasmLimits {
    fn default() -> Self {
        Self {
            memory: ByteSize::new(16 << 20).into(),
            table: 10_000.into(),
            cpu: HumanDuration::from_millis(10).into(),
            wall: HumanDuration::from_secs(3).into(),
            body: ByteSize::new(1 << 20).into(),
            instances: 64.into(),
            log_rate: Rate::per_second(NonZeroU64::MIN.saturating_add(99)),
            kv_entries: 10_000.into(),
            kv_bytes: ByteSize::new(16 << 20).into(),
            kv_value: ByteSize::new(64 << 10).into(),
        }
    }
}

/// The SHA-256 of a file, in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub Digest);

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Sha256;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("64 hex digits")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Sha256, E> {
                Digest::from_hex(text).map(Sha256).ok_or_else(|| {
                    E::custom(format!(
                        "expected the 64 hex digits of a SHA-256, found `{}`",
                        crate::yaml::cut(text)
                    ))
                })
            }
        }
        from.deserialize_str(Reader)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl JsonSchema for Sha256 {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Sha256".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" })
    }
}
