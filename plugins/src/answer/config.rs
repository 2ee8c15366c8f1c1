//! The parts of an answer as YAML has them.

use crate::template::Texts;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// The status of an answer: 200 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "u16")]
pub struct Status(pub StatusCode);

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

impl Default for Status {
    fn default() -> Self {
        Self(StatusCode::OK)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(from)?;
        let status = StatusCode::from_u16(number).ok().filter(|_| (200..=599).contains(&number));
        status.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{number} is no status of an answer; those are 200 to 599"))
        })
    }
}

impl JsonSchema for Status {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 200, "maximum": 599 })
    }
}

/// What an answer is made of: borrowed from the config of whichever plugin gives one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerParts<'a> {
    pub(crate) status: Status,
    pub(crate) headers: &'a BTreeMap<String, Texts>,
    pub(crate) body: Option<&'a str>,
    pub(crate) json: Option<&'a Value>,
}
