//! The config of `redirect`.

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use std::{borrow::Cow, num::NonZeroU16};

/// Sends clients elsewhere: to an address, or from clear text to TLS.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedirectConfig {
    /// Where to: a URL template such as `/v2{{ path }}` or `https://example.com/{{ param.id }}`, at
    /// most 8 KiB when filled. Every value becomes one percent-encoded component; `path` and
    /// `query` stand as they are. Excludes `https`.
    pub to: Option<String>,
    /// Sends calls that came in clear text to the same host and path over TLS; calls over TLS go on
    /// down the chain. Default: false.
    pub https: bool,
    /// The port of the TLS listener, with `https`. Default: 443, which is not written out.
    pub https_port: Option<NonZeroU16>,
    /// The status: 301, 302, 303, 307 or 308. Default: 307, which keeps the method and is not
    /// remembered by clients.
    pub status: RedirectStatus,
    /// Whether the request's query is appended to the address. Default: true with `https`, else
    /// false.
    pub keep_query: Option<bool>,
    /// Whether values of the request may decide the host that clients are sent to. Default: false,
    /// since whoever writes the link then chooses where its readers end up.
    pub allow_host: bool,
}

/// A status that sends a client elsewhere (RFC 9110 section 15.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "u16")]
pub struct RedirectStatus(pub StatusCode);

impl From<RedirectStatus> for u16 {
    fn from(status: RedirectStatus) -> Self {
        status.0.as_u16()
    }
}

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

impl Default for RedirectStatus {
    fn default() -> Self {
        Self(StatusCode::TEMPORARY_REDIRECT)
    }
}

impl<'de> Deserialize<'de> for RedirectStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(from)?;
        let status = StatusCode::from_u16(number).ok().filter(|_| STATUSES.contains(&number));
        status.map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "{number} sends nobody elsewhere; use 301, 302, 303, 307 or 308"
            ))
        })
    }
}

impl JsonSchema for RedirectStatus {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "RedirectStatus".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": STATUSES })
    }
}
