//! The walk over a target's corpus, shared by the `tests/fuzz_replay.rs` of the crates under test.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs `body` on each file of the target's corpus and names the files that it fails on.
pub fn replay(target: &str, body: fn(&[u8])) {
    // Tests run in their crate's folder; the corpora lie beside this file.
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("fuzz/corpus"))
        .find(|folder| folder.is_dir())
        .expect("fuzz/corpus above this crate");
    let folder = fuzz.join(target);
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
