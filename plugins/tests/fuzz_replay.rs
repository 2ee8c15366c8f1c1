//! Replays the corpora of the fuzz targets that concern this crate, so that what fuzzing once found
//! stays found without nightly. A target is one `mod` and one test here (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../fuzz/bodies/canonical.rs"]
mod canonical;
#[path = "../../fuzz/bodies/content_coding.rs"]
mod content_coding;
#[path = "../../fuzz/bodies/jwt.rs"]
mod jwt;
#[path = "../../fuzz/replay.rs"]
mod replay;
#[path = "../../fuzz/bodies/template.rs"]
mod template;

#[test]
fn canonical_corpus() {
    replay("canonical", canonical::run);
}

#[test]
fn content_coding_corpus() {
    replay("content_coding", content_coding::run);
}

#[test]
fn jwt_corpus() {
    replay("jwt", jwt::run);
}

#[test]
fn template_corpus() {
    replay("template", template::run);
}
