//! What can be switched off with one word: `off`, or rules with defaults.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// `off`, or rules with defaults; on where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Switch<R> {
    /// The word `off`.
    Off,
    /// What the rules say.
    On(R),
}

/// Rules that can be switched off.
pub trait Rules: Default {
    /// Some of their keys, for who writes something else.
    const KEYS: &'static str;
}

impl<R> Switch<R> {
    /// The rules, where it is on.
    #[must_use]
    pub const fn rules(&self) -> Option<&R> {
        match self {
            Self::Off => None,
            Self::On(rules) => Some(rules),
        }
    }
}

impl<R: Default> Default for Switch<R> {
    fn default() -> Self {
        Self::On(R::default())
    }
}

/// Reads a [`Switch`].
struct Reader<R>(PhantomData<R>);

impl<'de, R: Rules + Deserialize<'de>> Visitor<'de> for Reader<R> {
    type Value = Switch<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`off` or a map with keys such as {}", R::KEYS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Switch<R>, E> {
        match text {
            "off" => Ok(Switch::Off),
            _ => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }

    /// Nothing is an empty map.
    fn visit_unit<E: Error>(self) -> Result<Switch<R>, E> {
        Ok(Switch::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch<R>, A::Error> {
        R::deserialize(MapAccessDeserializer::new(map)).map(Switch::On)
    }
}

impl<'de, R: Rules + Deserialize<'de>> Deserialize<'de> for Switch<R> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader(PhantomData))
    }
}

impl<R: Serialize> Serialize for Switch<R> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => to.serialize_str("off"),
            Self::On(rules) => rules.serialize(to),
        }
    }
}

impl<R: JsonSchema> JsonSchema for Switch<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}OrOff", R::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        /// The word alone.
        #[derive(JsonSchema)]
        #[serde(rename_all = "snake_case")]
        enum Off {
            #[allow(dead_code)]
            Off,
        }
        let (off, rules) = (generator.subschema_for::<Off>(), generator.subschema_for::<R>());
        json_schema!({ "anyOf": [off, rules] })
    }
}
