//! What each operation does, what the limits hold, and what time does to entries.
#![allow(clippy::unwrap_used)]

mod limits;
mod model;

use super::{LocalKv, Table};
use crate::subject::SubjectHash;
use bytes::Bytes;
use paifang_pipeline::ports::{Answer, Kv, KvError, KvRate, KvSpec, LimitDecision, Nanos};
use std::{sync::Arc, time::Duration};

fn spec(entries: u32, bytes: u64) -> KvSpec {
    KvSpec {
        entries: entries.try_into().unwrap(),
        bytes: bytes.try_into().unwrap(),
        key_bytes: 10.try_into().unwrap(),
        value_bytes: 100.try_into().unwrap(),
    }
}

fn rate(count: u64, period: u64, burst: u64) -> KvRate {
    KvRate {
        count: count.try_into().unwrap(),
        period_nanos: period.try_into().unwrap(),
        burst: burst.try_into().unwrap(),
    }
}

/// Values with a short way to ask them.
struct Values(LocalKv);

impl Values {
    fn new(spec: KvSpec) -> Self {
        let table = Table::new(spec.entries, SubjectHash::random());
        Self(LocalKv::new(Arc::new(table), &spec))
    }

    /// The same values under other limits.
    fn with(&self, spec: KvSpec) -> Self {
        Self(LocalKv::new(Arc::clone(&self.0.table), &spec))
    }

