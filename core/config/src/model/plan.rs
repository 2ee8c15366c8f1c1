//! Plans: edits of chains that are prepared in quiet hours, for loud ones.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Many, OneStep};
use crate::diag::Problems;
use crate::yaml::{Located, Node};

/// The most plans of one config.
pub const MOST_PLANS: usize = 64;
/// The most changes of one plan.
pub const MOST_CHANGES: usize = 64;
/// The longest text about a plan, in characters.
pub const LONGEST_ABOUT: usize = 500;

/// Edits of chains that are made when the plan is switched on, and only then.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is for and what it gives up, in up to 500 characters.
    #[serde(default)]
    pub about: Located<String>,
    /// What it changes, 1 to 64 changes, each made to what the ones above have made.
    pub changes: Vec<Located<Change>>,
}

/// One change: exactly one of `with`, `replace`, `remove` and `add`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The APIs, by id or by a pattern with `*` and `?`, up to 64; `-` stands for requests that match
    /// no API. Default: all of them.
    #[serde(default)]
    pub apis: Many<Located<ApiPattern>>,
    /// The steps: an id as `paifang explain` shows it, or `{ kind: compress }` for all of a kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Located<StepChoice>>,
    /// Config that is merged over that of the steps, by the rules of overlays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub with: Option<Node>,
    /// A step that takes the place of each, with its id, and with its `when` unless it has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replace: Option<OneStep>,
    /// Whether the steps are left out. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
    /// A step that is put into the chain. Its id is the plan's name, a dot and its kind unless it has
    /// its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<OneStep>,
    /// Where `add` puts it: `first`, in front of the API's own steps and behind those of `defaults`,
    /// or `last`, behind all of them. Default `last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Located<Place>>,
    /// The id of the step that `add` puts it behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Located<String>>,
}

/// Where a step is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In front of the API's own steps.
    First,
    /// Behind all steps.
    Last,
}

/// Which steps of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepChoice {
    /// That of this id.
    Id(String),
    /// All of this kind.
    Kind(String),
}

/// Which APIs: an id, or a pattern of it with `*` for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiPattern(String);

impl Plan {
    /// Reads the steps that it puts into chains.
    pub(crate) fn parse(&mut self, problems: &mut Problems) {
        for change in &mut self.changes {
            let change = change.value_mut();
            for step in change.replace.iter_mut().chain(&mut change.add) {
                step.parse(problems);
            }
        }
    }
}

impl ApiPattern {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an id, and no pattern.
    #[must_use]
    pub fn is_id(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether an API of this id is meant.
    #[must_use]
    pub fn fits(&self, id: &str) -> bool {
        fits(self.0.as_bytes(), id.as_bytes())
    }
}

/// Goes back to the last `*` only, so it takes at most the product of both lengths.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((behind, taken)) => {
                    star = Some((behind, taken + 1));
                    at = behind + 1;
                    in_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl<'de> Deserialize<'de> for ApiPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '?');
        if (1..=128).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(D::Error::custom(format!(
            "`{}` is neither an API's id nor a pattern such as `orders.*`",
            crate::yaml::cut(&text)
        )))
    }
}

impl Serialize for ApiPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl JsonSchema for ApiPattern {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ApiPattern".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._*?-]{1,128}$" })
    }
}

impl<'de> Deserialize<'de> for StepChoice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case", field_identifier)]
        enum By {
            Id,
            Kind,
        }
        struct IdOrMap;
        impl<'de> Visitor<'de> for IdOrMap {
            type Value = StepChoice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step's id or `{ kind: … }`")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<StepChoice, E> {
                Ok(StepChoice::Id(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StepChoice, A::Error> {
                let Some((by, name)) = map.next_entry::<By, String>()? else {
                    return Err(A::Error::custom("expected `id` or `kind`, found nothing"));
                };
                if map.next_key::<By>()?.is_some() {
                    return Err(A::Error::custom("either `id` or `kind`, not both"));
                }
                Ok(match by {
                    By::Id => StepChoice::Id(name),
                    By::Kind => StepChoice::Kind(name),
                })
            }
        }
        from.deserialize_any(IdOrMap)
    }
}

impl JsonSchema for StepChoice {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "StepChoice".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json_schema!({ "type": "string" });
        json_schema!({ "anyOf": [text, {
            "type": "object",
            "properties": { "id": text, "kind": text },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false
        }] })
    }
}

impl fmt::Display for StepChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "step {id}"),
            Self::Kind(kind) => write!(f, "all {kind} steps"),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Which ids a pattern means.
    use super::ApiPattern;

    #[test]
    fn a_star_is_any_characters_and_a_question_mark_one() {
        for (pattern, id, wanted) in [
            ("orders.create", "orders.create", true),
            ("orders.create", "orders.creates", false),
            ("orders.*", "orders.create.v2", true),
            ("orders.*", "orders.", true),
            ("orders.*", "order.create", false),
            ("*", "-", true),
            ("*.v?", "orders.v2", true),
            ("*.v?", "orders.v", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("**a", "ba", true),
            ("?", "", false),
        ] {
            assert_eq!(ApiPattern(pattern.to_owned()).fits(id), wanted, "{pattern} {id}");
        }
        let hard = ApiPattern("*a".repeat(64));
        assert!(!hard.fits(&"a".repeat(63)) && hard.fits(&"ba".repeat(64)));
    }
}
