//! From a call that has ended to its spans: one for the call, one for each attempt on an upstream,
//! and one for each step that waited, failed or took long.
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for HTTP (stable since
//! 1.23); our own begin with `paifang.`. docs/insight.md lists them.

use super::proto::{FAILED, KeyValue, Kind, Link, Span, Status, attribute};
use http::StatusCode;
use paifang_pipeline::{
    Exchange, FrontKind, Outcome, Termination,
    ports::Nanos,
    spans::{Attempt, Ended, Note, SpanId, StepNote},
    stats::StepVerdict,
};
use std::net::SocketAddr;

/// The longest text of an attribute, in bytes.
const LONGEST: usize = 1024;
/// The bit of [`Span::flags`] that says that the next one is known, and that one.
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// The spans, the call's own first.
pub(super) fn of(ended: &Ended<'_>) -> Vec<Span> {
    let mut spans = Vec::with_capacity(1 + ended.span.notes.len());
    spans.push(call(ended));
    for note in &ended.span.notes {
        spans.push(match note {
            Note::Attempt(one) => attempt(ended, one),
            Note::Step(one) => step(ended, one, spans.len() as u64),
        });
    }
    spans
}

/// A time of the monotonic clock since the Unix epoch, in nanoseconds.
fn unix(call: &Exchange, at: Nanos) -> u64 {
    let facts = call.facts();
    (facts.received_unix.as_nanos() as u64).saturating_add(at.since(facts.received))
}

/// A child of the call's span.
fn child(ended: &Ended<'_>, id: SpanId, name: String, kind: Kind, time: (Nanos, Nanos)) -> Span {
    Span {
        trace_id: ended.span.trace.0.to_vec(),
        span_id: id.0.to_vec(),
        parent_span_id: ended.span.id.0.to_vec(),
        name,
        kind: kind.into(),
        start_time_unix_nano: unix(ended.call, time.0),
        end_time_unix_nano: unix(ended.call, time.1),
        attributes: Vec::new(),
        links: Vec::new(),
        status: None,
        flags: u32::from(ended.span.sampled) | REMOTE_KNOWN,
    }
}

fn call(ended: &Ended<'_>) -> Span {
    let Ended { span, call, api, at } = ended;
    let (facts, outcome) = (call.facts(), call.outcome());
    let method = method(call);
    let name = match &span.route {
        Some(route) => format!("{method} {route}"),
        None => method.to_owned(),
    };
    let mut all = vec![
        attribute("http.request.method", method),
        attribute("url.scheme", facts.scheme.as_str()),
        attribute("url.path", cut(call.path())),
        attribute("client.address", facts.client_ip.to_string()),
        attribute("network.peer.address", facts.peer.ip().to_string()),
        attribute("network.peer.port", i64::from(facts.peer.port())),
        attribute("paifang.api.id", &*api.id),
        attribute("paifang.listener", &*facts.listener),
        attribute("paifang.termination", outcome.termination.as_str()),
    ];
    let mut put = |key: &str, text: Option<&str>| {
        all.extend(text.filter(|text| !text.is_empty()).map(|text| attribute(key, cut(text))));
    };
    put("http.route", span.route.as_deref());
    put("server.address", Some(facts.host()));
    put("user_agent.original", text(call, http::header::USER_AGENT));
    put(
        "network.protocol.version",
        match facts.front {
            FrontKind::Http1 => Some("1.1"),
            FrontKind::Http2 => Some("2"),
            FrontKind::Mmtp | FrontKind::Embedded => None,
        },
    );
    put("paifang.request_id", call.slots().request_id().and_then(|id| id.to_str().ok()));
    put("paifang.app", call.slots().app().map(|app| &*app.id));
    put("paifang.answered_by", outcome.answered_by.as_deref());
    put("paifang.error.code", outcome.error.map(|error| error.code()).as_deref());
    put("error.type", error_type(outcome).as_deref());
    all.extend(outcome.status.map(status_code));
    let number = |key: &str, value: u64| attribute(key, i64::try_from(value).unwrap_or(i64::MAX));
    all.push(number("http.request.body.size", outcome.request_bytes));
    all.push(number("http.response.body.size", outcome.response_bytes));
    if outcome.attempts > 0 {
        all.push(number("paifang.attempts", u64::from(outcome.attempts)));
    }
    if span.dropped_notes > 0 {
        all.push(number("paifang.dropped_spans", u64::from(span.dropped_notes)));
    }
    let failed = super::failed(outcome).then(|| Status {
        message: outcome.error.map_or("", |error| error.title).to_owned(),
        code: FAILED,
    });
    let link = |(trace, id): (paifang_pipeline::spans::TraceId, SpanId)| Link {
        trace_id: trace.0.to_vec(),
        span_id: id.0.to_vec(),
    };
    let remote = if span.parent.is_some() { REMOTE } else { 0 };
    let mut own = child(ended, span.id, name, Kind::Server, (facts.received, *at));
    own.parent_span_id = span.parent.map_or_else(Vec::new, |parent| parent.0.to_vec());
    own.flags |= remote;
    own.attributes = all;
    own.links = span.link.map(link).into_iter().collect();
    own.status = failed;
    own
}

fn attempt(ended: &Ended<'_>, attempt: &Attempt) -> Span {
    let method = method(ended.call);
    let end = attempt.ended.unwrap_or(ended.at);
    let mut all = vec![attribute("http.request.method", method)];
    if attempt.number > 1 {
        all.push(attribute("http.request.resend_count", i64::from(attempt.number) - 1));
    }
    all.extend(upstream(ended).map(|name| attribute("paifang.upstream", name)));
    all.extend(attempt.endpoint.into_iter().flat_map(peer));
    all.extend(attempt.status.map(status_code));
    if let Some(head) = attempt.head {
        let micros = i64::try_from(head.since(attempt.began) / 1_000).unwrap_or(i64::MAX);
        all.push(attribute("paifang.head_micros", micros));
    }
    // For a client an answer of 400 and above is an error too.
    let bad = attempt.status.filter(|status| status.as_u16() >= 400);
    let error = attempt.error.map(|error| error.label.to_owned());
    let error = error.or_else(|| bad.map(|status| status.as_str().to_owned()));
    let mut own = child(ended, attempt.id, method.to_owned(), Kind::Client, (attempt.began, end));
    if let Some(error) = error {
        all.push(attribute("error.type", error));
        let message = attempt.error.map_or("", |error| error.title).to_owned();
        own.status = Some(Status { message, code: FAILED });
    }
    own.attributes = all;
    own
}

/// Where the call's attempts went: what a step has chosen, else its API's own upstream.
fn upstream<'a>(ended: &Ended<'a>) -> Option<&'a str> {
    let chosen = ended.call.route().and_then(|route| ended.api.chain.routes().get(route.index()));
    chosen.or(ended.api.upstream.as_ref()).map(|name| &**name)
}

