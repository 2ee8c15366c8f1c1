//! What a call shows of its upstream.

use super::{breaker::Shown, config::Spec};
use http::StatusCode;
use paifang_pipeline::{ErrorCode, Exchange, Termination, error};

/// Errors of the gateway that are the upstream's.
const FAILURES: &[&ErrorCode] = &[
    error::NO_ENDPOINT,
    error::CONNECT_FAILED,
    error::CONNECT_TIMEOUT,
    error::UPSTREAM_TLS,
    error::UPSTREAM_CLOSED,
    error::UPSTREAM_MALFORMED,
    error::UPSTREAM_TIMEOUT,
    error::RESPONSE_INCOMPLETE,
];

/// What an answer shows that comes up from below, with this status.
pub(super) fn answer(spec: &Spec, call: &Exchange, status: StatusCode) -> Shown {
    let outcome = call.outcome();
    // A step below has answered, or the call came to its end before any upstream was asked.
    if outcome.answered_by.is_some() || outcome.attempts == 0 {
        return Shown::Nothing;
    }
    match outcome.cache {
        // What is kept shows nothing of the upstream, but where it stands in for an error.
        Some("hit" | "stale") => return Shown::Nothing,
        Some("stale_error") => return Shown::Answer { failed: true, slow: false },
        _ => {}
    }
    let Some(code) = outcome.error else {
        let waited = outcome.origin_wait_nanos.unwrap_or(0);
        let slow = spec.slower_than.is_some_and(|than| waited > than);
        let failed = spec.statuses.binary_search(&status.as_u16()).is_ok();
        return Shown::Answer { failed, slow };
    };
    let is = |row: &&ErrorCode| row.number == code.number;
    // Whoever stalls in the middle of a request could open the breaker otherwise.
    let stalled = is(&error::UPSTREAM_TIMEOUT) && outcome.request_sent.is_none();
    if stalled || !FAILURES.iter().any(is) {
        return Shown::Nothing;
    }
    Shown::Answer { failed: true, slow: false }
}

/// What a call shows that has ended without an answer that would have come up.
pub(super) fn end(spec: &Spec, call: &Exchange) -> Shown {
    let outcome = call.outcome();
    // That the client did not wait says nothing; how long the upstream had let it wait does.
    match (spec.slower_than, outcome.request_sent) {
        (Some(than), Some(sent))
            if outcome.origin_wait_nanos.is_none() && call.now().since(sent) > than =>
        {
            Shown::Answer { failed: false, slow: true }
        }
        _ => Shown::Nothing,
    }
}

/// Whether an answer that was taken for a good one has broken off.
pub(super) fn broke_off(call: &Exchange) -> bool {
    call.outcome().termination == Termination::OriginBrokeOff
}
