//! Exact within the time-to-live, bounded, and never forgetful under pressure.
#![allow(clippy::unwrap_used)]

use super::LocalNonces;
use crate::subject::SubjectHash;
use paifang_pipeline::ports::{
    NonceSpec,
    NonceVerdict::{Fresh, Full, Replayed},
};
use proptest::prelude::*;
use std::{collections::HashMap, time::Duration};

fn nonces(ttl: u64, capacity: u32) -> LocalNonces {
    let spec = NonceSpec { ttl: Duration::from_nanos(ttl), capacity: capacity.try_into().unwrap() };
    LocalNonces::new(&spec, SubjectHash::random())
}

#[test]
fn a_nonce_is_a_replay_for_exactly_its_time() {
    for offset in 0..1_000 {
        let nonces = nonces(1_000, 10);
        assert_eq!(nonces.remember(b"n", offset), Fresh);
        assert_eq!(nonces.remember(b"n", offset), Replayed);
        assert_eq!(nonces.remember(b"n", offset + 999), Replayed, "came at {offset}");
        assert_eq!(nonces.remember(b"n", offset + 1_000), Fresh, "came at {offset}");
        assert_eq!(nonces.room.held(), 1);
    }
}

#[test]
fn a_replay_does_not_prolong_the_memory() {
    let nonces = nonces(1_000, 10);
    assert_eq!(nonces.remember(b"n", 0), Fresh);
    assert_eq!(nonces.remember(b"n", 900), Replayed);
    assert_eq!(nonces.remember(b"n", 1_000), Fresh);
}

#[test]
fn a_full_memory_refuses_until_a_generation_is_over() {
    let nonces = nonces(1_000, 2);
    assert_eq!(nonces.remember(b"a", 0), Fresh);
    assert_eq!(nonces.remember(b"b", 400), Fresh);
    assert_eq!(nonces.remember(b"c", 999), Full);
    assert_eq!(nonces.remember(b"a", 999), Replayed, "who is remembered is still known");
    assert_eq!(nonces.remember(b"c", 1_250), Fresh);
    assert_eq!(nonces.remember(b"d", 1_250), Full);
}

#[test]
fn room_comes_back_from_shards_that_nobody_asks() {
    let nonces = nonces(1_000, 1_000);
    for nonce in 0_u64..1_000 {
        assert_eq!(nonces.remember(&nonce.to_be_bytes(), 0), Fresh);
    }
    assert_eq!(nonces.remember(b"x", 500), Full);
    for nonce in 1_000_u64..2_000 {
        assert_eq!(nonces.remember(&nonce.to_be_bytes(), 1_250), Fresh);
    }
    assert_eq!(nonces.room.held(), 1_000);
    assert_eq!(nonces.remember(b"x", 1_250), Full);
}

#[test]
fn a_clock_read_early_changes_nothing() {
    let nonces = nonces(1_000, 10);
    assert_eq!(nonces.remember(b"a", 5_000), Fresh);
    assert_eq!(nonces.remember(b"a", 10), Replayed);
    assert_eq!(nonces.remember(b"b", 10), Fresh);
    assert_eq!(nonces.remember(b"b", 5_999), Replayed);
}

#[test]
fn a_long_pause_empties_everything() {
    let nonces = nonces(8, 10);
    for nonce in 0_u8..10 {
        assert_eq!(nonces.remember(&[nonce], u64::from(nonce)), Fresh);
    }
    assert_eq!(nonces.remember(b"x", u64::MAX), Fresh);
    assert_eq!(nonces.room.held(), 1);
}

proptest! {
    #[test]
    fn agrees_with_a_map_of_times(
        ttl in 1_u64..40,
        capacity in 1_u32..12,
        events in prop::collection::vec((0_u8..16, 0_u64..12), 1..300),
    ) {
        let nonces = nonces(ttl, capacity);
        let span = ttl.div_ceil(4);
        let mut model: HashMap<u8, u64> = HashMap::new();
        let mut now = 0;
        for (nonce, step) in events {
            now += step;
            let within = |time: u64| model.values().filter(|came| now - **came < time).count();
            let (valid, held) = (within(ttl), within(5 * span));
            let seen = model.get(&nonce).is_some_and(|came| now - came < ttl);
            match nonces.remember(&[nonce], now) {
                Replayed => prop_assert!(seen),
                Fresh => {
                    prop_assert!(!seen && valid < capacity as usize);
                    model.insert(nonce, now);
                }
                Full => prop_assert!(!seen && held >= capacity as usize),
            }
        }
    }
}
