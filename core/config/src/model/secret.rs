//! References to secrets.

use std::borrow::Cow;
use std::fmt;

use paifang_pipeline::SecretRef;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// `{ env: NAME }` or `{ file: path }`. A secret that is written down instead is refused, and the
/// error does not show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretAt(pub SecretRef);

impl<'de> Deserialize<'de> for SecretAt {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = SecretAt;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                from: D,
            ) -> Result<SecretAt, D::Error> {
                SecretRef::deserialize(from).map(SecretAt)
            }
        }
        from.deserialize_newtype_struct(crate::yaml::SECRET, Reader)
    }
}

impl Serialize for SecretAt {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl JsonSchema for SecretAt {
    fn inline_schema() -> bool {
        SecretRef::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        SecretRef::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        SecretRef::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecretRef::json_schema(generator)
    }
}
