//! Values, counters and buckets that gateways share.
//!
//! All that is kept under one state key lies in one slot, so that one script keeps its limits
//! exactly: a hash of values, their expiries, and the bytes in use. Every operation asks the
//! server; times to live count by its clock.

use super::{failure::Failure, link::Link, script};
use bytes::Bytes;
use paifang_pipeline::ports::{
    Answer, Kv, KvError, KvRate, KvSpec, LimitDecision, Nanos, StateKey, StoreError,
};
use redis::Value;
use ring::digest::{SHA256, digest};
use std::{fmt::Write, sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::sync::oneshot;

/// Longer than this is for ever: the clock's numbers end in 2255.
const LONGEST_MICROS: u128 = 1 << 52;

/// See the module.
pub(super) struct SharedKv {
    link: Arc<Link>,
    spec: KvSpec,
    keys: Vec<Vec<u8>>,
}

impl SharedKv {
    pub(super) fn new(link: Arc<Link>, key: &StateKey, spec: KvSpec) -> Self {
        let mut tag = format!("{}:kv:{{", link.shared().settings.prefix);
        for byte in &digest(&SHA256, key.as_str().as_bytes()).as_ref()[..16] {
            // Writing into a string cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('}');
        let keys = ["values", "expiries", "bytes"];
        Self { link, spec, keys: keys.map(|part| format!("{tag}:{part}").into_bytes()).to_vec() }
    }

    /// Has the script do `what`, and reads what it says.
    fn ask<T: Send + 'static>(
        &self,
        what: &str,
        key: &[u8],
        more: Vec<Vec<u8>>,
        read: impl FnOnce(&[Value]) -> Option<T> + Send + Sync + 'static,
    ) -> Answer<Result<T, KvError>> {
        if !fits(key, self.spec.key_bytes.get()) {
            return Answer::Now(Err(KvError::TooLarge));
        }
        let mut arguments = vec![
            what.as_bytes().to_vec(),
            key.to_vec(),
            number(u64::from(self.spec.entries.get())),
            number(self.spec.bytes.get()),
        ];
        arguments.extend(more);
        let (tell, hear) = oneshot::channel();
        self.link.shared().counts.waited.fetch_add(1, Relaxed);
        self.link.send(&script::VALUES, self.keys.clone(), arguments, move |done| {
            let answer = done.map_err(StoreError::from).and_then(|value| answer(&value, read));
            // Who has gone away wants no answer.
            let _ = tell.send(answer);
        });
        Answer::Later(Box::pin(
            async move { hear.await.unwrap_or_else(|_| Err(Failure::Down.into())) },
        ))
    }
}

/// What the script says: a status, and what was asked for.
fn answer<T>(
    value: &Value,
    read: impl FnOnce(&[Value]) -> Option<T>,
) -> Result<Result<T, KvError>, StoreError> {
    let other = || StoreError("the store's answer is of another shape".to_owned());
    let Value::Array(items) = value else { return Err(other()) };
    match items.split_first() {
        Some((Value::Int(0), rest)) => read(rest).map(Ok).ok_or_else(other),
        Some((Value::Int(-1), _)) => Ok(Err(KvError::Full)),
        Some((Value::Int(-2), _)) => Ok(Err(KvError::NotANumber)),
        _ => Err(other()),
    }
}

impl Kv for SharedKv {
    fn immediate(&self) -> bool {
        false
    }

    fn get(&self, key: &[u8], _: Nanos) -> Answer<Result<Option<Bytes>, KvError>> {
        self.ask("get", key, Vec::new(), |rest| match rest {
            [Value::BulkString(value)] => Some(Some(Bytes::copy_from_slice(value))),
            [] | [Value::Nil] => Some(None),
            _ => None,
        })
    }

    fn set(
        &self,
        key: &[u8],
        value: Bytes,
        ttl: Option<Duration>,
        _: Nanos,
    ) -> Answer<Result<(), KvError>> {
        if !fits(&value, self.spec.value_bytes.get()) {
            return Answer::Now(Err(KvError::TooLarge));
        }
        self.ask("set", key, vec![value.to_vec(), time(ttl)], |_| Some(()))
    }

    fn delete(&self, key: &[u8], _: Nanos) -> Answer<Result<(), KvError>> {
        self.ask("delete", key, Vec::new(), |_| Some(()))
    }

    fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
        _: Nanos,
    ) -> Answer<Result<bool, KvError>> {
        if !fits(&value, self.spec.value_bytes.get()) {
            return Answer::Now(Err(KvError::TooLarge));
        }
        let is_some = if expected.is_some() { b"1" } else { b"0" };
        let expected = expected.unwrap_or_default().to_vec();
        let more = vec![value.to_vec(), time(ttl), is_some.to_vec(), expected];
        self.ask("swap", key, more, |rest| match rest {
            [Value::Int(done)] => Some(*done == 1),
            _ => None,
        })
    }

    fn add(
        &self,
        key: &[u8],
        delta: i64,
        ttl: Option<Duration>,
        _: Nanos,
    ) -> Answer<Result<i64, KvError>> {
        let more = vec![delta.to_string().into_bytes(), time(ttl)];
        self.ask("add", key, more, |rest| match rest {
            [Value::BulkString(sum)] => str::from_utf8(sum).ok()?.parse().ok(),
            _ => None,
        })
    }

    fn take(&self, key: &[u8], rate: KvRate, _: Nanos) -> Answer<Result<LimitDecision, KvError>> {
        let step = rate.period_nanos.get() as f64 / rate.count.get() as f64 / 1_000.0;
        let more = vec![step.to_string().into_bytes(), number(rate.burst.get())];
        self.ask("take", key, more, |rest| match rest {
            [Value::Int(granted), Value::Int(left), Value::Int(wait), Value::Int(reset)] => {
                let nanos = |micros: i64| u64::try_from(micros).unwrap_or(0).saturating_mul(1_000);
                Some(LimitDecision {
                    allowed: *granted == 1,
                    remaining: u64::try_from(*left).unwrap_or(0),
                    retry_after_nanos: nanos(*wait),
                    reset_nanos: nanos(*reset),
                })
            }
            _ => None,
        })
    }
}

fn fits(bytes: &[u8], most: u32) -> bool {
    u32::try_from(bytes.len()).is_ok_and(|len| len <= most)
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// Microseconds to live, rounded up; nothing for ever.
fn time(ttl: Option<Duration>) -> Vec<u8> {
    let micros = ttl.map(|ttl| ttl.as_nanos().div_ceil(1_000));
    match micros.filter(|micros| *micros < LONGEST_MICROS) {
        Some(micros) => micros.to_string().into_bytes(),
        None => Vec::new(),
    }
}
