//! What one event costs: `cargo run --profile bench -p paifang-state --example cost`.
#![allow(clippy::expect_used, clippy::print_stdout)]

use bytes::Bytes;
use paifang_pipeline::ports::{
    ConcurrencySpec, KvRate, KvSpec, LimitSpec, Nanos, NonceSpec, StateKey, Store,
};
use paifang_state::LocalStore;
use std::{hint::black_box, num::NonZeroU32, num::NonZeroU64, time::Duration, time::Instant};

const EVENTS: u64 = 1_000_000;
const SUBJECTS: u64 = 10_000;

fn measure(what: &str, event: impl Fn(u64)) {
    (0..SUBJECTS).for_each(&event);
    let began = Instant::now();
    (0..EVENTS).for_each(&event);
    println!("{what}: {:.1} ns", began.elapsed().as_nanos() as f64 / EVENTS as f64);
}

fn main() {
    let store = LocalStore::new();
    let key = StateKey::shared("cost");
    let second = NonZeroU64::new(1_000_000_000).expect("not zero");
    let subjects = NonZeroU32::new(100_000).expect("not zero");
    let limit = LimitSpec { count: second, period_nanos: second, burst: second, subjects };
    let limiter = store.limiter(&key, limit).expect("a local store");
    let places = ConcurrencySpec { limit: subjects, subjects };
    let places = store.concurrency(&key, places).expect("a local store");
    let memory = NonceSpec { ttl: Duration::from_secs(1), capacity: subjects };
    let nonces = store.nonces(&key, memory).expect("a local store");

    measure("rate limit, all together", |event| {
        black_box(limiter.take(b"", Nanos(event)));
    });
    measure("rate limit, one of 10,000 subjects", |event| {
        black_box(limiter.take(&(event % SUBJECTS).to_be_bytes(), Nanos(event)));
    });
    measure("call in flight, in and out", |event| {
        black_box(places.enter(&(event % SUBJECTS).to_be_bytes(), Nanos(event)));
    });
    measure("nonce, each fresh, 50,000 held", |event| {
        black_box(nonces.insert(&event.to_be_bytes(), Nanos(event * 20_000)));
    });

    let size = NonZeroU32::new(64).expect("not zero");
    let values = KvSpec { entries: subjects, bytes: second, key_bytes: size, value_bytes: size };
    let values = store.kv(&key, values).expect("a local store");
    let (value, ttl) = (Bytes::from_static(&[b'x'; 32]), Some(Duration::from_secs(1)));
    let rate = KvRate { count: second, period_nanos: second, burst: second };
    measure("value, written for a second", |event| {
        let key = (event % SUBJECTS).to_be_bytes();
        black_box(values.set(&key, value.clone(), ttl, Nanos(event)));
    });
    measure("value, read", |event| {
        black_box(values.get(&(event % SUBJECTS).to_be_bytes(), Nanos(0)));
    });
    measure("value, each new, 50,000 held", |event| {
        black_box(values.set(&event.to_be_bytes(), value.clone(), ttl, Nanos(event * 20_000)));
    });
    measure("counter", |event| {
        black_box(values.add(&(event % SUBJECTS).to_le_bytes(), 1, ttl, Nanos(event)));
    });
    measure("bucket", |event| {
        black_box(values.take(&(event % SUBJECTS).to_be_bytes(), rate, Nanos(event * 1_000)));
    });
}
