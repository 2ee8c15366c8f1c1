//! Places are taken and given back, never more than there are, never one lost.
#![allow(clippy::unwrap_used)]

use super::LocalConcurrency;
use crate::subject::SubjectHash;
use paifang_pipeline::ports::{ConcurrencySpec, Permit};
use proptest::prelude::*;
use std::collections::HashMap;

fn places(limit: u32, subjects: u32) -> LocalConcurrency {
    let spec = ConcurrencySpec {
        limit: limit.try_into().unwrap(),
        subjects: subjects.try_into().unwrap(),
    };
    LocalConcurrency::new(&spec, SubjectHash::random())
}

#[test]
fn a_place_comes_back_when_its_permit_ends() {
    let places = places(2, 10);
    for subject in [&b""[..], b"a"] {
        let first = places.try_enter(subject).unwrap();
        let second = places.try_enter(subject).unwrap();
        assert!(places.try_enter(subject).is_none());
        drop(first);
        let third = places.try_enter(subject).unwrap();
        assert!(places.try_enter(subject).is_none());
        drop((second, third));
        assert!(places.try_enter(subject).is_some());
    }
}

#[test]
fn subjects_in_flight_are_bounded_and_idle_ones_take_no_room() {
    let places = places(5, 2);
    for idle in 0_u8..100 {
        drop(places.try_enter(&[idle]).unwrap());
    }
    let held = (places.try_enter(b"a").unwrap(), places.try_enter(b"b").unwrap());
    assert!(places.try_enter(b"c").is_none(), "no room for a third subject");
    assert!(places.try_enter(b"a").is_some(), "who is inside has its places");
    drop(held);
    assert!(places.try_enter(b"c").is_some());
}

#[test]
fn a_permit_may_outlive_the_limit_it_came_from() {
    let places = places(1, 1);
    let permit = places.try_enter(b"a");
    drop(places);
    drop(permit);
}

proptest! {
    #[test]
    fn agrees_with_a_model(
        limit in 1_u32..4,
        subjects in 1_u32..5,
        events in prop::collection::vec((0_u8..6, any::<bool>()), 1..200),
    ) {
        let places = places(limit, subjects);
        let mut model: HashMap<u8, Vec<Permit>> = HashMap::new();
        for (subject, enter) in events {
            let others = model.iter().filter(|(who, held)| **who != subject && !held.is_empty());
            let room = others.count() < subjects as usize;
            let inside = model.entry(subject).or_default();
            if enter {
                let expected = inside.len() < limit as usize && (room || !inside.is_empty());
                let permit = places.try_enter(&[subject]);
                prop_assert_eq!(permit.is_some(), expected);
                inside.extend(permit);
            } else {
                inside.pop();
            }
        }
        drop(model);
        prop_assert_eq!(places.places.room.held(), 0);
    }
}