    fn get(&self, key: &str, now: u64) -> Option<String> {
        let value = answer(self.0.get(key.as_bytes(), Nanos(now))).unwrap();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    fn set(&self, key: &str, value: &str, ttl: Option<u64>, now: u64) -> Result<(), KvError> {
        let value = Bytes::copy_from_slice(value.as_bytes());
        answer(self.0.set(key.as_bytes(), value, nanos(ttl), Nanos(now)))
    }

    fn cas(
        &self,
        key: &str,
        (expected, value): (Option<&str>, &str),
        ttl: Option<u64>,
        now: u64,
    ) -> Result<bool, KvError> {
        let expected = expected.map(str::as_bytes);
        let value = Bytes::copy_from_slice(value.as_bytes());
        let swapped =
            self.0.compare_and_swap(key.as_bytes(), expected, value, nanos(ttl), Nanos(now));
        answer(swapped)
    }

    fn add(&self, key: &str, delta: i64, ttl: Option<u64>, now: u64) -> Result<i64, KvError> {
        answer(self.0.add(key.as_bytes(), delta, nanos(ttl), Nanos(now)))
    }

    fn take(&self, key: &str, rate: KvRate, now: u64) -> Result<LimitDecision, KvError> {
        answer(self.0.take(key.as_bytes(), rate, Nanos(now)))
    }

    fn delete(&self, key: &str) -> Result<(), KvError> {
        answer(self.0.delete(key.as_bytes(), Nanos(0)))
    }

    /// Entries and bytes.
    fn held(&self) -> (u64, u64) {
        self.0.table.held()
    }
}

fn nanos(ttl: Option<u64>) -> Option<Duration> {
    ttl.map(Duration::from_nanos)
}

fn answer<T>(answer: Answer<T>) -> T {
    match answer {
        Answer::Now(value) => value,
        Answer::Later(_) => panic!("a local store answers at once"),
    }
}

#[test]
fn a_value_is_there_until_it_is_deleted_or_its_time_is_over() {
    let values = Values::new(spec(10, 1_000));
    assert_eq!(values.get("a", 0), None);
    values.set("a", "one", None, 0).unwrap();
    values.set("b", "two", Some(10), 5).unwrap();
    assert_eq!(values.get("a", u64::MAX - 1).as_deref(), Some("one"));
    assert_eq!(values.get("b", 14).as_deref(), Some("two"));
    assert_eq!(values.get("b", 15), None, "from the nanosecond on at which its time is over");
    values.set("b", "three", None, 15).unwrap();
    assert_eq!(values.get("b", u64::MAX - 1).as_deref(), Some("three"), "no time is left over");
    values.delete("b").unwrap();
    values.delete("b").unwrap();
    assert_eq!((values.get("b", 15), values.held()), (None, (1, 4)));
    assert!(values.0.immediate());
}

#[test]
fn a_time_to_live_ends_nowhere_but_at_its_end() {
    let values = Values::new(spec(10, 1_000));
    values.set("none", "x", Some(0), 5).unwrap();
    assert_eq!(values.get("none", 5), None);
    let ages = Some(Duration::MAX);
    answer(values.0.set(b"ages", Bytes::from_static(b"x"), ages, Nanos(5))).unwrap();
    assert!(values.get("ages", u64::MAX - 1).is_some(), "longer than the clock runs");
}

#[test]
fn compare_and_swap_writes_where_it_finds_what_it_expects() {
    let values = Values::new(spec(10, 1_000));
    assert_eq!(values.cas("k", (Some("a"), "b"), None, 0), Ok(false), "nothing is not `a`");
    assert_eq!(values.cas("k", (None, "a"), Some(10), 0), Ok(true));
    assert_eq!(values.cas("k", (None, "b"), None, 9), Ok(false));
    assert_eq!(values.cas("k", (None, "c"), Some(10), 10), Ok(true), "what was there has expired");
    assert_eq!(values.cas("k", (Some("c"), "d"), None, 11), Ok(true));
    assert_eq!(values.get("k", 1_000).as_deref(), Some("d"), "the new time to live counts");
    values.add("n", 41, None, 0).unwrap();
    assert_eq!(values.cas("n", (Some("41"), "x"), None, 0), Ok(true), "counters are their text");
}

#[test]
fn counters_sum_up_live_from_the_first_and_saturate() {
    let values = Values::new(spec(10, 1_000));
    assert_eq!(values.add("n", 5, Some(100), 0), Ok(5));
    assert_eq!(values.add("n", -7, Some(1_000), 99), Ok(-2));
    assert_eq!(values.get("n", 99).as_deref(), Some("-2"));
    assert_eq!(values.add("n", 1, None, 100), Ok(1), "its time counts from the first");
    assert_eq!(values.add("n", i64::MAX, None, 100), Ok(i64::MAX));
    assert_eq!(values.add("n", i64::MIN, None, 100), Ok(-1));
    assert_eq!(values.add("n", i64::MIN, None, 100), Ok(i64::MIN));
}

#[test]
fn text_is_a_number_as_a_counter_would_read() {
    let values = Values::new(spec(10, 1_000));
    values.set("n", "41", Some(10), 0).unwrap();
    assert_eq!(values.add("n", 1, None, 9), Ok(42));
    assert_eq!(values.get("n", 10), None, "it keeps its time");
    for no in ["", "x", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808"] {
        values.set("t", no, None, 0).unwrap();
        assert_eq!(values.add("t", 1, None, 0), Err(KvError::NotANumber), "{no:?}");
        assert_eq!(values.get("t", 0).as_deref(), Some(no));
    }
}

#[test]
fn a_bucket_fills_again_and_is_forgotten_when_it_is_full() {
    let values = Values::new(spec(10, 1_000));
    let rate = rate(1, 100, 2);
    let taken: Vec<_> = [0, 0, 0, 99, 100, 100]
        .map(|now| values.take("k", rate, now).unwrap())
        .map(|one| (one.allowed, one.remaining, one.retry_after_nanos))
        .into();
    let expected = [
        (true, 1, 0),
        (true, 0, 100),
        (false, 0, 100),
        (false, 0, 1),
        (true, 0, 100),
        (false, 0, 100),
    ];
    assert_eq!(taken, expected);
    assert_eq!(values.held(), (1, 9));
    // Full again at 300: room for another is made of it then, and not before.
    let values = values.with(spec(1, 1_000));
    assert_eq!(values.set("x", "", None, 299), Err(KvError::Full));
    assert_eq!(values.set("x", "", None, 300), Ok(()));
}

#[test]
fn a_bucket_and_a_value_of_one_key_do_not_see_each_other() {
    let values = Values::new(spec(10, 1_000));
    let rate = rate(1, 100, 1);
    assert!(values.take("k", rate, 0).unwrap().allowed);
    assert_eq!(values.get("k", 0), None);
    assert_eq!(values.cas("k", (None, "v"), None, 0), Ok(true));
    assert!(!values.take("k", rate, 0).unwrap().allowed);
    assert_eq!((values.get("k", 0).as_deref(), values.held()), (Some("v"), (2, 11)));
    values.delete("k").unwrap();
    assert_eq!((values.get("k", 0), values.held()), (None, (0, 0)));
    assert!(values.take("k", rate, 0).unwrap().allowed);
}

#[test]
fn a_bucket_at_another_rate_is_at_worst_empty() {
    let values = Values::new(spec(10, 1_000));
    let (slow, fast) = (rate(1, 1_000_000, 10), rate(1, 10, 2));
    for _ in 0..10 {
        assert!(values.take("k", slow, 0).unwrap().allowed);
    }
    let refused = values.take("k", fast, 0).unwrap();
    assert_eq!((refused.allowed, refused.retry_after_nanos), (false, 20 - 10));
    // Nothing was written by the refusal, so at the slow rate it is as it was.
    assert!(!values.take("k", slow, 999_999).unwrap().allowed);
    assert!(values.take("k", slow, 1_000_000).unwrap().allowed);
}
