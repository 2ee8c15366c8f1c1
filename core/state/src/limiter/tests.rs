//! The table around the arithmetic: room, forgetting, and a naive model of it all.
#![allow(clippy::unwrap_used)]

use super::LocalLimiter;
use crate::subject::SubjectHash;
use paifang_pipeline::ports::LimitSpec;
use proptest::prelude::*;
use std::collections::HashMap;

fn limiter(increment: u64, burst: u64, subjects: u32) -> LocalLimiter {
    let spec = LimitSpec {
        count: 1.try_into().unwrap(),
        period_nanos: increment.try_into().unwrap(),
        burst: burst.try_into().unwrap(),
        subjects: subjects.try_into().unwrap(),
    };
    LocalLimiter::new(&spec, SubjectHash::random())
}

fn held(limiter: &LocalLimiter) -> usize {
    let maps: usize = limiter.shards.iter().map(|shard| shard.0.read().len()).sum();
    assert_eq!(maps, limiter.room.held(), "the count is the sum of the shards");
    maps
}

#[test]
fn subjects_do_not_touch_each_other() {
    let limiter = limiter(1_000, 1, 10);
    assert!(limiter.decide(b"a", 0).allowed);
    assert!(!limiter.decide(b"a", 0).allowed);
    assert!(limiter.decide(b"b", 0).allowed);
    assert!(limiter.decide(b"", 0).allowed);
    assert!(!limiter.decide(b"", 0).allowed);
}

#[test]
fn a_full_table_of_active_subjects_refuses_the_newcomer_and_says_when() {
    let limiter = limiter(1_000_000, 2, 2);
    assert!(limiter.decide(b"a", 0).allowed);
    assert!(limiter.decide(b"b", 500_000).allowed);
    let refused = limiter.decide(b"c", 600_000);
    assert!(!refused.allowed);
    assert_eq!((refused.remaining, refused.retry_after_nanos), (0, 400_000));
    assert!(limiter.decide(b"a", 600_000).allowed, "who is known is not harmed");
    assert!(limiter.decide(b"", 600_000).allowed, "all together has a place of its own");
    assert!(!limiter.decide(b"c", 1_000_000).allowed, "`a` has come again since");
    assert!(limiter.decide(b"c", 1_500_000).allowed, "`b` is full again and forgotten");
    assert_eq!(held(&limiter), 2);
}

#[test]
fn forgetting_a_subject_gives_it_no_event_more() {
    let limiter = limiter(1_000, 3, 1);
    for _ in 0..3 {
        assert!(limiter.decide(b"a", 0).allowed);
    }
    // Its whole burst is there again at 3000, not before; so it cannot be forgotten before.
    assert!(!limiter.decide(b"b", 2_899).allowed);
    assert!(limiter.decide(b"b", 3_000).allowed);
    assert!(!limiter.decide(b"a", 3_000).allowed, "now it is the newcomer");
}

#[test]
fn a_shard_forgets_before_it_grows() {
    let limiter = limiter(10, 1, 100_000);
    for subject in 0_u64..50_000 {
        assert!(limiter.decide(&subject.to_be_bytes(), subject * 20).allowed);
    }
    let capacity: usize = limiter.shards.iter().map(|shard| shard.0.read().capacity()).sum();
    assert!(capacity <= 64 * limiter.shards.len(), "{capacity} places for one active subject");
    held(&limiter);
}

#[test]
fn a_known_subject_is_found_in_every_shard() {
    let limiter = limiter(u64::MAX, 2, 10_000);
    for round in [true, true, false] {
        for subject in 0_u64..1_000 {
            assert_eq!(limiter.decide(&subject.to_be_bytes(), 1).allowed, round);
        }
    }
    assert_eq!(held(&limiter), 1_000);
}

proptest! {
    /// Against a map of buckets that never forgets. With room for all, the two agree; with less,
    /// whatever passes would have passed in the model too.
    #[test]
    fn agrees_with_a_model_that_never_forgets(
        increment in 1_u64..2_000,
        burst in 1_u64..5,
        room in prop::sample::select(vec![1_u32, 3, 8, 100]),
        events in prop::collection::vec((0_u8..8, 0_u64..1_000), 1..300),
    ) {
        let limiter = limiter(increment, burst, room);
        let mut model: HashMap<u8, u64> = HashMap::new();
        let mut now = 0;
        for (subject, step) in events {
            now += step;
            let tat = model.entry(subject).or_default();
            let conforms = tat.saturating_sub(now) <= (burst - 1) * increment;
            let decision = limiter.decide(&[subject], now);
            if room >= 8 {
                prop_assert_eq!(decision.allowed, conforms);
            }
            prop_assert!(conforms || !decision.allowed, "never fails open");
            prop_assert!(decision.allowed || decision.retry_after_nanos > 0);
            if decision.allowed {
                *tat = (*tat).max(now) + increment;
            }
            prop_assert!(held(&limiter) <= room as usize);
        }
    }
}
