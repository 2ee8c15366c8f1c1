//! Texts as people write them in YAML: `5` and `true` are texts too where a text is wanted.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// A text; whole numbers and booleans are taken as they are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Text(pub String);

/// One text or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Texts(pub Vec<Text>);

macro_rules! scalars {
    ($value:ty, $wrap:expr) => {
        fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
            Ok($wrap(text.to_owned()))
        }
        fn visit_bool<E: Error>(self, value: bool) -> Result<$value, E> {
            Ok($wrap(value.to_string()))
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<$value, E> {
            Ok($wrap(value.to_string()))
        }
        fn visit_i64<E: Error>(self, value: i64) -> Result<$value, E> {
            Ok($wrap(value.to_string()))
        }
    };
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            scalars!(Text, Text);
        }
        from.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            scalars!(Texts, |text| Texts(vec![Text(text)]));
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                if texts.is_empty() {
                    return Err(A::Error::custom("an empty list of texts"));
                }
                Ok(Texts(texts))
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer", "boolean"] })
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": ["string", "integer", "boolean"] },
                { "type": "array", "minItems": 1, "items": { "type": ["string", "integer", "boolean"] } }
            ]
        })
    }
}
