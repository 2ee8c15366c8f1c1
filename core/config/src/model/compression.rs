//! Compressed messages of MMTP: `off`, or the rules, and the dictionaries.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use paifang_pipeline::units::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::yaml::Located;

/// `off`, or rules with defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compression {
    /// Nothing is compressed, and clients are told to compress nothing.
    Off,
    /// Messages are, where these say so.
    On(CompressionRules),
}

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
    /// The operation whose calls it is for: `orders.create`, or `orders.*` for all whose names begin so. Default: everything on the channel.
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

impl Compression {
    /// The rules, where it is on.
    #[must_use]
    pub const fn rules(&self) -> Option<&CompressionRules> {
        match self {
            Self::Off => None,
            Self::On(rules) => Some(rules),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::On(CompressionRules::default())
    }
}

impl<'de> Deserialize<'de> for Compression {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Compression;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`off` or a map with keys such as min_size, max_size, level")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Compression, E> {
                match text {
                    "off" => Ok(Compression::Off),
                    _ => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
                }
            }
            /// Nothing is an empty map.
            fn visit_unit<E: Error>(self) -> Result<Compression, E> {
                Ok(Compression::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Compression, A::Error> {
                CompressionRules::deserialize(MapAccessDeserializer::new(map)).map(Compression::On)
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Serialize for Compression {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_str("off"),
            Self::On(rules) => rules.serialize(to),
        }
    }
}

impl JsonSchema for Compression {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Compression".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        /// The word alone.
        #[derive(JsonSchema)]
        #[serde(rename_all = "snake_case")]
        enum Off {
            #[allow(dead_code)]
            Off,
        }
        let (off, rules) =
            (generator.subschema_for::<Off>(), generator.subschema_for::<CompressionRules>());
        json_schema!({ "anyOf": [off, rules] })
    }
}
