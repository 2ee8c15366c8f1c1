//! Distributed traces: where a call stands in one (W3C Trace Context), and what is noted of it on
//! its way for whoever exports spans. The engine knows no exporter, only a [`SpanSink`].

mod call;
mod context;

pub use call::{Attempt, CallSpan, Ended, Note, Propagation, SpanSink, StepNote};
pub use context::{SpanId, TraceId, TraceParent, good_state};

/// The header that carries trace and parent.
pub const TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");
/// The header that carries what tracing systems say to each other.
pub const TRACESTATE: http::HeaderName = http::HeaderName::from_static("tracestate");
