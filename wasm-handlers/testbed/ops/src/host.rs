//! What is granted: each operation notes what the host gave it.

use crate::{
    draft::{Draft, error},
    facts,
    op::{Level, Op},
};
use paifang_guest::host::{self, clock, crypto, kv, metrics, random};
use serde_json::{Value, json};

/// Does an operation of this file.
pub(crate) fn ask(op: &Op, draft: &mut Draft) {
    match op {
        Op::Log(level, text) => host::log((*level).into(), text),
        Op::LogLines(count) => {
            (0..*count).for_each(|n| host::log(Level::Info.into(), &format!("line {n}")));
        }
        Op::LogBytes(count) => host::log(Level::Info.into(), &"x".repeat(*count)),
        Op::Unix => draft.note(clock::unix_nanos()),
        Op::Monotonic => draft.note(clock::monotonic_nanos()),
        Op::Spin(millis) => {
            let until = clock::monotonic_nanos().saturating_add(millis.saturating_mul(1_000_000));
            while clock::monotonic_nanos() < until {}
        }
        Op::Random(count) => draft.note(hex::encode(random::bytes(*count))),
        Op::RandomNumber => draft.note(random::number()),
        Op::Hash(algorithm, data) => {
            draft.note(hex::encode(crypto::hash((*algorithm).into(), data.as_bytes())));
        }
        Op::Hmac { algorithm, key, data } => {
            let mac = crypto::hmac((*algorithm).into(), key.as_bytes(), data.as_bytes());
            draft.note(hex::encode(mac));
        }
        Op::Verify { algorithm, key, data, signature } => {
            let (Ok(key), Ok(signature)) = (hex::decode(key), hex::decode(signature)) else {
                return draft.note(error("key and signature must be in hex"));
            };
            draft.note(crypto::verify((*algorithm).into(), &key, data.as_bytes(), &signature));
        }
        Op::Equal(a, b) => draft.note(crypto::equal(a.as_bytes(), b.as_bytes())),
        Op::Count(name, by) => metrics::count(name, *by),
        Op::CountNames(count) => (0..*count).for_each(|n| metrics::count(&format!("name_{n}"), 1)),
        Op::Observe(name, value) => metrics::observe(name, *value),
        _ => kept(op, draft),
    }
}

/// Does an operation on the store.
fn kept(op: &Op, draft: &mut Draft) {
    let value = |value: Option<Vec<u8>>| value.map_or(Value::Null, |value| facts::text(&value));
    let noted = match op {
        Op::KvGet(key) => note(kv::get(key), value),
        Op::KvSet { key, value, ttl } => note(kv::set(key, value.as_bytes(), *ttl), done),
        Op::KvSetBytes { key, bytes } => note(kv::set(key, &vec![b'x'; *bytes], None), done),
        Op::KvDelete(key) => note(kv::delete(key), done),
        Op::KvSwap { key, expected, value, ttl } => {
            let expected = expected.as_ref().map(|text| text.as_bytes());
            let swapped = kv::compare_and_swap(key, expected, value.as_bytes(), *ttl);
            note(swapped, Value::from)
        }
        Op::KvAdd { key, delta, ttl } => note(kv::add(key, *delta, *ttl), Value::from),
        Op::KvTake { key, count, period, burst } => {
            let rate = kv::Rate { count: *count, period_millis: *period, burst: *burst };
            note(kv::take(key, rate), |decision| {
                json!({
                    "allowed": decision.allowed,
                    "remaining": decision.remaining,
                    "retry_after_millis": decision.retry_after_millis,
                })
            })
        }
        Op::KvFill { bytes, most } => return fill(*bytes, *most, draft),
        Op::KvLongKey(bytes) => note(kv::get(&"k".repeat(*bytes)), value),
        other => error(format!("{other:?} is no operation of the host")),
    };
    draft.note(noted);
}

fn fill(bytes: usize, most: u32, draft: &mut Draft) {
    let value = vec![b'x'; bytes];
    for n in 0..most {
        if let Err(full) = kv::set(&format!("fill-{n}"), &value, None) {
            draft.note(n);
            return draft.note(note(Err(full), done));
        }
    }
    draft.note(most);
}

fn done((): ()) -> Value {
    Value::from("done")
}

fn note<T>(result: Result<T, kv::Error>, shown: impl FnOnce(T) -> Value) -> Value {
    match result {
        Ok(value) => shown(value),
        Err(kv::Error::TooLarge) => error("too_large"),
        Err(kv::Error::Full) => error("full"),
        Err(kv::Error::NotANumber) => error("not_a_number"),
        Err(kv::Error::Unavailable(why)) => error(format!("unavailable: {why}")),
    }
}
