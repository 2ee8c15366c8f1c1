//! From an exchange to the records of the contract: borrowed, and only what the manifest asks for.

use crate::{
    contract::{CallRef, Facts, IdentityRef, NamedRef, OutcomeRef},
    lines::{Lines, some},
    reads::StageReads,
};
use http::{HeaderName, HeaderValue};
use paifang_pipeline::Exchange;
use smallvec::SmallVec;
use std::io::Write;

/// Lists that are usually short stay on the stack.
type Short<T> = SmallVec<[T; 8]>;

/// Hands `use_call` the exchange as this stage reads it.
pub(crate) fn with_call<R>(
    exchange: &Exchange,
    api: &str,
    reads: &StageReads,
    kept: &[u8],
    use_call: impl FnOnce(CallRef<'_>) -> R,
) -> R {
    let wants = |fact: Facts| reads.facts & fact == fact;
    let slots = exchange.slots();
    let mut address = SmallVec::<[u8; 48]>::new();
    if wants(Facts::CLIENT_IP) {
        // A vector takes what is written to it.
        let _ = write!(address, "{}", exchange.facts().client_ip);
    }
    let params: Short<NamedRef<'_>> = if wants(Facts::PARAMS) {
        exchange.params().iter().map(|(name, value)| NamedRef { name, value }).collect()
    } else {
        Short::new()
    };
    let identity = slots.identity().filter(|_| wants(Facts::IDENTITY));
    let claims: Short<NamedRef<'_>> = identity
        .iter()
        .flat_map(|identity| &identity.claims)
        .map(|(name, value)| NamedRef { name, value })
        .collect();
    let headers = Lines::of(exchange.headers(), &reads.request);
    let filled: Short<NamedRef<'_>> = reads
        .slots
        .iter()
        .filter_map(|name| Some(NamedRef { name, value: slots.text(name)? }))
        .collect();
    use_call(CallRef {
        method: wants(Facts::METHOD).then(|| exchange.method().as_str()),
        path: wants(Facts::PATH).then(|| exchange.path()),
        query: exchange.query().filter(|_| wants(Facts::QUERY)),
        host: wants(Facts::HOST).then(|| exchange.facts().host()),
        client_ip: wants(Facts::CLIENT_IP)
            .then(|| std::str::from_utf8(&address).unwrap_or_default()),
        api: wants(Facts::API).then_some(api),
        app: slots.app().filter(|_| wants(Facts::APP)).map(|app| &*app.id),
        request_id: slots
            .request_id()
            .filter(|_| wants(Facts::REQUEST_ID))
            .and_then(|id| id.to_str().ok()),
        params: some(&params),
        identity: identity.map(|identity| IdentityRef {
            subject: &identity.subject,
            app: identity.app.as_deref(),
            claims: some(&claims),
        }),
        headers: headers.text(),
        slots: some(&filled),
        kept: some(kept),
    })
}

/// Hands `use_outcome` what became of a call.
pub(crate) fn with_outcome<R>(
    exchange: &Exchange,
    response: &[(HeaderName, HeaderValue)],
    use_outcome: impl FnOnce(OutcomeRef<'_>) -> R,
) -> R {
    let outcome = exchange.outcome();
    let mut code = SmallVec::<[u8; 8]>::new();
    if let Some(row) = outcome.error {
        let _ = write!(code, "PF-{:04}", row.number);
    }
    let mut headers = Lines::default();
    response.iter().for_each(|(name, value)| headers.add(name.as_str(), value.as_bytes()));
    use_outcome(OutcomeRef {
        status: outcome.status.map_or(0, |status| status.as_u16()),
        termination: outcome.termination.as_str(),
        duration_nanos: outcome.total_nanos,
        request_bytes: outcome.request_bytes,
        response_bytes: outcome.response_bytes,
        error_code: outcome.error.and_then(|_| std::str::from_utf8(&code).ok()),
        headers: headers.text(),
    })
}
