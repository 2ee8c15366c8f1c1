//! Replays the corpora of the fuzz targets that concern this crate, so that what fuzzing once found
//! stays found without nightly. A target is one `mod` and one test here (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

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

/// Runs `body` on each file of the target's corpus and names the files that it fails on.
fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    let failing: Vec<_> = files
        .iter()
        .filter(|file| {
            let data = std::fs::read(file).unwrap();
            catch_unwind(AssertUnwindSafe(|| body(&data))).is_err()
        })
        .collect();
    assert!(failing.is_empty(), "{target} fails on {failing:?}");
}
