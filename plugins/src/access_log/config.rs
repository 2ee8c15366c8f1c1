//! The config of `access_log`.

use paifang_pipeline::units::{HumanDuration, Percent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// One JSON line a call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Where lines go: `stdout`, `stderr`, or `{ file: path }`. A file is appended to, and opened
    /// again within a second after it was moved away. Default: `stdout`.
    pub sink: Destination,
    /// The fields of a line; they come in the order of the docs page, and those that a call lacks
    /// are left out. Default: all but `listener`, `front`, `scheme`, `peer`, `tls_version`, `sni`,
    /// `client_cert_sha256`, `upgraded` and `error_detail`.
    pub fields: Vec<Field>,
    /// Headers to log. Default: none.
    pub headers: LoggedHeaders,
    /// The share of calls that are logged. All steps of all APIs choose the same calls. Default:
    /// 100%.
    pub sample: Percent,
    /// Calls that are logged whatever `sample` says.
    pub always: Always,
    /// What is never written out, beside what never is anyway. Default: nothing more.
    pub redact: Redact,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self {
            sink: Destination::default(),
            fields: Field::DEFAULT.to_vec(),
            headers: LoggedHeaders::default(),
            sample: Percent::ALL,
            always: Always::default(),
            redact: Redact::default(),
        }
    }
}

/// Where lines go. Steps with the same destination share one queue and one writer.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// The process's standard output.
    #[default]
    Stdout,
    /// The process's standard error.
    Stderr,
    /// A file; a relative path begins at the process's working directory.
    File(PathBuf),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::Stderr => f.write_str("stderr"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Headers to log, by name; at most 32 each.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LoggedHeaders {
    /// Request headers, as they were when the call came to this step.
    pub request: Vec<String>,
    /// Response headers, as the steps below left them.
    pub response: Vec<String>,
}

/// Calls that are logged whatever `sample` says.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Always {
    /// Answers with status 500 and above, and responses that broke off by the gateway's or the
    /// upstream's fault. Default: true.
    pub errors: bool,
    /// Calls that took longer. Default: none.
    pub slower_than: Option<HumanDuration>,
}

impl Default for Always {
    fn default() -> Self {
        Self { errors: true, slower_than: None }
    }
}

/// What is never written out: the value of each is `[redacted]`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// More header names.
    pub headers: Vec<String>,
    /// More names of query parameters, whatever their case.
    pub query: Vec<String>,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A field of a line.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
        #[repr(u8)]
        pub enum Field {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }
        impl Field {
            /// The key in a line, with its quotes and colon.
            pub(super) const fn key(self) -> &'static str {
                match self { $(Self::$name => concat!("\"", $text, "\":"),)* }
            }
        }
    };
}

fields! {
    /// When the request head had arrived: RFC 3339, UTC, milliseconds.
    Time = "time",
    /// The API's id.
    Api = "api",
    /// The listener's name.
    Listener = "listener",
    /// `http1`, `http2` or `embedded`.
    Front = "front",
    /// `http` or `https`.
    Scheme = "scheme",
    /// The client's address, after trusted proxies.
    ClientIp = "client_ip",
    /// The other end of the connection.
    Peer = "peer",
    /// The TLS version.
    TlsVersion = "tls_version",
    /// The server name that the client asked TLS for.
    Sni = "sni",
    /// SHA-256 of the client's certificate, in hexadecimal.
    ClientCertSha256 = "client_cert_sha256",
    /// The method.
    Method = "method",
    /// The host that the call is for.
    Host = "host",
    /// The path as it came to this step.
    Path = "path",
    /// The query as it came to this step, redacted.
    Query = "query",
    /// The call's id.
    RequestId = "request_id",
    /// The trace that the call is part of, where there is tracing.
    TraceId = "trace_id",
    /// The app that calls.
    App = "app",
    /// Who the caller has proven to be.
    Identity = "identity",
    /// The variant that a `split` has chosen for the call.
    Variant = "variant",
    /// The status that went out.
    Status = "status",
    /// The code of the error table.
    Error = "error",
    /// More about the error; may name internals.
    ErrorDetail = "error_detail",
    /// The step that answered or broke the call off.
    AnsweredBy = "answered_by",
    /// How the call ended: `completed`, `client_gone`, `origin_broke_off`, `handler_broke_off`,
    /// `superseded`, `dropped`.
    Termination = "termination",
    /// `true` where the connection was switched to another protocol.
    Upgraded = "upgraded",
    /// How often an upstream was tried.
    Attempts = "attempts",
    /// The endpoint of the last attempt.
    Endpoint = "endpoint",
    /// What the cache had found, where the API has one: `hit`, `stale`, `stale_error`,
    /// `revalidated`, `expired`, `miss`, `bypass`.
    Cache = "cache",
    /// Bytes of request body.
    RequestBytes = "request_bytes",
    /// Bytes of response body.
    ResponseBytes = "response_bytes",
    /// From the request head to the end of the call, in milliseconds.
    DurationMs = "duration_ms",
    /// From the last attempt's beginning to its response head, in milliseconds.
    OriginMs = "origin_ms",
}

impl Field {
    /// What a line has unless told otherwise.
    pub(super) const DEFAULT: &[Self] = &[
        Self::Time,
        Self::Api,
        Self::ClientIp,
        Self::Method,
        Self::Host,
        Self::Path,
        Self::Query,
        Self::RequestId,
        Self::TraceId,
        Self::App,
        Self::Identity,
        Self::Variant,
        Self::Status,
        Self::Error,
        Self::AnsweredBy,
        Self::Termination,
        Self::Attempts,
        Self::Endpoint,
        Self::RequestBytes,
        Self::ResponseBytes,
        Self::DurationMs,
        Self::OriginMs,
    ];
}
