//! The config of `throttle`.

use paifang_pipeline::units::Rate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer},
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

/// Limits how often and how many at once.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How often one subject may call, such as `200/s`. Without it only `concurrency` limits.
    pub rate: Option<Rate>,
    /// How many calls one subject may make at once after a pause: 1 to 1000000000. Default: the
    /// count of `rate`, so that `10/m` lets ten at once and then one every six seconds.
    pub burst: Option<u64>,
    /// How many calls one subject may have in flight: 1 to 1000000000. A call is in flight from
    /// this step until its response has gone out. Without it only `rate` limits.
    pub concurrency: Option<u64>,
    /// What calls are counted by: `client_ip`, `app`, `identity`, `api`, `{ header: name }`, or a
    /// list of up to four of these, counted by their combination. Default `client_ip`.
    #[serde(default)]
    pub by: By,
    /// How many leading bits of an IPv6 address make one client: 1 to 128. Default 64, the network
    /// that one customer is commonly given.
    #[serde(default = "ipv6_prefix")]
    pub ipv6_prefix: u8,
    /// Counts together with every other step that names the same share. Steps of one share must
    /// agree in `rate`, `burst`, `concurrency`, `by`, `ipv6_prefix`, `subjects` and `store`.
    pub share: Option<String>,
    /// The shared store, one of the config's `stores`, in which all gateways count together by
    /// `rate`. Calls in flight are counted by each gateway alone. Default: this gateway's own.
    pub store: Option<String>,
    /// What becomes of calls while the shared store is away: `local_share` counts by an equal share
    /// of the rate and the burst, `open` lets all pass, `closed` fails them with 503. Default
    /// `local_share`.
    pub on_store_failure: Option<OnStoreFailure>,
    /// How many subjects are remembered: 1 to 4294967295, about 60 bytes each, taken as they come.
    /// When all of them are active, newcomers are refused. Default 100000.
    #[serde(default = "subjects")]
    pub subjects: u32,
    /// Which answers carry `RateLimit` and `RateLimit-Policy`: `refused`, `always` or `never`.
    /// Default `refused`, for making the fields costs each passing call an allocation.
    #[serde(default)]
    pub headers: Fields,
}

const fn ipv6_prefix() -> u8 {
    64
}

const fn subjects() -> u32 {
    100_000
}

/// What becomes of calls while the shared store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnStoreFailure {
    /// Each gateway has an equal share.
    LocalShare,
    /// All pass.
    Open,
    /// All fail.
    Closed,
}

/// Which answers tell about the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fields {
    /// Those that refuse a call.
    #[default]
    Refused,
    /// All that come by here.
    Always,
    /// None.
    Never,
}

/// One thing that calls are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The client's address; IPv6 by its network.
    ClientIp,
    /// The app that a step above has found; all calls without one together.
    App,
    /// Who a step above has found the caller to be; all calls without an identity together.
    Identity,
    /// The API: all its calls together.
    Api,
    /// The value of a request header; all calls without it together.
    Header(String),
}

/// What calls are counted by: the combination of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// At least one.
    pub parts: Vec<Part>,
    /// Whether they were written as a list; errors point accordingly.
    pub list: bool,
}

impl By {
    fn one(part: Part) -> Self {
        Self { parts: vec![part], list: false }
    }
}

impl Default for By {
    fn default() -> Self {
        Self::one(Part::ClientIp)
    }
}

impl<'de> Deserialize<'de> for By {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = By;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`client_ip`, `app`, `identity`, `api`, `{ header: name }` or a list")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<By, E> {
                Part::deserialize(StrDeserializer::new(text)).map(By::one)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<By, A::Error> {
                Part::deserialize(MapAccessDeserializer::new(map)).map(By::one)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<By, A::Error> {
                let parts = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(By { parts, list: true })
            }
        }
        from.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for By {
    fn schema_name() -> Cow<'static, str> {
        "ThrottleBy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let part = generator.subschema_for::<Part>();
        json_schema!({
            "anyOf": [part, { "type": "array", "items": part, "minItems": 1, "maxItems": 4 }]
        })
    }
}
