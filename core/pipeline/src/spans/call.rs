//! One call's place in a trace, and what is noted of it on the way.

use super::{SpanId, TRACEPARENT, TRACESTATE, TraceId, TraceParent, good_state};
use crate::{api::Api, error::ErrorCode, exchange::Exchange, ports::Nanos, stats::StepVerdict};
use http::{HeaderMap, StatusCode};
use std::{net::SocketAddr, sync::Arc};

/// The most notes that are kept of one call; a body in many pieces can make very many.
const MOST_NOTES: usize = 128;

/// What becomes of the trace context that a caller sends, and of that for the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// A well-formed one is continued; upstreams get ours.
    #[default]
    Trust,
    /// Every call begins a trace, which points at the caller's; upstreams get ours.
    Restart,
    /// It passes as it is, and nothing of ours is sent.
    Off,
}

/// Takes the spans of calls that have ended. It must not wait.
pub trait SpanSink: Send + Sync {
    /// A call has ended; called for each call that was begun with this sink, sampled or not.
    fn ended(&self, ended: Ended<'_>);
}

/// A call that has ended.
pub struct Ended<'a> {
    /// Its place in a trace, and the notes.
    pub span: CallSpan,
    /// The call with its account.
    pub call: &'a Exchange,
    /// The API that served it.
    pub api: &'a Api,
    /// When it ended.
    pub at: Nanos,
}

/// One call's place in a trace.
pub struct CallSpan {
    /// The trace.
    pub trace: TraceId,
    /// The gateway's own span.
    pub id: SpanId,
    /// The caller's span, where the trace is continued.
    pub parent: Option<SpanId>,
    /// The caller's trace and span, where the trace began anew in spite of them.
    pub link: Option<(TraceId, SpanId)>,
    /// Whether notes are taken and the spans exported.
    pub sampled: bool,
    /// The template of the path that matched, such as `/orders/{id}`; for sampled calls.
    pub route: Option<Arc<str>>,
    /// What was noted, in the order of beginnings of attempts and ends of steps.
    pub notes: Vec<Note>,
    /// Notes that there was no room for.
    pub dropped_notes: u32,
    /// Steps that take so many nanoseconds are noted whatever they say.
    slow: u64,
    send: NextHop,
    sink: Arc<dyn SpanSink>,
}

/// What the next hop is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextHop {
    /// What the caller has sent, or nothing.
    AsItCame,
    /// Ours, and the caller's `tracestate`.
    OursWithState,
    /// Ours alone.
    Ours,
}

/// Something that happened within a call.
#[derive(Debug, Clone)]
pub enum Note {
    /// A step that waited, failed or took long.
    Step(StepNote),
    /// An attempt on an origin.
    Attempt(Attempt),
}

/// A step at one stage.
#[derive(Debug, Clone)]
pub struct StepNote {
    /// Its place in the chain.
    pub index: usize,
    /// The stage's name.
    pub stage: &'static str,
    /// What it said.
    pub verdict: StepVerdict,
    /// When it began and ended.
    pub time: (Nanos, Nanos),
}

/// An attempt on an origin.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its span, which the origin is told as its parent.
    pub id: SpanId,
    /// From 1.
    pub number: u32,
    /// Where it went, once that is chosen.
    pub endpoint: Option<SocketAddr>,
    /// When it began.
    pub began: Nanos,
    /// When the response head came.
    pub head: Option<Nanos>,
    /// When it was given up; none where it served the response to the call's end.
    pub ended: Option<Nanos>,
    /// The status that came.
    pub status: Option<StatusCode>,
    /// Why none came.
    pub error: Option<&'static ErrorCode>,
}

