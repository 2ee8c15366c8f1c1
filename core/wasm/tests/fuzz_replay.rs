//! Replays the corpora of the fuzz targets that concern this crate, so that what fuzzing once found
//! stays found without nightly. A target is one `mod` and one test here (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../../fuzz/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/wasm_call.rs"]
mod wasm_call;
#[path = "../../../fuzz/bodies/wasm_open.rs"]
mod wasm_open;
#[path = "../../../fuzz/bodies/wasm_world.rs"]
mod wasm_world;

#[test]
fn wasm_call_corpus() {
    replay("wasm_call", wasm_call::run);
}

#[test]
fn wasm_open_corpus() {
    replay("wasm_open", wasm_open::run);
}
