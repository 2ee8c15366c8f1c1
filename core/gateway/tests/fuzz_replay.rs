//! Replays the corpora of the fuzz targets that concern this crate, so that what fuzzing once found
//! stays found without nightly. A target is one `mod` and one test here (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use paifang::edge::proxy_protocol;
use replay::replay;

#[path = "../../../fuzz/bodies/compile.rs"]
mod compile;
#[path = "../../../fuzz/bodies/proxy_header.rs"]
mod proxy_header;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn compile_corpus() {
    replay("compile", compile::run);
}

#[test]
fn proxy_header_corpus() {
    replay("proxy_header", proxy_header::run);
}
