//! Values, counters and buckets by key.
//!
//! A [`Table`] holds what is kept under one state key; a [`LocalKv`] is a table with the limits
//! that its holder has asked for. So a release that changes a limit finds the values, and one that
//! fails after it was built has changed nothing for the release that serves.
//!
//! Limits are exact: what is counted is counted under one lock for all shards, and before anything
//! is written. `Full` is said only after what has expired is gone.

mod room;
mod shard;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use table::Table;

use crate::gcra::{Gcra, NEVER_SEEN};
use bytes::Bytes;
use paifang_pipeline::ports::{Answer, Kv, KvError, KvRate, KvSpec, LimitDecision, Nanos};
use room::Limits;
use shard::{Content, NEVER, Write};
use std::{sync::Arc, time::Duration};
use table::{Full, Space, Step};

/// See the module.
pub(crate) struct LocalKv {
    table: Arc<Table>,
    limits: Limits,
    key_bytes: u32,
    value_bytes: u32,
}

impl LocalKv {
    pub(crate) fn new(table: Arc<Table>, spec: &KvSpec) -> Self {
        let limits = Limits { entries: spec.entries.get().into(), bytes: spec.bytes.get() };
        Self { table, limits, key_bytes: spec.key_bytes.get(), value_bytes: spec.value_bytes.get() }
    }

    /// The length of a key, or of a value, that is not above its limit.
    fn fits(bytes: &[u8], most: u32) -> Result<u32, KvError> {
        u32::try_from(bytes.len()).ok().filter(|len| *len <= most).ok_or(KvError::TooLarge)
    }

    fn read(&self, key: &[u8], now: u64) -> Result<Option<Bytes>, KvError> {
        Self::fits(key, self.key_bytes)?;
        let place = self.table.key(Space::Values, key);
        Ok(self.table.look(place, |shard| match shard.get(place, now)?.0 {
            Content::Value(value) => Some(value.clone()),
            Content::Counter(number) => Some(text(*number)),
            Content::Bucket(_) => None,
        }))
    }

    /// Writes `value` where what is there passes `may`; says whether it did.
    fn write(
        &self,
        key: &[u8],
        value: &Bytes,
        ttl: Option<Duration>,
        now: u64,
        may: impl Fn(Option<&Content>) -> bool,
    ) -> Result<bool, KvError> {
        let key_bytes = Self::fits(key, self.key_bytes)?;
        Self::fits(value, self.value_bytes)?;
        let place = self.table.key(Space::Values, key);
        let expires = expiry(ttl, now);
        // A copy: the value may be a piece of something larger, which would be kept with it.
        let value = Bytes::copy_from_slice(value);
        let decide = |shard: &shard::Shard| {
            if !may(shard.get(place, now).map(|(content, _)| content)) {
                return Step::Done(false);
            }
            let content = Content::Value(value.clone());
            Step::Put(Write { key: place, key_bytes, content, expires }, true)
        };
        Ok(self.table.update(place, now, self.limits, decide)?)
    }

    fn sum(&self, key: &[u8], delta: i64, ttl: Option<Duration>, now: u64) -> Result<i64, KvError> {
        let key_bytes = Self::fits(key, self.key_bytes)?;
        let place = self.table.key(Space::Values, key);
        let decide = |shard: &shard::Shard| {
            let (before, expires) = match shard.get(place, now) {
                None => (0, expiry(ttl, now)),
                Some((content, expires)) => match number(content) {
                    Some(number) => (number, expires),
                    None => return Step::Done(Err(KvError::NotANumber)),
                },
            };
            let sum = before.saturating_add(delta);
            let content = Content::Counter(sum);
            Step::Put(Write { key: place, key_bytes, content, expires }, Ok(sum))
        };
        self.table.update(place, now, self.limits, decide)?
    }

    fn token(&self, key: &[u8], rate: KvRate, now: u64) -> Result<LimitDecision, KvError> {
        let key_bytes = Self::fits(key, self.key_bytes)?;
        let place = self.table.key(Space::Buckets, key);
        let gcra = Gcra::new(rate.count, rate.period_nanos, rate.burst);
        let decide = |shard: &shard::Shard| {
            let tat = match shard.get(place, now) {
                // Another rate may have left it further behind than this one can be.
                Some((Content::Bucket(tat), _)) => (*tat).min(gcra.emptiest(now)),
                _ => NEVER_SEEN,
            };
            match gcra.judge(tat, now) {
                Err(refused) => Step::Done(refused),
                Ok((next, passed)) => {
                    let content = Content::Bucket(next);
                    Step::Put(Write { key: place, key_bytes, content, expires: next }, passed)
                }
            }
        };
        Ok(self.table.update(place, now, self.limits, decide)?)
    }

    fn remove(&self, key: &[u8]) -> Result<(), KvError> {
        Self::fits(key, self.key_bytes)?;
        self.table.remove(self.table.key(Space::Values, key));
        self.table.remove(self.table.key(Space::Buckets, key));
        Ok(())
    }
}

impl Kv for LocalKv {
    fn immediate(&self) -> bool {
        true
    }

    fn get(&self, key: &[u8], now: Nanos) -> Answer<Result<Option<Bytes>, KvError>> {
        Answer::Now(self.read(key, now.0))
    }

    fn set(
        &self,
        key: &[u8],
        value: Bytes,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<(), KvError>> {
        Answer::Now(self.write(key, &value, ttl, now.0, |_| true).map(drop))
    }

    fn delete(&self, key: &[u8], _: Nanos) -> Answer<Result<(), KvError>> {
        Answer::Now(self.remove(key))
    }

    fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<bool, KvError>> {
        let may = |there: Option<&Content>| is(there, expected);
        Answer::Now(self.write(key, &value, ttl, now.0, may))
    }

    fn add(
        &self,
        key: &[u8],
        delta: i64,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<i64, KvError>> {
        Answer::Now(self.sum(key, delta, ttl, now.0))
    }

    fn take(&self, key: &[u8], rate: KvRate, now: Nanos) -> Answer<Result<LimitDecision, KvError>> {
        Answer::Now(self.token(key, rate, now.0))
    }
}

impl From<Full> for KvError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// When what is written now is gone. Longer than the clock runs is never.
fn expiry(ttl: Option<Duration>, now: u64) -> u64 {
    let nanos = ttl.and_then(|ttl| u64::try_from(ttl.as_nanos()).ok());
    nanos.map_or(NEVER, |nanos| now.saturating_add(nanos))
}

fn text(number: i64) -> Bytes {
    Bytes::copy_from_slice(itoa::Buffer::new().format(number).as_bytes())
}

/// Whether what is there reads as `expected`.
fn is(there: Option<&Content>, expected: Option<&[u8]>) -> bool {
    match (there, expected) {
        (None | Some(Content::Bucket(_)), expected) => expected.is_none(),
        (Some(Content::Value(value)), expected) => expected == Some(&value[..]),
        (Some(Content::Counter(number)), expected) => {
            expected == Some(itoa::Buffer::new().format(*number).as_bytes())
        }
    }
}

/// The number that is there; text is one if it is as the number would be written.
fn number(content: &Content) -> Option<i64> {
    match content {
        Content::Counter(number) => Some(*number),
        Content::Value(value) => {
            let number: i64 = str::from_utf8(value).ok()?.parse().ok()?;
            (itoa::Buffer::new().format(number).as_bytes() == &value[..]).then_some(number)
        }
        Content::Bucket(_) => None,
    }
}
