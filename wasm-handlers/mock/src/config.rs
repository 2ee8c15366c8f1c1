//! The step's config as it is written; schema.json says what each field means.

use paifang_guest::{HeaderName, prelude::*};
use serde::{
    Deserializer,
    de::{Error, Visitor},
};
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) rules: Vec<Rule>,
    #[serde(default, rename = "else")]
    pub(crate) otherwise: Otherwise,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) name: Option<String>,
    #[serde(default, rename = "match")]
    pub(crate) condition: Condition,
    pub(crate) answer: Option<Answer>,
    pub(crate) sequence: Option<Vec<Answer>>,
    #[serde(default)]
    pub(crate) then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Condition {
    pub(crate) method: Vec<String>,
    pub(crate) path: Option<String>,
    pub(crate) query: BTreeMap<String, Wanted>,
    pub(crate) headers: BTreeMap<HeaderName, Wanted>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<HeaderName, String>,
    pub(crate) body: String,
}

impl Default for Answer {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: String::new() }
    }
}

/// What follows the last answer of a sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Then {
    /// The last again and again.
    #[default]
    Last,
    /// All of them again.
    Again,
}

/// What becomes of a call that no rule matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It goes on.
    #[default]
    Pass,
    /// It is answered with 404.
    NotFound,
}

impl<'de> Deserialize<'de> for Otherwise {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Otherwise;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`pass` or 404")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Otherwise, E> {
                let pass = text == "pass";
                pass.then_some(Otherwise::Pass).ok_or_else(|| E::custom("`pass` or 404"))
            }
            fn visit_u64<E: Error>(self, code: u64) -> Result<Otherwise, E> {
                let found = code == 404;
                found.then_some(Otherwise::NotFound).ok_or_else(|| E::custom("`pass` or 404"))
            }
        }
        from.deserialize_any(Read)
    }
}

/// What a query parameter or a header must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One of its values is this text.
    Is(String),
    /// It is there, or it is not.
    There(bool),
}

impl Wanted {
    /// Whether these values are as wanted.
    pub(crate) fn by<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match self {
            Self::Is(text) => values.any(|value| value == text.as_bytes()),
            Self::There(there) => values.next().is_some() == *there,
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Wanted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, true or false")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Wanted, E> {
                Ok(Wanted::Is(text.to_owned()))
            }
            fn visit_bool<E: Error>(self, there: bool) -> Result<Wanted, E> {
                Ok(Wanted::There(there))
            }
        }
        from.deserialize_any(Read)
    }
}
