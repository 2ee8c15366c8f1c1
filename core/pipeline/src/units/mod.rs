//! Quantities as people write them in YAML, each with its unit: `5m`, `1MiB`, `200/s`, `10%`.
//!
//! Every type refuses a bare number where a unit is needed, so that nobody has to guess whether
//! `timeout: 5` means seconds or milliseconds.

mod duration;
mod percent;
mod rate;
mod size;

pub use duration::HumanDuration;
pub use percent::Percent;
pub use rate::Rate;
pub use size::ByteSize;

/// Why a text is not a quantity of the wanted kind. The text says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(pub(crate) String);

/// Splits `"250ms"` into `("250", "ms")`; digits and one dot are the number.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// Serde, JSON Schema and `Display` for a unit type that parses from a string.
macro_rules! string_unit {
    ($type:ident, $pattern:literal, $description:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($description)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                from.deserialize_str(Visitor)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string", "pattern": $pattern, "description": $description
                })
            }
        }
    };
}
use string_unit;

#[cfg(test)]
mod tests;
