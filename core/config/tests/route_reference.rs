//! The route table and path normalisation against their plain references, on generated input.
//! The seed is fixed; fuzzing is what looks for new input.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[path = "../../../fuzz/bodies/path_normalize.rs"]
mod path_normalize;
#[path = "../../../fuzz/bodies/route_table.rs"]
mod route_table;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x7061_6966_616e_6721),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(300))]

    /// Random bytes are random tables and calls.
    #[test]
    fn tables_agree(data in proptest::collection::vec(any::<u8>(), 64..1500)) {
        route_table::run(&data);
    }
}

proptest! {
    #![proptest_config(config(3000))]

    /// Paths out of the pieces that normalisation treats specially.
    #[test]
    fn paths_agree(
        choice in any::<u8>(),
        pieces in proptest::collection::vec(
            proptest::sample::select(&[
                "/", "/", "/", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "%5C", ";", "%3b",
                "%3B", "a", "b=c", "~", "%7e", "%41", "%c3%a9", "%25", "%", "%0", "%00", "%0a", "|",
                "\"", "\\", "é", "?", "#", " ", "*", "[",
            ][..]),
            0..14,
        ),
    ) {
        path_normalize::run(&[&[choice][..], b"/", pieces.concat().as_bytes()].concat());
    }
}
