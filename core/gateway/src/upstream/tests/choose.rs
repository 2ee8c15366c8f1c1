//! Which endpoint is chosen: least connections, slow start. Nothing is connected to.

use super::support::{eject, imagined, nth, number, place, shares};
use crate::upstream::{BalanceSpec, OutlierSpec, SlowStartSpec, UpstreamSpec, balance::Ask};
use paifang_pipeline::{ports::Clock, testkit::TestClock};
use std::{sync::Arc, time::Duration};

fn least(spec: &mut UpstreamSpec) {
    spec.balance = BalanceSpec::LeastConnections;
}

#[tokio::test]
async fn the_least_loaded_gets_the_next_call() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1, 1, 1], &clock, least);
    let mut places: Vec<_> = (0..9).map(|_| place(&upstream, &clock, None)).collect();
    let load = |wanted| nth(&upstream, wanted).in_flight();
    assert_eq!([load(0), load(1), load(2)], [3; 3]);
    places.retain(|(endpoint, _)| *endpoint != 1);
    for _ in 0..3 {
        let next = place(&upstream, &clock, None);
        assert_eq!(next.0, 1, "it has the fewest");
        places.push(next);
    }
    drop(places);
    assert_eq!([load(0), load(1), load(2)], [0; 3]);
}

#[tokio::test]
async fn the_least_loaded_by_weight_and_idle_ones_in_turn() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[3, 1, 0], &clock, least);
    let held: Vec<_> = (0..40).map(|_| place(&upstream, &clock, None)).collect();
    let load = |wanted| nth(&upstream, wanted).in_flight();
    assert_eq!([load(0), load(1), load(2)], [30, 10, 0]);
    drop(held);
    assert_eq!(shares(&upstream, &clock, 40, 3), [30, 10, 0]);
}

#[tokio::test]
async fn of_many_endpoints_two_are_compared() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1; 100], &clock, least);
    // Every endpoint but a few is busy; a call has at least the chance of its turn.
    let held: Vec<_> = (0..10_000).map(|_| place(&upstream, &clock, None)).collect();
    let loads: Vec<usize> = (0..100).map(|wanted| nth(&upstream, wanted).in_flight()).collect();
    assert_eq!(held.len(), 10_000);
    let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
    assert!(most - least <= 20, "{least} to {most}");
    // One that is slow keeps its calls and gets fewer.
    let kept: Vec<_> = held.into_iter().filter(|(endpoint, _)| *endpoint == 7).collect();
    let shares = shares(&upstream, &clock, 10_000, 100);
    assert_eq!(kept.len(), loads[7]);
    assert!(shares[7] < 10, "{} calls to the busy one", shares[7]);
}

#[tokio::test]
async fn what_was_tried_is_chosen_last() {
    let clock = Arc::new(TestClock::new());
    for how in [BalanceSpec::RoundRobin, BalanceSpec::LeastConnections] {
        let upstream = imagined(&[1, 1], &clock, |spec| spec.balance = how);
        let tried = nth(&upstream, 0).address;
        let ask = Ask { now: clock.now(), tried: Some(tried), key: None };
        for _ in 0..4 {
            let place = upstream.balance.choose(&ask).unwrap();
            assert_eq!(number(&place.endpoint), 1);
        }
        let alone = imagined(&[1], &clock, |_| ());
        assert_eq!(number(&alone.balance.choose(&ask).unwrap().endpoint), 0);
    }
}

#[tokio::test]
async fn one_that_came_back_begins_slowly() {
    for how in [BalanceSpec::RoundRobin, BalanceSpec::LeastConnections] {
        let clock = Arc::new(TestClock::new());
        let upstream = imagined(&[1, 1], &clock, |spec| {
            spec.balance = how;
            spec.slow_start =
                Some(SlowStartSpec { duration: Duration::from_secs(100), least_permille: 100 });
            spec.outliers =
                Some(OutlierSpec { time: Duration::from_secs(10), ..OutlierSpec::default() });
        });
        assert_eq!(shares(&upstream, &clock, 100, 2), [50, 50], "at the beginning all are warm");
        eject(&upstream, 1);
        assert_eq!(shares(&upstream, &clock, 100, 2), [100, 0]);
        clock.advance(Duration::from_secs(10));
        let mut seen = Vec::new();
        for _ in 0..5 {
            seen.push(shares(&upstream, &clock, 1000, 2)[1]);
            clock.advance(Duration::from_secs(25));
        }
        // Of its 500 turns: 10%, 32.5%, 55%, 77.5%, all.
        for (seen, expected) in seen.into_iter().zip([50_usize, 162, 275, 387, 500]) {
            assert!(seen.abs_diff(expected) <= 2, "{seen} instead of {expected}");
        }
        assert_eq!(upstream.read().endpoints[1].warmth, 1000);
    }
}

#[tokio::test]
async fn when_all_are_cold_they_share_alike() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1, 1], &clock, |spec| {
        spec.slow_start =
            Some(SlowStartSpec { duration: Duration::from_secs(100), least_permille: 10 });
    });
    for wanted in [0, 1] {
        nth(&upstream, wanted).warmth.begin(clock.now());
    }
    let shares = shares(&upstream, &clock, 100, 2);
    assert!(shares[0].abs_diff(50) <= 2, "{shares:?}");
}