fn step(ended: &Ended<'_>, note: &StepNote, salt: u64) -> Span {
    let (id, kind) =
        ended.api.chain.steps().get(note.index).map_or(("-", "-"), |step| (&*step.id, &*step.kind));
    // Nobody is told of it as a parent, so it need not be known before now.
    let own = u64::from_be_bytes(ended.span.id.0);
    let span_id = SpanId::new(paifang_pipeline::mix(own, salt));
    let mut own = child(ended, span_id, format!("step {id}"), Kind::Internal, note.time);
    own.attributes = vec![
        attribute("paifang.step.id", id),
        attribute("paifang.step.kind", kind),
        attribute("paifang.step.stage", note.stage),
        attribute("paifang.step.verdict", note.verdict.as_str()),
    ];
    if matches!(note.verdict, StepVerdict::FailedClosed | StepVerdict::FailedOpen) {
        own.status = Some(Status { message: String::new(), code: FAILED });
    }
    own
}

/// The method, where it is one that everybody knows.
fn method(call: &Exchange) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    let own = call.method().as_str();
    KNOWN.into_iter().find(|known| *known == own).unwrap_or("_OTHER")
}

fn text(call: &Exchange, name: http::HeaderName) -> Option<&str> {
    call.header(name).and_then(|value| value.to_str().ok())
}

/// At most [`LONGEST`] bytes.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

fn status_code(status: StatusCode) -> KeyValue {
    attribute("http.response.status_code", i64::from(status.as_u16()))
}

fn peer(address: SocketAddr) -> [KeyValue; 2] {
    [
        attribute("server.address", address.ip().to_string()),
        attribute("server.port", i64::from(address.port())),
    ]
}

/// What went wrong, in a word of few: a label of the error table, a status, or how it ended.
fn error_type(outcome: &Outcome) -> Option<String> {
    if let Some(error) = outcome.error {
        return Some(error.label.to_owned());
    }
    match outcome.termination {
        Termination::Completed => {
            let bad = outcome.status.filter(|status| status.is_server_error());
            bad.map(|status| status.as_str().to_owned())
        }
        other => Some(other.as_str().to_owned()),
    }
}
