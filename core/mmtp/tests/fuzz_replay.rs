//! Replays the corpora of the fuzz targets that concern this crate (see fuzz/README.md), and runs the one of pairs on inputs by chance.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use proptest::{collection::vec, prelude::*};
use replay::replay;

#[path = "../../../fuzz/bodies/mmtp_compress.rs"]
mod mmtp_compress;
#[path = "../../../fuzz/bodies/mmtp_model.rs"]
mod mmtp_model;
#[path = "../../../fuzz/bodies/mmtp_pair.rs"]
mod mmtp_pair;
#[path = "../../../fuzz/bodies/mmtp_world.rs"]
mod mmtp_world;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn mmtp_compress_corpus() {
    replay("mmtp_compress", mmtp_compress::run);
}

#[test]
fn mmtp_pair_corpus() {
    replay("mmtp_pair", mmtp_pair::run);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pairs_keep_their_word(input in vec(any::<u8>(), 0..400)) {
        mmtp_pair::run(&input);
    }
}
