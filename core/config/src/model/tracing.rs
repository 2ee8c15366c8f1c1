//! Traces: which calls are traced, and where their spans go.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use indexmap::IndexMap;
use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{HostPort, SecretAt};
use crate::yaml::Located;

/// Traces of calls for OpenTelemetry, and the W3C trace context.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    /// Where spans are sent: a collector that takes OTLP over HTTP.
    pub endpoint: Located<CollectorUrl>,
    /// Fields of the requests to it by name, such as `authorization`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, Located<SecretAt>>,
    /// The certificates that it is verified with. Default: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Located<PathBuf>>,
    /// What this gateway is called there (`service.name`). Default `paifang`.
    #[serde(default = "paifang")]
    pub service: String,
    /// More that is told of this gateway, such as `deployment.environment.name`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub resource: IndexMap<String, String>,
    /// What becomes of the trace context that callers send.
    #[serde(default)]
    pub propagate: Propagate,
    /// The share of traces that are sampled, by their ids. Default 1%.
    #[serde(default = "one_percent")]
    pub sample: Percent,
    /// A caller's decision to sample or not is followed where its context is trusted. Default true.
    #[serde(default = "yes")]
    pub parent_based: bool,
    /// Calls that fail are sent though they are not in the sample, without their steps and attempts.
    /// Default true.
    #[serde(default = "yes")]
    pub errors: bool,
    /// Steps that take longer are spans, as are those that waited or failed. 0s to 1h. Default 1ms.
    #[serde(default = "one_milli")]
    pub slow_step: Located<HumanDuration>,
    /// How many calls may wait to be sent; those beyond are dropped and counted. 1 to 65536. Default
    /// 2048.
    #[serde(default = "queue")]
    pub queue: Located<u32>,
    /// Spans of one request to the collector, more or less. 1 to 8192. Default 512.
    #[serde(default = "batch")]
    pub batch: Located<u32>,
    /// How long spans may wait for others. 10ms to 1m. Default 1s.
    #[serde(default = "one_second")]
    pub delay: Located<HumanDuration>,
    /// How long a request to the collector may take. 10ms to 1m. Default 10s.
    #[serde(default = "ten_seconds")]
    pub timeout: Located<HumanDuration>,
}

fn paifang() -> String {
    "paifang".to_owned()
}

fn one_percent() -> Percent {
    Percent::ONE
}

const fn yes() -> bool {
    true
}

fn one_milli() -> Located<HumanDuration> {
    HumanDuration::from_millis(1).into()
}

fn queue() -> Located<u32> {
    2048.into()
}

fn batch() -> Located<u32> {
    512.into()
}

fn one_second() -> Located<HumanDuration> {
    HumanDuration::from_secs(1).into()
}

fn ten_seconds() -> Located<HumanDuration> {
    HumanDuration::from_secs(10).into()
}

/// What becomes of the trace context (`traceparent`, `tracestate`) that callers send.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Propagate {
    /// A well-formed one is continued, and upstreams get it with the gateway's span as parent. The
    /// default.
    #[default]
    Trust,
    /// Every call begins a trace of its own, which points at the caller's; upstreams get ours.
    Restart,
    /// It passes as it came, and upstreams get nothing of ours.
    Off,
}

/// The URL of a collector: scheme, host, port, path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Where it is.
    pub address: HostPort,
    /// The path of its requests.
    pub path: String,
}

/// The path where a URL has none.
const PATH: &str = "/v1/traces";

impl FromStr for CollectorUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: http::Uri = text.parse().map_err(|_| ())?;
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(()),
        };
        let authority = uri.authority().ok_or(())?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // What stands behind the host is no port.
            None if authority.as_str().len() > authority.host().len() => return Err(()),
            None => port,
        };
        let address = format!("{}:{port}", authority.host()).parse()?;
        let path = if matches!(uri.path(), "" | "/") { PATH } else { uri.path() };
        Ok(Self { tls, address, path: path.to_owned() })
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.address, self.path)
    }
}

super::net::from_text!(
    CollectorUrl,
    "a URL of a collector, such as http://127.0.0.1:4318/v1/traces or https://otel.example.com"
);

#[cfg(test)]
mod tests {
    //! What is a collector's URL.
    #![allow(clippy::unwrap_used)]
    use super::CollectorUrl;

    #[test]
    fn urls_have_a_port_and_a_path_in_the_end() {
        for (text, whole) in [
            ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("https://otel.example.com/", "https://otel.example.com:443/v1/traces"),
            ("http://[::1]:4318/otlp", "http://[::1]:4318/otlp"),
            ("http://collector", "http://collector:80/v1/traces"),
        ] {
            assert_eq!(text.parse::<CollectorUrl>().unwrap().to_string(), whole, "{text}");
        }
        for wrong in [
            "collector:4318",
            "grpc://collector:4317",
            "/v1/traces",
            "http://",
            "http://user:pass@collector:4318",
            "http://collector:4318/?a=b",
            "http://collector:99999",
            "http://collector:/",
        ] {
            assert!(wrong.parse::<CollectorUrl>().is_err(), "{wrong}");
        }
    }
}
