//! The YAML as types: every key of a config file, its unit, its default, its limits.
//!
//! The types say what may be written (the JSON Schema comes from them) and hold it as it was
//! written; what it means together, [`crate::check`] and [`crate::compile`] find out.

mod api;
mod apps;
mod balance;
mod breaker;
mod cache;
mod compression;
mod config;
mod defaults;
mod endpoints;
mod header;
mod id;
mod listener;
mod many;
mod mmtp;
mod net;
mod ops;
mod plan;
mod retry;
mod secret;
mod step;
mod store;
mod switch;
#[cfg(test)]
mod tests;
mod tracing;
mod upstream;
mod wasm;
mod web;
mod zones;

pub use api::{Api, ApiState, Match};
pub use apps::{App, AppKey, ErrorPage};
pub use balance::{Balance, ConsistentHash, HashBy, OutlierEjection, SlowStart, UpstreamLimits};
pub use breaker::{Breaker, BreakerRules};
pub use cache::{Cache, CacheKey, CacheStore};
pub use compression::{Compression, CompressionRules, MessageDictionary};
pub use config::{Config, KEYS, Named};
pub use defaults::Defaults;
pub use endpoints::{Discovery, Endpoints, WhenEmpty};
pub use header::HeaderMatch;
pub use id::Id;
pub use listener::{
    Alpn, Certificate, ClientCa, ClientHeader, Limits, Listener, ListenerTls, ProxyProtocol,
    TlsVersion,
};
pub use many::Many;
pub use mmtp::{AppMmtp, Components, Heartbeat, Mmtp, MmtpLimits, RateLimit, Resume};
pub use net::{Cidr, HostPort, ListenAddress};
pub use ops::{Admin, EncodedSlashes, Log, LogFormat, Paths, Releases, Reload, Shutdown};
pub use plan::{
    ApiPattern, Change, LONGEST_ABOUT, MOST_CHANGES, MOST_PLANS, Place, Plan, StepChoice,
};
pub use retry::{Retry, RetryBudget};
pub use secret::SecretAt;
pub use step::{OneStep, RESERVED, Step, StepBody, Steps};
pub use store::{Redis, RedisTls, SharedStore};
pub use switch::{Rules, Switch};
pub use tracing::{CollectorUrl, Propagate, Tracing};
pub use upstream::{
    Dns, Endpoint, Forward, GrpcCheck, HealthCheck, HostOf, Pool, Protocol, Upstream,
    UpstreamTimeouts, UpstreamTls, WhenAllUnhealthy,
};
pub use wasm::{Grant, Sha256, Wasm, WasmLimits};
pub use web::WebOrigin;
pub use zones::{ZoneHome, Zones};
