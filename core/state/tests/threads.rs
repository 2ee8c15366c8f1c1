//! Many threads at once: exactly as many events pass as may, whatever the interleaving.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use paifang_pipeline::ports::{
    Answer, ConcurrencySpec, Kv, KvError, KvRate, KvSpec, LimitSpec, Nanos, NonceSpec,
    NonceVerdict, StateKey, Store,
};
use paifang_state::LocalStore;
use std::{
    sync::{
        Arc, Barrier,
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

fn values(store: &LocalStore, entries: u32, bytes: u64) -> Arc<dyn Kv> {
    let size = 32.try_into().unwrap();
    let (entries, bytes) = (entries.try_into().unwrap(), bytes.try_into().unwrap());
    let spec = KvSpec { entries, bytes, key_bytes: size, value_bytes: size };
    store.kv(&StateKey::shared("x"), spec).unwrap()
}

#[test]
fn every_addition_is_in_the_sum_and_every_sum_is_given_once() {
    let store = LocalStore::new();
    let values = values(&store, 10, 1_000);
    let seen: Vec<_> = (0..THREADS * EVENTS).map(|_| AtomicU32::new(0)).collect();
    everywhere(|_, event| {
        let sum = now(values.add(b"n", 1, None, Nanos(event))).unwrap();
        seen[sum as usize - 1].fetch_add(1, SeqCst);
    });
    assert!(seen.iter().all(|times| times.load(SeqCst) == 1));
}

#[test]
fn of_many_who_swap_the_same_value_one_does() {
    let store = LocalStore::new();
    let values = values(&store, 10, 1_000);
    let swapped = AtomicU64::new(0);
    everywhere(|thread, event| {
        let before = now(values.get(b"n", Nanos(event))).unwrap();
        let number = before.as_ref().map_or(0, |text| {
            str::from_utf8(text).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
        });
        let after = Bytes::from(format!("{} {thread}", number + 1));
        let swap = values.compare_and_swap(b"n", before.as_deref(), after, None, Nanos(event));
        swapped.fetch_add(u64::from(now(swap).unwrap()), SeqCst);
    });
    let last = now(values.get(b"n", Nanos(0))).unwrap().unwrap();
    let expected = format!("{} ", swapped.load(SeqCst));
    assert!(last.starts_with(expected.as_bytes()), "{last:?}, {expected}swaps");
}

#[test]
fn a_bucket_gives_each_token_once() {
    let store = LocalStore::new();
    let values = values(&store, 10, 1_000);
    let rate = KvRate {
        count: 1.try_into().unwrap(),
        period_nanos: u64::from(u32::MAX).try_into().unwrap(),
        burst: 1_000.try_into().unwrap(),
    };
    let passed = AtomicU64::new(0);
    everywhere(|_, event| {
        let taken = now(values.take(b"k", rate, Nanos(event))).unwrap();
        passed.fetch_add(u64::from(taken.allowed), SeqCst);
    });
    assert_eq!(passed.into_inner(), 1_000);
}

/// Keys that come, grow, shrink, expire and go, in a table with too little room. At the end exactly
/// as much is kept as fits: no room was lost, and none was given twice.
#[test]
fn limits_hold_and_no_room_is_lost_whatever_many_threads_do() {
    let store = LocalStore::new();
    let values = values(&store, 100, 1_500);
    let (inside, full) = (AtomicU64::new(0), AtomicU64::new(0));
    everywhere(|thread, event| {
        let time = Nanos(event);
        let key = [(event * 7 + thread) as u8; 4];
        let value = Bytes::from(vec![b'x'; (event % 30) as usize]);
        let done = match (event + thread) % 5 {
            0 => now(values.delete(&key, time)),
            1 => now(values.add(&[key[0]; 3], 1, Some(Duration::from_nanos(50)), time)).map(drop),
            _ => now(values.set(&key, value, Some(Duration::from_nanos(100)), time)),
        };
        match done {
            Ok(()) => inside.fetch_add(1, SeqCst),
            Err(KvError::Full) => full.fetch_add(1, SeqCst),
            Err(other) => panic!("{other}"),
        };
    });
    assert!(inside.into_inner() > 0 && full.into_inner() > 0);
    let later = Nanos(EVENTS + 1_000);
    let mut kept = 0;
    while now(values.set(&u32::to_be_bytes(kept), Bytes::from_static(b"01234567890"), None, later))
        .is_ok()
    {
        kept += 1;
    }
    assert_eq!(kept, 100, "of fifteen bytes each");
    let more = now(values.set(b"", Bytes::new(), None, later));
    assert_eq!(more, Err(KvError::Full));
}