impl CallSpan {
    /// A call's place in a trace, from the headers that its caller sent.
    ///
    /// `bits` are 128 random ones for a new trace and 64 for the span. `decide` says whether a call
    /// is sampled, by its trace and by what a trusted caller has decided.
    pub fn begin(
        headers: &HeaderMap,
        propagation: Propagation,
        bits: (u64, u64, u64),
        decide: impl FnOnce(TraceId, Option<bool>) -> bool,
        sink: Arc<dyn SpanSink>,
    ) -> Self {
        let came = headers.contains_key(TRACEPARENT);
        let caller = if came { TraceParent::of(headers.get_all(TRACEPARENT).iter()) } else { None };
        let trusted = caller.filter(|_| propagation == Propagation::Trust);
        let link = caller.filter(|_| propagation == Propagation::Restart);
        let trace = trusted.map_or_else(|| TraceId::new(bits.0, bits.1), |caller| caller.trace);
        let sampled = decide(trace, trusted.map(|caller| caller.sampled));
        let send = match trusted {
            _ if propagation == Propagation::Off => NextHop::AsItCame,
            Some(_) if good_state(headers.get_all(TRACESTATE)) => {
                // A hop that records nothing need not show (section 4.3 of the specification).
                let unchanged = !sampled && trusted.is_some_and(|caller| !caller.sampled);
                if unchanged { NextHop::AsItCame } else { NextHop::OursWithState }
            }
            _ => NextHop::Ours,
        };
        Self {
            trace,
            id: SpanId::new(bits.2),
            parent: trusted.map(|caller| caller.parent),
            link: link.map(|caller| (caller.trace, caller.parent)),
            sampled,
            route: None,
            notes: Vec::new(),
            dropped_notes: 0,
            slow: u64::MAX,
            send,
            sink,
        }
    }

    /// Notes steps that take so many nanoseconds or longer, whatever they say.
    #[must_use]
    pub fn noting_from(mut self, slow: u64) -> Self {
        self.slow = slow;
        self
    }

    /// Sets the fields that the next hop gets.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if self.send == NextHop::AsItCame {
            return;
        }
        if self.send == NextHop::Ours {
            headers.remove(TRACESTATE);
        }
        let attempt = self.notes.iter().rev().find_map(|note| match note {
            Note::Attempt(attempt) => Some(attempt.id),
            Note::Step(_) => None,
        });
        let parent = attempt.unwrap_or(self.id);
        let ours = TraceParent { trace: self.trace, parent, sampled: self.sampled };
        if let Some(value) = ours.value() {
            headers.insert(TRACEPARENT, value);
        }
    }

    /// A step has said something.
    pub(crate) fn step(&mut self, note: StepNote) {
        let (began, ended) = note.time;
        let worth = matches!(
            note.verdict,
            StepVerdict::Wait | StepVerdict::FailedOpen | StepVerdict::FailedClosed
        );
        if worth || ended.since(began) >= self.slow {
            self.note(Note::Step(note));
        }
    }

    /// An attempt begins.
    pub(crate) fn begin_attempt(&mut self, number: u32, began: Nanos, bits: u64) {
        if !self.sampled {
            return;
        }
        self.end_attempt(began);
        self.note(Note::Attempt(Attempt {
            id: SpanId::new(bits),
            number,
            endpoint: None,
            began,
            head: None,
            ended: None,
            status: None,
            error: None,
        }));
    }

    /// The attempt under way, where there is one.
    pub(crate) fn attempt(&mut self) -> Option<&mut Attempt> {
        self.notes.iter_mut().rev().find_map(|note| match note {
            Note::Attempt(attempt) => Some(attempt),
            Note::Step(_) => None,
        })
    }

    /// Another attempt, or nothing, comes after the one under way.
    pub(crate) fn end_attempt(&mut self, at: Nanos) {
        if let Some(attempt) = self.attempt() {
            attempt.ended.get_or_insert(at);
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(note);
        } else {
            self.dropped_notes += 1;
        }
    }

    /// Hands it all to the sink.
    pub(crate) fn end(self, call: &Exchange, api: &Api, at: Nanos) {
        let sink = self.sink.clone();
        sink.ended(Ended { span: self, call, api, at });
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
