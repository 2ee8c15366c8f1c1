//! What a chain costs by itself: calls through steps that do nothing, all of it in memory.
//!
//! ```text
//! chain_cost CALLS STEPS STAGES      STAGES: none, or some of request,response,bodies,upstream,log
//! ```
//!
//! For instruction counts: run it under `valgrind --tool=callgrind` with two numbers of CALLS and
//! take the difference, so that starting up drops out; with two numbers of STEPS for the cost of
//! one. Time stands still here, so that a reading of the clock is one call, as the engine sees it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/support/still.rs"]
mod still;

use http::HeaderMap;
use paifang_pipeline::{Engine, Stages};
use std::{hint::black_box, process::ExitCode, sync::Arc};
use still::{Client, Source, api, exchange, facts, finish};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((calls, steps, stages)) = parse(&arguments) else {
        println!("usage: chain_cost CALLS STEPS STAGES");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let engine = Engine::new(Arc::new(still::Still));
    let (api, facts) = (api(steps, stages, false), facts());
    let mut received = 0;
    for _ in 0..calls {
        let mut client = Client::default();
        let mut exchange = exchange(&facts, HeaderMap::new());
        black_box(finish(engine.serve(
            &api,
            &Source { frames: 1, slow: false },
            &mut exchange,
            &mut client,
        )));
        received += client.received;
    }
    println!("{calls} calls, {steps} steps, {received} bytes");
    ExitCode::SUCCESS
}

fn parse(arguments: &[String]) -> Option<(u64, usize, Stages)> {
    let [calls, steps, names] = arguments else { return None };
    let stages = names.split(',').try_fold(Stages::NONE, |stages, name| {
        Some(stages.and(match name {
            "none" => Stages::NONE,
            "request" => Stages::REQUEST,
            "response" => Stages::RESPONSE,
            "bodies" => Stages::REQUEST_BODY.and(Stages::RESPONSE_BODY),
            "upstream" => Stages::UPSTREAM,
            "log" => Stages::LOG,
            _ => return None,
        }))
    })?;
    Some((calls.parse().ok()?, steps.parse().ok()?, stages))
}
