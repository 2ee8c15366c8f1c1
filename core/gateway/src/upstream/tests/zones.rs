//! Zones and priorities: who is preferred, and when calls go elsewhere.

use super::support::{eject, imagined, shares};
use crate::upstream::{BalanceSpec, EndpointSpec, OutlierSpec, Upstream, UpstreamSpec, ZoneSpec};
use paifang_pipeline::testkit::TestClock;
use std::{sync::Arc, time::Duration};

/// Endpoints 0 to 3 in zone `a`, which is the gateway's, 4 to 7 in `b`.
fn two_zones(clock: &Arc<TestClock>, change: impl FnOnce(&mut UpstreamSpec)) -> Arc<Upstream> {
    imagined(&[1; 8], clock, |spec| {
        for (index, endpoint) in spec.endpoints.iter_mut().enumerate() {
            endpoint.zone = Some(if index < 4 { "a".into() } else { "b".into() });
        }
        spec.zone = Some(ZoneSpec { own: "a".into(), threshold_permille: 700 });
        spec.outliers = Some(OutlierSpec {
            time: Duration::from_secs(10),
            share_max_permille: 1000,
            ..OutlierSpec::default()
        });
        change(spec);
    })
}

#[tokio::test]
async fn calls_stay_in_the_zone_until_too_little_of_it_is_left() {
    for how in [BalanceSpec::RoundRobin, BalanceSpec::LeastConnections] {
        let clock = Arc::new(TestClock::new());
        let upstream = two_zones(&clock, |spec| spec.balance = how);
        let near = |count: usize| {
            let shares = shares(&upstream, &clock, count, 8);
            let (near, far) = shares.split_at(4);
            assert!(far.iter().max().unwrap() - far.iter().min().unwrap() <= 1, "{shares:?}");
            near.iter().sum::<usize>()
        };
        assert_eq!(near(700), 700);
        eject(&upstream, 0);
        assert_eq!(near(700), 700, "three of four are more than 70%");
        eject(&upstream, 1);
        assert_eq!(near(700), 500, "half of it is 50 of 70");
        eject(&upstream, 2);
        assert!(near(700).abs_diff(250) <= 1);
        eject(&upstream, 3);
        assert_eq!(near(700), 0);
        clock.advance(Duration::from_secs(10));
        assert_eq!(near(700), 700, "they are back");
    }
}

#[tokio::test]
async fn without_a_zone_of_its_own_or_of_theirs_nothing_is_preferred() {
    let clock = Arc::new(TestClock::new());
    let nowhere = two_zones(&clock, |spec| spec.zone = None);
    assert_eq!(shares(&nowhere, &clock, 80, 8), [10; 8]);
    let elsewhere = two_zones(&clock, |spec| {
        spec.zone = Some(ZoneSpec { own: "c".into(), threshold_permille: 700 });
    });
    assert_eq!(shares(&elsewhere, &clock, 80, 8), [10; 8]);
}

#[tokio::test]
async fn reserves_get_calls_when_none_of_the_others_is_left() {
    let clock = Arc::new(TestClock::new());
    let change = |endpoint: &mut EndpointSpec| {
        endpoint.zone = None;
        endpoint.priority = 0;
    };
    let upstream = two_zones(&clock, |spec| {
        spec.endpoints.truncate(4);
        spec.endpoints.iter_mut().for_each(change);
        spec.endpoints[2].priority = 1;
        spec.endpoints[3].priority = 2;
    });
    assert_eq!(shares(&upstream, &clock, 10, 4), [5, 5, 0, 0]);
    eject(&upstream, 0);
    assert_eq!(shares(&upstream, &clock, 10, 4), [0, 10, 0, 0]);
    eject(&upstream, 1);
    assert_eq!(shares(&upstream, &clock, 10, 4), [0, 0, 10, 0]);
    eject(&upstream, 2);
    assert_eq!(shares(&upstream, &clock, 10, 4), [0, 0, 0, 10]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(shares(&upstream, &clock, 10, 4), [5, 5, 0, 0]);
}
