//! What documents show is tried: configs are loaded and compiled, commands are run.
//!
//! CONTRIBUTING.md says which tags blocks have. That a block stands in a file of the tree, where its
//! tag says so, is the `tidy` test's.

#[path = "docs/configs.rs"]
mod configs;
#[path = "docs/demo.rs"]
mod demo;
#[path = "docs/runs.rs"]
mod runs;

use paifang_tests::tidy::{Fence, fences, sources};

/// All blocks with a tag, with the path of their page.
fn tagged(tag: &str) -> Vec<(String, Fence)> {
    let pages = sources(&[".md"]).into_iter();
    let all = pages.flat_map(|page| {
        let path = page.path;
        fences(&page.text).into_iter().map(move |fence| (path.clone(), fence))
    });
    all.filter(|(_, fence)| fence.tag == tag).collect()
}

/// Fails with all faults.
#[track_caller]
fn no_faults(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n\n"));
}
