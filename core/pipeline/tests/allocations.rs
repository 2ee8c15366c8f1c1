//! The engine allocates nothing for a call, and nothing for a sync step.
//!
//! What allocates by design, and is counted here too so that it stays that: a copy of the request
//! head for `upstream` steps, the memory of steps beyond the eighth, joining the frames of a body
//! that is needed whole, and keeping more than two frames of a body for another attempt.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/still.rs"]
mod still;

use http::{HeaderMap, HeaderValue, StatusCode};
use paifang_pipeline::{Api, Engine, Stages, Termination};
use std::sync::Arc;
use still::{Client, PIECE, Source, api, exchange, facts, finish};

const ALL_BUT_UPSTREAM: Stages = Stages::REQUEST
    .and(Stages::REQUEST_BODY)
    .and(Stages::RESPONSE)
    .and(Stages::RESPONSE_BODY)
    .and(Stages::LOG);

/// What a call looks like on either side of the engine.
#[derive(Debug, Clone, Default)]
struct Shape {
    /// Frames of the request.
    up: usize,
    /// Frames of the response.
    down: usize,
    /// Whether either side keeps the other waiting.
    slow: bool,
    headers: HeaderMap,
}

/// Allocations from handing the exchange over to the end of the call.
fn allocations(api: &Api, shape: &Shape) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let engine = Engine::new(Arc::new(still::Still));
    let facts = facts();
    let origin = Source { frames: shape.down, slow: shape.slow };
    let call = || {
        let mut exchange = exchange(&facts, shape.headers.clone());
        let mut client = Client { frames: shape.up, slow: shape.slow, ..Client::default() };
        let counted = allocation_counter::measure(|| {
            let served = finish(engine.serve(api, &origin, &mut exchange, &mut client));
            assert_eq!(served.termination, Termination::Completed);
        });
        assert_eq!(client.status, Some(StatusCode::OK));
        assert_eq!(client.received, shape.down * PIECE.len());
        counted.count_total
    };
    // What threads and runtimes make once is made by the first call.
    call();
    call()
}

fn shapes() -> impl Iterator<Item = Shape> {
    let shape = |up, down, slow| Shape { up, down, slow, ..Shape::default() };
    [(0, 0), (0, 1), (0, 9), (1, 1), (2, 9)]
        .into_iter()
        .flat_map(move |(up, down)| [shape(up, down, false), shape(up, down, true)])
}

#[test]
fn an_empty_chain_allocates_nothing() {
    for shape in shapes() {
        assert_eq!(allocations(&api(0, Stages::NONE, false), &shape), 0, "{shape:?}");
    }
}

#[test]
fn sync_steps_allocate_nothing() {
    for steps in [1, 3, 8] {
        for shape in shapes() {
            let api = api(steps, ALL_BUT_UPSTREAM, false);
            assert_eq!(allocations(&api, &shape), 0, "{steps} steps, {shape:?}");
        }
    }
}

#[test]
fn bodies_of_one_frame_that_are_needed_whole_allocate_nothing() {
    for slow in [false, true] {
        let shape = Shape { up: 1, down: 1, slow, ..Shape::default() };
        let api = api(3, ALL_BUT_UPSTREAM, true);
        assert_eq!(allocations(&api, &shape), 0, "{shape:?}");
    }
}

#[test]
fn upstream_steps_cost_one_copy_of_the_head_however_many_they_are() {
    let mut headers = HeaderMap::new();
    for name in ["accept", "authorization", "user-agent", "x-request-id"] {
        headers.insert(name, HeaderValue::from_static("value"));
    }
    // A name's text is shared from its first copy on.
    drop(headers.clone());
    let copy = allocation_counter::measure(|| drop(headers.clone())).count_total;
    assert!(copy > 0);
    let shape = Shape { headers, ..Shape::default() };
    for steps in [1, 3] {
        assert_eq!(allocations(&api(steps, Stages::UPSTREAM, false), &shape), copy);
    }
}

#[test]
fn what_does_not_fit_costs_one_allocation_and_is_seen() {
    let nine = api(9, ALL_BUT_UPSTREAM, false);
    assert_eq!(allocations(&nine, &Shape::default()), 1, "memory of the ninth step");
    let three = Shape { up: 3, down: 1, ..Shape::default() };
    assert_eq!(allocations(&api(0, Stages::NONE, false), &three), 1, "frames for an attempt more");
    let joined = allocations(&api(1, ALL_BUT_UPSTREAM, true), &three);
    assert!(joined > 0, "frames of a body needed whole");
}
