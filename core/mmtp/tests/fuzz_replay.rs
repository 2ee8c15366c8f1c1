//! Replays the corpora of the fuzz targets that concern this crate (see fuzz/README.md), and runs the one of pairs on inputs by chance.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub, missing_docs)]

use proptest::{collection::vec, prelude::*};
use replay::replay;

#[path = "../../../fuzz/bodies/mmtp_compress.rs"]
mod mmtp_compress;
#[path = "../../../fuzz/bodies/mmtp_frame.rs"]
mod mmtp_frame;
#[path = "../../../fuzz/bodies/mmtp_model.rs"]
mod mmtp_model;
#[path = "../../../fuzz/bodies/mmtp_pair.rs"]
mod mmtp_pair;
#[path = "../../../fuzz/bodies/mmtp_session.rs"]
mod mmtp_session;
#[path = "../../../fuzz/bodies/mmtp_world.rs"]
mod mmtp_world;
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn mmtp_compress_corpus() {
    replay("mmtp_compress", mmtp_compress::run);
}

#[test]
fn mmtp_frame_corpus() {
    replay("mmtp_frame", mmtp_frame::run);
}

#[test]
fn mmtp_session_corpus() {
    replay("mmtp_session", mmtp_session::run);
}

#[test]
fn mmtp_pair_corpus() {
    replay("mmtp_pair", mmtp_pair::run);
}

/// A frame whose parts are likely to be good: its type, flags, small numbers, a block, data.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let numbers = vec(prop_oneof![4 => 0..4_u8, 1 => any::<u8>()], 0..5);
    let block = prop_oneof![Just(vec![]), vec(tlv(), 0..4).prop_map(|tlvs| tlvs.concat())];
    let first = (1..32_u8, prop_oneof![5 => 0..8_u8, 1 => Just(0)]);
    (first, numbers, block, vec(any::<u8>(), 0..20)).prop_map(
        |((kind, flags), numbers, block, data)| {
            if kind < 3 {
                return vec![kind << 3, numbers.len() as u8];
            }
            let length = if flags & 2 == 2 && (5..10).contains(&kind) {
                vec![block.len() as u8]
            } else {
                vec![]
            };
            let body = [numbers, length, block, data].concat();
            [&[kind << 3 | flags, body.len() as u8 & 0x7f][..], &body].concat()
        },
    )
}

fn tlv() -> impl Strategy<Value = Vec<u8>> {
    (0..0x50_u8, vec(any::<u8>(), 0..17))
        .prop_map(|(kind, value)| [&[kind, value.len() as u8][..], &value].concat())
}

/// An operation of a driver, or frames of the peer with their length in front.
fn operation() -> impl Strategy<Value = Vec<u8>> {
    let peer = frame().prop_map(|frame| [&[frame.len().min(0xdf) as u8][..], &frame].concat());
    prop_oneof![3 => peer, 1 => (0xe0..=0xff_u8).prop_map(|operation| vec![operation])]
}

/// A quarter of what is asked for (`PROPTEST_CASES`), for each input is many operations: 64 where nothing is.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.div_ceil(4), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pairs_keep_their_word(input in vec(any::<u8>(), 0..400)) {
        mmtp_pair::run(&input);
    }

    #[test]
    fn frames_have_one_form(input in vec(frame(), 1..6)) {
        mmtp_frame::run(&input.concat());
    }

    #[test]
    fn a_side_bears_any_peer(how in any::<u8>(), input in vec(operation(), 0..60)) {
        mmtp_session::run(&[&[how][..], &input.concat()].concat());
    }
}
