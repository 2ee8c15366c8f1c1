//! What one event costs: `cargo run --profile bench -p paifang-state --example cost`.
#![allow(clippy::expect_used, clippy::print_stdout)]

use paifang_pipeline::ports::{ConcurrencySpec, LimitSpec, Nanos, NonceSpec, StateKey, Store};
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
}
