//! The pipeline: handlers in a chain, the engine that walks calls through it, and the ports to
//! what lies on either side.
//!
//! ```text
//!  Front ──> Engine: walk down the chain ──> Origin
//!  Front <── Engine: walk back up        <── Origin
//! ```
//!
//! This crate is a leaf: it knows no transport, no config file and no plugin. Its normative
//! description is `docs/specs/pipeline.md`.
#![forbid(unsafe_code)]

mod api;
mod body;
mod chain;
mod engine;
pub mod error;
mod exchange;
mod front;
mod handler;
mod origin;
pub mod ports;
mod problem;
mod recall;
mod registry;
pub mod rules;
mod secret;
pub mod spans;
pub mod stats;
pub mod units;
mod verdict;
mod when;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use api::{Api, CallLimits, RetryPolicy};
pub use body::Frame;
pub use chain::{Chain, ChainError, MAX_ROUTES, MAX_STEPS, OnFailure, StateUse, Step};
pub use engine::{Engine, Served, SlowLog};
pub use error::ErrorCode;
pub use exchange::{
    App, AppKey, Apps, CallTrace, Exchange, Facts, FrontKind, HostName, Identity, Outcome, Param,
    Params, RequestHead, Response, ResponseHead, Route, Scheme, Slot, SlotName, Slots, Termination,
    TlsFacts, TraceEvent,
};
pub use front::{BodySize, Front, FrontError, Inbound};
pub use handler::{
    Connection, Handler, LogCall, RequestBodyCall, RequestCall, ResponseBodyCall, ResponseCall,
    Stages, UpstreamCall,
};
pub use origin::{
    Backlog, Failed, Never, NoOrigin, Origin, OriginCall, OriginError, OriginEvent, Replay,
};
pub use problem::{ErrorPages, ErrorTemplate};
pub use recall::{Recall, Waiting};
pub use registry::{
    BuildContext, Built, ConfigError, DuplicatePlugin, DynPlugin, MetricKind, Plugin,
    PluginCounter, PluginMetric, PluginTrouble, Registry,
};
pub use secret::{Secret, SecretRef, Secrets};
pub use verdict::{
    BodyVerdict, Failure, FailureKind, Rejection, RequestResume, ResponseBodyResume,
    ResponseResume, ResponseVerdict, Verdict,
};
pub use when::{ValueCondition, ValueMatch, When, WhenConfig, mix};
