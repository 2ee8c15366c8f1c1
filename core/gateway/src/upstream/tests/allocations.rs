//! Choosing an endpoint, and counting how an attempt ended, allocate nothing.

use super::support::{eject, imagined, nth, request};
use crate::upstream::{
    BalanceSpec, HashBy, OutlierSpec, SlowStartSpec, Upstream, UpstreamSpec, balance::Ask,
};
use http::{HeaderName, StatusCode};
use paifang_pipeline::{RequestHead, ports::Clock, testkit::TestClock};
use std::{sync::Arc, time::Duration};

/// Allocations of this thread.
fn allocations(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).count_total
}

/// Calls as they come: a key, a place, an end; with every third a second attempt elsewhere.
fn calls(upstream: &Upstream, clock: &TestClock, head: &RequestHead) {
    for call in 0..50 {
        let now = clock.now();
        upstream.readmit(now);
        let key = upstream.balance.key(head, None);
        let first = upstream.balance.choose(&Ask { now, tried: None, key }).unwrap();
        if call % 3 == 0 {
            first.endpoint.answered(StatusCode::SERVICE_UNAVAILABLE);
            let tried = Some(first.endpoint.address);
            let second = upstream.balance.choose(&Ask { now, tried, key }).unwrap();
            second.endpoint.answered(StatusCode::OK);
        } else {
            first.endpoint.answered(StatusCode::OK);
        }
    }
}

fn head() -> RequestHead {
    request("GET", "/orders?user=7", &[("x-user", "7"), ("cookie", "a=b; user=7")])
}

fn ways() -> Vec<BalanceSpec> {
    let hash = BalanceSpec::ConsistentHash;
    vec![
        BalanceSpec::RoundRobin,
        BalanceSpec::LeastConnections,
        hash(HashBy::Header(HeaderName::from_static("x-user"))),
        hash(HashBy::Cookie("user".to_owned())),
        hash(HashBy::Query("user".to_owned())),
        hash(HashBy::Path),
    ]
}

/// Never ejects, but counts all that could.
fn watching(spec: &mut UpstreamSpec) {
    spec.outliers = Some(OutlierSpec {
        failures_in_a_row: Some(u32::MAX),
        failure_permille: Some(1000),
        minimum_attempts: u32::MAX,
        ..OutlierSpec::default()
    });
    spec.slow_start =
        Some(SlowStartSpec { duration: Duration::from_secs(30), least_permille: 100 });
}

#[tokio::test]
async fn a_choice_and_the_end_of_an_attempt_allocate_nothing() {
    let clock = Arc::new(TestClock::new());
    let head = head();
    for how in ways() {
        for servers in [3, 100] {
            let upstream = imagined(&vec![1; servers], &clock, |spec| {
                spec.balance = how.clone();
                watching(spec);
            });
            // What threads and clocks make once is made by the first calls.
            calls(&upstream, &clock, &head);
            let counted = allocations(|| calls(&upstream, &clock, &head));
            assert_eq!(counted, 0, "{how:?} of {servers}");
        }
    }
}

#[tokio::test]
async fn calls_around_an_ejected_endpoint_allocate_nothing() {
    let clock = Arc::new(TestClock::new());
    let head = head();
    for how in ways() {
        let upstream = imagined(&[1; 5], &clock, |spec| {
            spec.balance = how.clone();
            spec.outliers = Some(OutlierSpec {
                failure_permille: Some(1000),
                minimum_attempts: u32::MAX,
                ..OutlierSpec::default()
            });
        });
        eject(&upstream, 2);
        let out = nth(&upstream, 2);
        calls(&upstream, &clock, &head);
        let counted = allocations(|| calls(&upstream, &clock, &head));
        assert_eq!(counted, 0, "{how:?}");
        assert!(out.outlier.is_out(), "it came back meanwhile");
        // To see that something is counted at all.
        assert_ne!(allocations(|| upstream.rebalance()), 0);
    }
}
