//! Replays the corpora of the fuzz targets that concern this crate (see fuzz/README.md).
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use replay::replay;

#[path = "../../../fuzz/bodies/mmtp_compress.rs"]
mod mmtp_compress;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn mmtp_compress_corpus() {
    replay("mmtp_compress", mmtp_compress::run);
}
