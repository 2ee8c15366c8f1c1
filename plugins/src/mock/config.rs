//! The config of `mock`.

use crate::{answer::Status, template::Texts};
use paifang_pipeline::{WhenConfig, units::HumanDuration};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, fmt, time::Duration};

/// Answers made up from the request, the first that fits.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MockConfig {
    /// The cases, tried from the top; the first that matches answers. A call that matches none goes
    /// on to the step below. At least one, at most 256.
    pub cases: Vec<CaseConfig>,
}

/// One case: conditions, and what is answered where they hold.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaseConfig {
    /// Conditions on the request, as in a step's `when`; `share` takes a part of the traffic.
    /// Default: always.
    pub when: WhenConfig,
    /// Conditions on a JSON body: each JSON pointer must lead to an equal value. The body is read
    /// only where a case has such conditions and its `when` holds. Default: none.
    pub when_body: BTreeMap<String, Value>,
    /// The status, 200 to 599. Default: 200.
    pub status: Status,
    /// Headers by name: a template, or a list of templates for a header that comes several times.
    pub headers: BTreeMap<String, Texts>,
    /// The body as text: a template of at most 1 MiB when filled.
    pub body: Option<String>,
    /// The body as a value whose strings are templates. Excludes `body`.
    pub json: Option<Value>,
    /// How long the answer takes: a time such as `20ms`, or a range that each call takes its own
    /// from. At most 5m, and never more than the API's `timeout`. Default: none.
    pub latency: Latency,
    /// Answers given in turn, beginning anew after the last: instead of `status`, `headers`, `body`,
    /// `json` and `latency`. The turn is one for all callers and begins anew with every release.
    pub sequence: Vec<TurnConfig>,
}

/// One answer of a sequence.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TurnConfig {
    /// As in a case.
    pub status: Status,
    /// As in a case.
    pub headers: BTreeMap<String, Texts>,
    /// As in a case.
    pub body: Option<String>,
    /// As in a case.
    pub json: Option<Value>,
    /// As in a case.
    pub latency: Latency,
}

/// How long an answer takes: between two times, both included; zero by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// The shortest.
    pub from: Duration,
    /// The longest; not below the shortest.
    pub to: Duration,
}

/// The longest latency.
const MAX_LATENCY: Duration = Duration::from_secs(300);

impl Latency {
    fn new<E: Error>(from: HumanDuration, to: HumanDuration) -> Result<Self, E> {
        if to < from {
            return Err(E::custom(format!("a range from {from} down to {to}")));
        }
        if to.get() > MAX_LATENCY {
            return Err(E::custom(format!("{to} is longer than the limit of 5m")));
        }
        Ok(Self { from: from.get(), to: to.get() })
    }
}

impl<'de> Deserialize<'de> for Latency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Latency;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `20ms`, or { from: 10ms, to: 50ms }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Latency, E> {
                let time = text.parse().map_err(E::custom)?;
                Latency::new(time, time)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Latency, A::Error> {
                let (mut from, mut to) = (None, None);
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match &*key {
                        "from" => from = Some(map.next_value()?),
                        "to" => to = Some(map.next_value()?),
                        other => return Err(A::Error::unknown_field(other, &["from", "to"])),
                    }
                }
                let from = from.ok_or_else(|| A::Error::missing_field("from"))?;
                Latency::new(from, to.ok_or_else(|| A::Error::missing_field("to"))?)
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for Latency {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Latency".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = generator.subschema_for::<HumanDuration>();
        json_schema!({
            "anyOf": [
                time,
                {
                    "type": "object", "additionalProperties": false, "required": ["from", "to"],
                    "properties": { "from": time, "to": time }
                }
            ]
        })
    }
}
