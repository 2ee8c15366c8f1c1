//! Values, counters and buckets that gateways share: the same answers as of the store in this
//! process, for whatever is asked of both.

use crate::{
    server::RedisServer,
    world::{Gateway, answer},
};
use bytes::Bytes;
use paifang_pipeline::ports::{Kv, KvError, KvRate, KvSpec, Nanos, StateKey, Store};
use paifang_state::LocalStore;
use std::{sync::Arc, time::Duration};

fn spec(entries: u32, bytes: u64) -> KvSpec {
    KvSpec {
        entries: entries.try_into().unwrap(),
        bytes: bytes.try_into().unwrap(),
        key_bytes: 10.try_into().unwrap(),
        value_bytes: 20.try_into().unwrap(),
    }
}

/// One token an hour, three at once: none comes back while a test runs.
fn rate() -> KvRate {
    KvRate {
        count: 1.try_into().unwrap(),
        period_nanos: 3_600_000_000_000.try_into().unwrap(),
        burst: 3.try_into().unwrap(),
    }
}

/// What an operation says, as text.
async fn ask(kv: &Arc<dyn Kv>, what: &str, key: &str, value: &str, expected: &str) -> String {
    let (key, now) = (key.as_bytes(), Nanos(1));
    let bytes = Bytes::copy_from_slice(value.as_bytes());
    match what {
        "get" => format!("{:?}", answer(kv.get(key, now)).await.unwrap()),
        "set" => format!("{:?}", answer(kv.set(key, bytes, None, now)).await.unwrap()),
        "delete" => format!("{:?}", answer(kv.delete(key, now)).await.unwrap()),
        "swap" => {
            let expected = (!expected.is_empty()).then_some(expected.as_bytes());
            let done = kv.compare_and_swap(key, expected, bytes, None, now);
            format!("{:?}", answer(done).await.unwrap())
        }
        "add" => {
            let delta = value.parse().unwrap();
            format!("{:?}", answer(kv.add(key, delta, None, now)).await.unwrap())
        }
        "take" => {
            let taken = answer(kv.take(key, rate(), now)).await.unwrap();
            format!("{:?}", taken.map(|taken| (taken.allowed, taken.remaining)))
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_what_the_store_in_this_process_does() {
    let server = RedisServer::start(&[]);
    let gateway = Gateway::at(&server, 1).await;
    let ends = ["9223372036854775807", "-9223372036854775808"];
    let values =
        ["", "1", "-1", "01", "+1", "-0", "abc", "12345678901234567890", "a value of 20 bytes!"];
    let deltas = ["1", "-1", "7", ends[0], ends[1]];
    let keys = ["a", "b", "cc", "ddd", "a key of 11"];
    for round in 0..8 {
        let key = StateKey::shared(&format!("values/{round}"));
        let spec = spec(3 + round % 3, 40 + 10 * u64::from(round));
        let shared = gateway.store.kv(&key, spec).unwrap();
        let local = LocalStore::new().kv(&key, spec).unwrap();
        let mut dice = 88_172_645_463_325_252_u64.wrapping_add(u64::from(round));
        let mut pick = |from: usize| {
            // Xorshift: the same steps each time.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            (dice % from as u64) as usize
        };
        for step in 0..150 {
            let what = ["get", "set", "swap", "add", "add", "take", "delete"][pick(7)];
            let key = keys[pick(keys.len())];
            let value =
                if what == "add" { deltas[pick(deltas.len())] } else { values[pick(values.len())] };
            let expected = values[pick(values.len())];
            let told = ask(&shared, what, key, value, expected).await;
            let wanted = ask(&local, what, key, value, expected).await;
            assert_eq!(told, wanted, "{round}/{step}: {what} {key:?} {value:?} {expected:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_see_one_another_and_time_runs_in_the_server() {
    let server = RedisServer::start(&[]);
    let (one, two) = (Gateway::at(&server, 1).await, Gateway::at(&server, 2).await);
    let key = StateKey::shared("values");
    let one = one.store.kv(&key, spec(2, 100)).unwrap();
    let two = two.store.kv(&key, spec(2, 100)).unwrap();
    assert!(!one.immediate());
    let ttl = Some(Duration::from_millis(60));
    let now = Nanos(0);
    assert_eq!(answer(one.add(b"a", 5, ttl, now)).await, Ok(Ok(5)));
    assert_eq!(answer(two.add(b"a", 6, None, now)).await, Ok(Ok(11)), "it keeps its time");
    assert_eq!(answer(two.set(b"b", Bytes::from_static(b"x"), None, now)).await, Ok(Ok(())));
    let began = std::time::Instant::now();
    // What has expired makes room; what has not is never dropped for it.
    while answer(one.set(b"c", Bytes::from_static(b"y"), None, now)).await.unwrap()
        == Err(KvError::Full)
    {
        assert!(began.elapsed() < Duration::from_secs(20), "never expired");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(answer(two.get(b"a", now)).await, Ok(Ok(None)));
    assert_eq!(answer(one.get(b"b", now)).await, Ok(Ok(Some(Bytes::from_static(b"x")))));
    let many: Vec<_> = (0..50).map(|_| answer(one.add(b"b2", 1, None, now))).collect();
    for full in futures_all(many).await {
        assert_eq!(full, Ok(Err(KvError::Full)));
    }
}

async fn futures_all<T>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    for one in all {
        done.push(one.await);
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_it_says_so() {
    let mut server = RedisServer::start(&[]);
    let gateway = Gateway::at(&server, 1).await;
    let kv = gateway.store.kv(&StateKey::shared("values"), spec(2, 100)).unwrap();
    server.kill();
    answer(kv.get(b"a", Nanos(0))).await.unwrap_err();
    gateway.is_down().await;
    answer(kv.add(b"a", 1, None, Nanos(0))).await.unwrap_err();
    server.run();
    gateway.is_up().await;
    assert_eq!(answer(kv.add(b"a", 1, None, Nanos(0))).await, Ok(Ok(1)));
}
