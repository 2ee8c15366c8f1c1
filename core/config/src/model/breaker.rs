//! When something that keeps failing is left alone: `off`, or the rules.

use std::borrow::Cow;
use std::fmt;

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::yaml::Located;

/// `off`, or rules with defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum Breaker {
    /// Every call is tried.
    Off,
    /// Calls are refused while these say so.
    On(BreakerRules),
}

/// When calls are refused, and how long.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRules {
    /// It opens when this share of the calls in `window` has failed. 1% to 100%. Default 50%.
    pub failures: Located<Percent>,
    /// Fewer calls in `window` than this never open it: 1 to 100000. Default 20.
    pub calls: Located<u32>,
    /// Over how long calls are counted. 100ms to 10m. Default 10s.
    pub window: Located<HumanDuration>,
    /// How long it is open before a single call is tried. 10ms to 1h. Default 1s.
    pub backoff: Located<HumanDuration>,
    /// Each failed try doubles that time up to this. 10ms to 1h, at least `backoff`. Default 60s.
    pub backoff_max: Located<HumanDuration>,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: "50%".parse().unwrap_or(Percent::ALL).into(),
            calls: 20.into(),
            window: HumanDuration::from_secs(10).into(),
            backoff: HumanDuration::from_secs(1).into(),
            backoff_max: HumanDuration::from_secs(60).into(),
        }
    }
}

impl Breaker {
    /// The rules, where it is on.
    #[must_use]
    pub const fn rules(&self) -> Option<&BreakerRules> {
        match self {
            Self::Off => None,
            Self::On(rules) => Some(rules),
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self::On(BreakerRules::default())
    }
}

impl<'de> Deserialize<'de> for Breaker {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Breaker;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`off` or a map with keys such as failures, calls, window")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Breaker, E> {
                match text {
                    "off" => Ok(Breaker::Off),
                    _ => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
                }
            }
            /// Nothing is an empty map.
            fn visit_unit<E: Error>(self) -> Result<Breaker, E> {
                Ok(Breaker::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Breaker, A::Error> {
                BreakerRules::deserialize(MapAccessDeserializer::new(map)).map(Breaker::On)
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Serialize for Breaker {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_str("off"),
            Self::On(rules) => rules.serialize(to),
        }
    }
}

impl JsonSchema for Breaker {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Breaker".into()
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
            (generator.subschema_for::<Off>(), generator.subschema_for::<BreakerRules>());
        json_schema!({ "anyOf": [off, rules] })
    }
}
