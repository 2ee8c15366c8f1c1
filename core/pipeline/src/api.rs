//! An API as calls run it: its chain, its limits, its counters.

use crate::{chain::Chain, problem::ErrorPages, stats::ApiStats};
use http::StatusCode;
use std::{sync::Arc, time::Duration};

/// One operation that clients can call, compiled.
#[derive(Debug)]
pub struct Api {
    /// The API's id; `-` for the chain that unmatched requests pass.
    pub id: Arc<str>,
    /// Its steps.
    pub chain: Chain,
    /// Its limits.
    pub limits: CallLimits,
    /// When attempts on the origin are repeated.
    pub retry: RetryPolicy,
    /// Name of the upstream that answers; `None` where steps always do.
    pub upstream: Option<Arc<str>>,
    /// Its counters.
    pub stats: Arc<ApiStats>,
    /// How error answers look.
    pub error_pages: Arc<ErrorPages>,
}

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// From the arrival of the request head to the response head: handlers' waits, connecting and
    /// all attempts together. While the client is sending its body the time begins anew with every
    /// frame, so that a slow uplink is judged by the listener's body deadlines, not by this.
    pub timeout: Duration,
    /// The largest request body, in bytes, streamed or collected.
    pub body_bytes: usize,
    /// The largest response body that a step may have collected, in bytes.
    pub response_body_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), body_bytes: 1 << 20, response_body_bytes: 1 << 20 }
    }
}

/// When attempts are repeated. Never after response bytes went out, and never after a
/// `request_body` step has consumed a streamed frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// Statuses of the origin that count as failures; for idempotent calls only.
    pub statuses: Vec<StatusCode>,
    /// How much of a streaming body is kept for a repetition, in bytes.
    pub body_bytes: usize,
    /// Treat every method as idempotent: the API's author says so.
    pub any_method: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 2, statuses: Vec::new(), body_bytes: 64 << 10, any_method: false }
    }
}

impl RetryPolicy {
    /// Whether a call with this method may be made twice (RFC 9110 section 9.2.2).
    #[must_use]
    pub fn idempotent(&self, method: &http::Method) -> bool {
        self.any_method || method.is_idempotent()
    }
}
