//! Which context is continued, and what the next hop gets.
#![allow(clippy::unwrap_used)]

use super::{CallSpan, Ended, Propagation, SpanSink};
use crate::ports::Nanos;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

struct Nowhere;

impl SpanSink for Nowhere {
    fn ended(&self, _: Ended<'_>) {}
}

const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const OWN: &str = "00-0000000000000001000000000000000";

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    let mut map = HeaderMap::new();
    all.iter().map(field).for_each(|(name, value)| {
        map.append(name, value);
    });
    map
}

/// The span of a call with these headers, which follows its caller's decision or else `sample`.
fn begin(map: &HeaderMap, propagation: Propagation, sample: bool) -> CallSpan {
    let decide = |_, caller: Option<bool>| caller.unwrap_or(sample);
    CallSpan::begin(map, propagation, (1, 2, 3), decide, Arc::new(Nowhere))
}

/// What the next hop gets: `traceparent` and `tracestate`.
fn next(span: &CallSpan, map: &HeaderMap) -> (String, String) {
    let mut map = map.clone();
    span.inject(&mut map);
    let get = |name: &str| {
        let all: Vec<&str> = map.get_all(name).iter().map(|v| v.to_str().unwrap()).collect();
        all.join(" ")
    };
    (get("traceparent"), get("tracestate"))
}

#[test]
fn a_trusted_context_is_continued_with_our_span_as_parent() {
    let map = headers(&[("traceparent", SAMPLED), ("tracestate", "a=1"), ("tracestate", "b=2")]);
    let mut span = begin(&map, Propagation::Trust, false);
    assert!(span.sampled);
    assert_eq!(span.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent.unwrap().to_string(), "b7ad6b7169203331");
    let ours = "00-0af7651916cd43dd8448eb211c80319c-0000000000000003-01".to_owned();
    assert_eq!(next(&span, &map), (ours, "a=1 b=2".to_owned()));
    span.begin_attempt(1, Nanos(0), 7);
    span.begin_attempt(2, Nanos(5), 8);
    assert!(next(&span, &map).0.ends_with("-0000000000000008-01"), "that of the attempt");
}

#[test]
fn an_unsampled_context_passes_as_it_came_and_one_of_our_own_tells_of_it() {
    let map = headers(&[("traceparent", UNSAMPLED), ("tracestate", "a=1")]);
    let mut span = begin(&map, Propagation::Trust, true);
    assert!(!span.sampled, "the caller has decided");
    assert_eq!(next(&span, &map), (UNSAMPLED.to_owned(), "a=1".to_owned()));
    span.begin_attempt(1, Nanos(0), 7);
    assert!(span.notes.is_empty(), "nothing is noted");
    let nothing = HeaderMap::new();
    let span = begin(&nothing, Propagation::Trust, false);
    assert_eq!(next(&span, &nothing), (format!("{OWN}2-0000000000000003-00"), String::new()));
}

#[test]
fn malformed_contexts_begin_anew_and_lose_their_state() {
    let upper = SAMPLED.to_ascii_uppercase();
    for wrong in [
        &[("traceparent", "00-abc")][..],
        &[("traceparent", &upper)],
        &[("traceparent", SAMPLED), ("traceparent", SAMPLED)],
    ] {
        let mut map = headers(wrong);
        map.insert("tracestate", HeaderValue::from_static("a=1"));
        let span = begin(&map, Propagation::Trust, true);
        assert_eq!((span.parent, span.link), (None, None), "{wrong:?}");
        let ours = format!("{OWN}2-0000000000000003-01");
        assert_eq!(next(&span, &map), (ours, String::new()), "{wrong:?}");
    }
    let map = headers(&[("traceparent", SAMPLED), ("tracestate", "no member")]);
    let span = begin(&map, Propagation::Trust, true);
    assert!(span.parent.is_some(), "the parent holds without the state");
    assert_eq!(next(&span, &map).1, "");
}

#[test]
fn restart_points_at_the_caller_and_off_leaves_everything() {
    let map = headers(&[("traceparent", UNSAMPLED), ("tracestate", "a=1")]);
    let span = begin(&map, Propagation::Restart, true);
    assert!(span.sampled && span.parent.is_none(), "its decision counts for nothing");
    let (trace, caller) = span.link.unwrap();
    assert_eq!(trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(caller.to_string(), "b7ad6b7169203331");
    assert_eq!(next(&span, &map), (format!("{OWN}2-0000000000000003-01"), String::new()));

    let span = begin(&map, Propagation::Off, true);
    assert!(span.parent.is_none() && span.link.is_none());
    assert_eq!(next(&span, &map), (UNSAMPLED.to_owned(), "a=1".to_owned()));
    let nothing = HeaderMap::new();
    let span = begin(&nothing, Propagation::Off, true);
    assert_eq!(next(&span, &nothing), (String::new(), String::new()));
}

#[test]
fn notes_have_an_end() {
    let mut span = begin(&HeaderMap::new(), Propagation::Trust, true);
    for number in 0..200 {
        span.begin_attempt(number, Nanos(0), u64::from(number));
    }
    assert_eq!((span.notes.len(), span.dropped_notes), (128, 72));
}
