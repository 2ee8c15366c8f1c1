//! The exchange: one call in flight, whatever door it came through.
//!
//! Fronts build it, the engine walks it through the chain, handlers see it through the narrow
//! views of [`crate::handler`]. Reading is for everyone (the methods here); changing is granted by
//! the view of each stage.

mod facts;
mod identity;
mod outcome;
mod params;
mod route;
mod slots;
mod state;
mod tracing;

pub use facts::{Facts, FrontKind, HostName, Scheme, TlsFacts};
pub use identity::{App, AppKey, Apps, Identity};
pub use outcome::{Outcome, Termination};
pub use params::{Param, Params};
pub use route::Route;
pub use slots::{Slot, SlotName, Slots};
pub use tracing::{CallTrace, TraceEvent};

pub(crate) use state::{Gate, StepState};

use crate::{body::WholeBody, ports::Nanos, spans::CallSpan};
use http::{HeaderMap, HeaderValue, Method};
use smallvec::SmallVec;

/// A request head. The URI's path is already normalised: what is matched is what is sent.
pub type RequestHead = http::request::Parts;

/// A response head.
pub type ResponseHead = http::response::Parts;

/// A whole answer made inside the gateway: by a handler, or for an error.
pub type Response = http::Response<bytes::Bytes>;

/// Chains shorter than this keep their steps' state without an allocation.
const INLINE_STEPS: usize = 8;

/// One call in flight.
pub struct Exchange {
    pub(crate) head: RequestHead,
    pub(crate) facts: Facts,
    pub(crate) params: Params,
    pub(crate) slots: Slots,
    pub(crate) states: SmallVec<[StepState; INLINE_STEPS]>,
    /// The whole request body, once a step has needed it.
    pub(crate) body: Option<WholeBody>,
    pub(crate) outcome: Outcome,
    /// Where the steps so far send the call; the API's own upstream where `None`.
    pub(crate) route: Option<Route>,
    pub(crate) trace: Option<Box<CallTrace>>,
    pub(crate) span: Option<CallSpan>,
    /// The engine's latest reading of the monotonic clock.
    pub(crate) now: Nanos,
    /// Until when this attempt's head is waited for, where the caller has a deadline: that, or the end of the API's timeout if it is
    /// sooner.
    pub(crate) head_due: Option<tokio::time::Instant>,
}

impl Exchange {
    /// A call as a front hands it in. `head.uri` must be normalised, `params` be ranges in its path.
    #[must_use]
    pub fn new(head: RequestHead, facts: Facts, params: Params) -> Self {
        let now = facts.received;
        Self {
            head,
            facts,
            params,
            slots: Slots::default(),
            states: SmallVec::new(),
            body: None,
            outcome: Outcome::default(),
            route: None,
            trace: None,
            span: None,
            now,
            head_due: None,
        }
    }

    /// Until when a response head is waited for, where the caller has said how long it waits: servers are told what is left of it.
    #[must_use]
    pub fn head_due(&self) -> Option<tokio::time::Instant> {
        self.head_due.or(self.facts.deadline)
    }

    /// Makes this one call log every step's verdict, time and header changes.
    pub fn enable_trace(&mut self) {
        self.trace = Some(Box::default());
    }

    /// Gives the call its place in a distributed trace; its spans go to the sink that it names.
    pub fn begin_span(&mut self, span: CallSpan) {
        self.span = Some(span);
    }

    /// Its place in a distributed trace, where there is one.
    #[must_use]
    pub fn span(&self) -> Option<&CallSpan> {
        self.span.as_ref()
    }

    /// The request head as the steps so far left it.
    #[must_use]
    pub fn head(&self) -> &RequestHead {
        &self.head
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The normalised path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The query as received, without `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The request headers as the steps so far left them.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The first value of a request header.
    #[must_use]
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&HeaderValue> {
        self.head.headers.get(name)
    }

    /// The value of a path parameter, as it stands in the path the API matched.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)
    }

    /// All path parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Who called, from where, when.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What handlers have found out so far: identity, app, request id, and slots of their own.
    #[must_use]
    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The monotonic time at which the current step began. Reading it costs nothing.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// The like, for a call that is made on behalf of one that steps sent to `route`.
    #[must_use]
    pub fn routed(mut self, route: Option<Route>) -> Self {
        self.route = route;
        self
    }

    /// Where the steps so far send the call; the API's own upstream where `None`.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// What has become of the call so far.
    #[must_use]
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The trace, where this call is traced.
    #[must_use]
    pub fn trace(&self) -> Option<&CallTrace> {
        self.trace.as_deref()
    }
}
