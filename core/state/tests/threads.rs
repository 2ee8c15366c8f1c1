//! Many threads at once: exactly as many events pass as may, whatever the interleaving.
#![allow(clippy::unwrap_used)]

use paifang_pipeline::ports::{
    Answer, ConcurrencySpec, LimitSpec, Nanos, NonceSpec, NonceVerdict, StateKey, Store,
};
use paifang_state::LocalStore;
use std::{
    sync::{
        Barrier,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

const THREADS: u64 = 8;
const EVENTS: u64 = 20_000;

fn now<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(value) => value,
        Answer::Later(_) => panic!("a local store answers at once"),
    }
}

/// Runs `work` on all threads, begun together, for each event; `work` is told thread and event.
fn everywhere(work: impl Fn(u64, u64) + Sync) {
    let begin = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (work, begin) = (&work, &begin);
            scope.spawn(move || {
                begin.wait();
                for event in 0..EVENTS {
                    work(thread, event);
                }
            });
        }
    });
}

#[test]
fn a_rate_limit_passes_exactly_its_burst_and_its_rate() {
    let store = LocalStore::new();
    // 1 an interval of 1000 ns; time moves through 10,000 intervals, whoever is moved to when.
    let spec = LimitSpec {
        count: 1.try_into().unwrap(),
        period_nanos: 1_000.try_into().unwrap(),
        burst: 100.try_into().unwrap(),
        subjects: 1_000.try_into().unwrap(),
    };
    let limiter = store.limiter(&StateKey::shared("x"), spec).unwrap();
    for subject in [&b""[..], b"one"] {
        let (passed, clock) = (AtomicU64::new(0), AtomicU64::new(0));
        everywhere(|_, _| {
            let time = clock.fetch_add(62, SeqCst);
            passed.fetch_add(u64::from(now(limiter.take(subject, Nanos(time))).allowed), SeqCst);
        });
        // Demand is 16 times the rate, so the bucket is never full after its first burst.
        let intervals = (THREADS * EVENTS - 1) * 62 / 1_000;
        let passed = passed.into_inner();
        // Threads moved aside with an old time may lose the first and the last interval, no more.
        assert!((98 + intervals..=100 + intervals).contains(&passed), "{passed}");
    }
}

#[test]
fn newcomers_by_the_thousand_are_each_counted_once() {
    let store = LocalStore::new();
    let spec = LimitSpec {
        count: 1.try_into().unwrap(),
        period_nanos: u64::MAX.try_into().unwrap(),
        burst: 1.try_into().unwrap(),
        subjects: 5_000.try_into().unwrap(),
    };
    let limiter = store.limiter(&StateKey::shared("x"), spec).unwrap();
    let passed = AtomicU64::new(0);
    everywhere(|_, event| {
        let decision = now(limiter.take(&event.to_be_bytes(), Nanos(event)));
        passed.fetch_add(u64::from(decision.allowed), SeqCst);
    });
    // 20,000 subjects, one event each, room for 5,000, none of which is ever forgotten.
    assert_eq!(passed.into_inner(), 5_000);
}

#[test]
fn calls_in_flight_never_exceed_their_limit_and_no_place_is_lost() {
    let store = LocalStore::new();
    let spec = ConcurrencySpec { limit: 3.try_into().unwrap(), subjects: 4.try_into().unwrap() };
    let places = store.concurrency(&StateKey::shared("x"), spec).unwrap();
    for subject in [&b""[..], b"one"] {
        let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
        everywhere(|_, _| {
            let Some(permit) = now(places.enter(subject, Nanos(0))) else { return };
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
            inside.fetch_sub(1, SeqCst);
            drop(permit);
        });
        assert!(most.into_inner() <= 3);
        let held: Vec<_> = (0..3).map(|_| now(places.enter(subject, Nanos(0)))).collect();
        assert!(held.iter().all(Option::is_some), "every place has come back");
    }
}

#[test]
fn of_many_who_bring_the_same_nonce_one_is_first() {
    let store = LocalStore::new();
    let spec =
        NonceSpec { ttl: Duration::from_secs(600), capacity: (EVENTS as u32).try_into().unwrap() };
    let nonces = store.nonces(&StateKey::shared("x"), spec).unwrap();
    let fresh = AtomicU64::new(0);
    everywhere(|_, event| {
        if now(nonces.insert(&event.to_be_bytes(), Nanos(event))) == NonceVerdict::Fresh {
            fresh.fetch_add(1, SeqCst);
        }
    });
    assert_eq!(fresh.into_inner(), EVENTS);
}
