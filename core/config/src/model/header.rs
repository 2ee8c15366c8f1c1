//! Conditions on request headers in an API's `match`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What a header must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderMatch {
    /// There, with any value.
    Present,
    /// Equal to this.
    Exact(String),
    /// Beginning with this.
    Prefix(String),
}

impl<'de> Deserialize<'de> for HeaderMatch {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = HeaderMatch;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { present: true } or { prefix: … }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<HeaderMatch, E> {
                Ok(HeaderMatch::Exact(text.to_owned()))
            }
            fn visit_bool<E: Error>(self, value: bool) -> Result<HeaderMatch, E> {
                self.visit_str(if value { "true" } else { "false" })
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<HeaderMatch, E> {
                Ok(HeaderMatch::Exact(value.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderMatch, A::Error> {
                let wanted = "expected one of present, prefix";
                let read = match map.next_key::<String>()?.as_deref() {
                    Some("present") if map.next_value::<bool>()? => HeaderMatch::Present,
                    Some("present") => {
                        return Err(A::Error::custom(
                            "`present: false` is not possible here; let another API take the \
                             requests that have the header",
                        ));
                    }
                    Some("prefix") => HeaderMatch::Prefix(map.next_value()?),
                    Some(other) => {
                        return Err(A::Error::custom(format!("{wanted}, found `{other}`")));
                    }
                    None => return Err(A::Error::custom(wanted)),
                };
                match map.next_key::<String>()? {
                    None => Ok(read),
                    Some(_) => Err(A::Error::custom("one condition at a time")),
                }
            }
        }
        from.deserialize_any(Reader)
    }
}

impl Serialize for HeaderMatch {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(value) => to.serialize_str(value),
            Self::Present => {
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_entry("present", &true)?;
                map.end()
            }
            Self::Prefix(prefix) => {
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_entry("prefix", prefix)?;
                map.end()
            }
        }
    }
}

impl JsonSchema for HeaderMatch {
    fn schema_name() -> Cow<'static, str> {
        "HeaderMatch".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value that must be equal, or a condition.",
            "anyOf": [
                { "type": ["string", "integer", "boolean"] },
                {
                    "type": "object", "additionalProperties": false, "required": ["present"],
                    "properties": { "present": { "const": true } }
                },
                {
                    "type": "object", "additionalProperties": false, "required": ["prefix"],
                    "properties": { "prefix": { "type": "string" } }
                }
            ]
        })
    }
}
