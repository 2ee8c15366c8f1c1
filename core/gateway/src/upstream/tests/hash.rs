//! Calls assigned by a key: evenness, what moves when endpoints come and go, detours.

use super::support::{eject, imagined, nth, place};
use crate::upstream::{
    BalanceSpec, HashBy, OutlierSpec, SlowStartSpec, Upstream, UpstreamSpec, balance::Ask,
};
use paifang_pipeline::{
    ports::Clock,
    testkit::{TestCall, TestClock},
};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use std::{sync::Arc, time::Duration};

fn by_path(spec: &mut UpstreamSpec) {
    spec.balance = BalanceSpec::ConsistentHash(HashBy::Path);
}

/// Keys that are spread as hashes are.
fn keys(count: u64) -> impl Iterator<Item = u64> {
    (1..=count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn owner(upstream: &Upstream, clock: &TestClock, key: u64) -> usize {
    place(upstream, clock, Some(key)).0
}

#[tokio::test]
async fn keys_spread_by_weight_and_stay() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1, 2, 5, 0], &clock, by_path);
    let mut shares = [0_usize; 4];
    for key in keys(80_000) {
        shares[owner(&upstream, &clock, key)] += 1;
    }
    for (share, expected) in shares.into_iter().zip([10_000_usize, 20_000, 50_000, 0]) {
        assert!(share.abs_diff(expected) <= 500, "{shares:?}");
    }
    // Another gateway, another day.
    let other = imagined(&[1, 2, 5, 0], &clock, by_path);
    assert!(keys(500).all(|key| owner(&upstream, &clock, key) == owner(&other, &clock, key)));
}

#[tokio::test]
async fn the_keys_of_one_that_is_out_spread_and_come_back() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1; 5], &clock, |spec| {
        by_path(spec);
        spec.outliers =
            Some(OutlierSpec { time: Duration::from_secs(10), ..OutlierSpec::default() });
    });
    let before: Vec<_> = keys(10_000).map(|key| owner(&upstream, &clock, key)).collect();
    eject(&upstream, 2);
    let mut taken = [0_usize; 5];
    for (key, before) in keys(10_000).zip(&before) {
        let now = owner(&upstream, &clock, key);
        if *before == 2 {
            taken[now] += 1;
        } else {
            assert_eq!(now, *before, "what is well stays where it is");
        }
    }
    assert_eq!(taken[2], 0);
    assert!([0, 1, 3, 4].iter().all(|&other| taken[other].abs_diff(500) <= 100), "{taken:?}");
    clock.advance(Duration::from_secs(10));
    assert!(
        keys(10_000).zip(&before).all(|(key, before)| owner(&upstream, &clock, key) == *before)
    );
}

#[tokio::test]
async fn a_cold_owner_takes_its_keys_bit_by_bit_and_gives_none_back() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1; 4], &clock, |spec| {
        by_path(spec);
        spec.slow_start =
            Some(SlowStartSpec { duration: Duration::from_secs(100), least_permille: 0 });
    });
    let all: Vec<u64> = keys(4000).filter(|&key| owner(&upstream, &clock, key) == 3).collect();
    nth(&upstream, 3).warmth.begin(clock.now());
    let mut had = Vec::new();
    for percent in [25_usize, 50, 75, 100] {
        clock.advance(Duration::from_secs(25));
        let has: Vec<u64> =
            all.iter().copied().filter(|&key| owner(&upstream, &clock, key) == 3).collect();
        assert!(
            (has.len() * 100 / all.len()).abs_diff(percent) <= 5,
            "{} of {}",
            has.len(),
            all.len()
        );
        assert!(had.iter().all(|key| has.contains(key)));
        had = has;
    }
}

#[tokio::test]
async fn a_second_attempt_goes_to_the_next_best_and_calls_without_a_key_take_turns() {
    let clock = Arc::new(TestClock::new());
    let upstream = imagined(&[1; 3], &clock, by_path);
    for key in keys(50) {
        let (first, _) = place(&upstream, &clock, Some(key));
        let tried = Some(nth(&upstream, first).address);
        let ask = Ask { now: clock.now(), tried, key: Some(key) };
        let second = upstream.balance.choose(&ask).unwrap().endpoint.address;
        assert_ne!(Some(second), tried);
        assert_eq!(upstream.balance.choose(&ask).unwrap().endpoint.address, second);
    }
    assert_eq!(super::support::shares(&upstream, &clock, 30, 3), [10; 3]);
}

#[tokio::test]
async fn the_call_brings_the_key() {
    let servers = [
        super::support::Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na").await,
        super::support::Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb").await,
    ];
    let addresses = servers.each_ref().map(|server| server.address);
    for by in [HashBy::Query("user".to_owned()), HashBy::Path, HashBy::ClientIp] {
        let mut spec = super::support::specs(&addresses);
        spec.balance = BalanceSpec::ConsistentHash(by.clone());
        let upstream = super::support::start(spec);
        let mut seen = std::collections::BTreeSet::new();
        for user in 0..40_u8 {
            let target = format!("/{user}?user={user}");
            let call = || {
                let ip = std::net::IpAddr::from([10, 0, 0, user]);
                TestCall::get(&target).facts(|facts| facts.client_ip = ip)
            };
            let first = super::support::run(call(), &upstream).await.body();
            assert_eq!(super::support::run(call(), &upstream).await.body(), first, "{by:?}");
            seen.insert(first);
        }
        assert_eq!(seen.len(), 2, "{by:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn only_the_share_of_what_changes_moves(seed in any::<[u8; 6]>(), which in any::<u8>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let clock = Arc::new(TestClock::new());
        let weights = seed.map(|byte| u32::from(byte % 5) + 1);
        let leaves = usize::from(which) % weights.len();
        let upstream = imagined(&weights, &clock, by_path);
        let before: Vec<_> = keys(3000).map(|key| owner(&upstream, &clock, key)).collect();
        let all = upstream.spec().endpoints.clone();
        let mut fewer = all.clone();
        fewer.remove(leaves);
        let change = |specs: &[crate::upstream::EndpointSpec]| {
            upstream.members.lock().replace(specs, None, &std::collections::HashMap::new()).unwrap();
            upstream.renew();
        };
        change(&fewer);
        for (key, before) in keys(3000).zip(&before) {
            let now = owner(&upstream, &clock, key);
            prop_assert!(now != leaves && (*before == leaves || now == *before));
        }
        // Made by comparing with what was there, and from nothing: one table.
        let fresh = imagined(&weights, &clock, |spec| { by_path(spec); spec.endpoints = fewer; });
        for key in keys(1000) {
            prop_assert_eq!(owner(&upstream, &clock, key), owner(&fresh, &clock, key));
        }
        change(&all);
        for (key, before) in keys(3000).zip(&before) {
            prop_assert_eq!(owner(&upstream, &clock, key), *before);
        }
    }
}
