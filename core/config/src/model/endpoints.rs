//! The servers of an upstream: a list, or where they are found out.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use paifang_pipeline::units::HumanDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::Endpoint;
use crate::yaml::Located;

/// A list of endpoints, or their discovery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Endpoints {
    list: Vec<Endpoint>,
    /// Where they are found out; the list is empty then.
    pub discovery: Option<Discovery>,
}

/// Where endpoints are found out while the gateway runs: `dns_srv` or `file`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discovery {
    /// The name of SRV records: each is an endpoint, with its weight and priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_srv: Option<Located<String>>,
    /// A file with a list of endpoints, in YAML or JSON, relative to this one; 4MiB at most. It is read
    /// again and again, and need not be there at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Located<PathBuf>>,
    /// How often the file is looked at. 100ms to 1h. Default 1s.
    #[serde(default = "second")]
    pub interval: Located<HumanDuration>,
    /// What becomes of the last endpoints when none are found.
    #[serde(default)]
    pub when_empty: WhenEmpty,
}

fn second() -> Located<HumanDuration> {
    HumanDuration::from_secs(1).into()
}

/// What an answer without endpoints means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenEmpty {
    /// A mistake: the last endpoints stay in use. The default.
    #[default]
    Keep,
    /// What it says: there are none, and calls are refused.
    Take,
}

impl Deref for Endpoints {
    type Target = [Endpoint];

    fn deref(&self) -> &[Endpoint] {
        &self.list
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Endpoints;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of endpoints, or a map with `dns_srv` or `file`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Endpoints, A::Error> {
                let list = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Endpoints { list, discovery: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Endpoints, A::Error> {
                let discovery = Discovery::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Endpoints { list: Vec::new(), discovery: Some(discovery) })
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Serialize for Endpoints {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.discovery {
            None => self.list.serialize(to),
            Some(discovery) => discovery.serialize(to),
        }
    }
}

impl JsonSchema for Endpoints {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Endpoints".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let list = generator.subschema_for::<Vec<Endpoint>>();
        let discovery = generator.subschema_for::<Discovery>();
        json_schema!({ "anyOf": [list, discovery] })
    }
}
