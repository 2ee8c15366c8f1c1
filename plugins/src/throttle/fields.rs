//! What answers tell about the limit: `Retry-After` (RFC 9110 section 10.2.3), and `RateLimit` with
//! `RateLimit-Policy` in the structured form of draft-ietf-httpapi-ratelimit-headers-10.
//!
//! The policy is named by the step's id. Its quota `q` is the burst and its window `w` the time in
//! which a burst grows back, for that is what a client can use up at once and when it has it again.

use http::{HeaderName, HeaderValue};
use paifang_pipeline::{Rejection, ports::LimitDecision};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const NANOS: u64 = 1_000_000_000;

/// The policy, and how to tell where a client stands with it.
#[derive(Debug)]
pub(super) struct Policy {
    /// The step's id as a structured string (RFC 9651 section 3.3.3), with its quotes.
    name: String,
    field: HeaderValue,
}

impl Policy {
    /// `interval` is the time between two calls at the rate, in nanoseconds.
    pub(super) fn new(step: &str, burst: u64, interval: u64) -> Self {
        let plain = |c: &char| (' '..='~').contains(c) && !matches!(c, '"' | '\\');
        let name = format!("\"{}\"", step.chars().filter(plain).collect::<String>());
        let window = seconds(burst.saturating_mul(interval)).max(1);
        let field = HeaderValue::from_str(&format!("{name};q={burst};w={window}"));
        // Printable ASCII is always a header value.
        Self { name, field: field.unwrap_or_else(|_| HeaderValue::from_static("\"throttle\"")) }
    }

    /// Adds both fields through `add`.
    pub(super) fn tell(&self, standing: Standing, mut add: impl FnMut(HeaderName, HeaderValue)) {
        add(RATELIMIT_POLICY, self.field.clone());
        let Standing { remaining, reset } = standing;
        if let Ok(value) = HeaderValue::from_str(&format!("{};r={remaining};t={reset}", self.name))
        {
            add(RATELIMIT, value);
        }
    }
}

/// Where a client stands: how many calls are left, and in how many seconds all are there again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    remaining: u32,
    reset: u32,
}

impl Standing {
    pub(super) fn of(decision: &LimitDecision) -> Self {
        let reset = seconds(decision.reset_nanos);
        Self {
            remaining: u32::try_from(decision.remaining).unwrap_or(u32::MAX),
            reset: u32::try_from(reset).unwrap_or(u32::MAX),
        }
    }

    /// As the number that a step keeps through a call; never zero, for an event has just been
    /// counted and its reset lies ahead.
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.remaining) << 32 | u64::from(self.reset.max(1))
    }

    /// `None` where the step has kept nothing.
    pub(super) fn from_word(word: u64) -> Option<Self> {
        (word != 0).then_some(Self { remaining: (word >> 32) as u32, reset: word as u32 })
    }
}

/// Adds `Retry-After`, rounded up to whole seconds.
pub(super) fn retry_after(rejection: Rejection, nanos: u64) -> Rejection {
    rejection.header(http::header::RETRY_AFTER, HeaderValue::from(seconds(nanos).max(1)))
}

/// Whole seconds, rounded up.
const fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(NANOS)
}
