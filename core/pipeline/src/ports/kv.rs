//! The Kv part of the Store port: values, counters and token buckets by key, for handlers that
//! keep something of their own between calls.
//!
//! | written by | read by `get` as | is a number for `add` |
//! |---|---|---|
//! | `set`, `compare_and_swap` | its bytes | if they are the decimal text of an `i64`, as `get` would give it |
//! | `add` | its decimal text | yes |
//! | `take` | nothing | |
//!
//! A bucket stands beside the value of its key: neither sees the other, and `delete` removes both.
//! A key that is longer than the limits allow is [`KvError::TooLarge`] wherever it is given.

use super::{Answer, LimitDecision, Nanos};
use bytes::Bytes;
use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

/// How much may be kept under one [`super::StateKey`]. What has expired makes room for what comes;
/// what has not is never dropped for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvSpec {
    /// How many entries at once; a value, a counter and a bucket are one each.
    pub entries: NonZeroU32,
    /// Bytes of all keys and values together. A counter and a bucket are 8 bytes beside their key.
    pub bytes: NonZeroU64,
    /// The longest key, in bytes.
    pub key_bytes: NonZeroU32,
    /// The longest value, in bytes. Counters are not held to it.
    pub value_bytes: NonZeroU32,
}

/// The rate of a token bucket, by the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvRate {
    /// Tokens a period, at the steady rate.
    pub count: NonZeroU64,
    /// The period, in nanoseconds.
    pub period_nanos: NonZeroU64,
    /// How many may be taken at once from a full bucket.
    pub burst: NonZeroU64,
}

/// Why an operation on a key did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The key or the value is longer than the limits allow.
    #[error("the key or the value is longer than allowed")]
    TooLarge,
    /// There is no room: all that is kept is still valid.
    #[error("the store is full of entries that are still valid")]
    Full,
    /// `add` on a value that is no number.
    #[error("the value is no number")]
    NotANumber,
}

/// What is kept under one [`super::StateKey`]. Each operation is atomic. Times to live count from
/// the `now` that was given; an entry is gone from the nanosecond on at which its time is over.
pub trait Kv: Send + Sync {
    /// Whether every answer is [`Answer::Now`].
    fn immediate(&self) -> bool;

    /// The value of `key`.
    fn get(&self, key: &[u8], now: Nanos) -> Answer<Result<Option<Bytes>, KvError>>;

    /// Makes `value` that of `key`. Without `ttl` it stays until it is deleted, whatever the one
    /// before had.
    fn set(
        &self,
        key: &[u8],
        value: Bytes,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<(), KvError>>;

    /// Removes the value and the bucket of `key`, if there are any.
    fn delete(&self, key: &[u8], now: Nanos) -> Answer<Result<(), KvError>>;

    /// Does as `set`, if the value is `expected` (`None`: if there is none); says whether it did.
    fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<bool, KvError>>;

    /// Adds to a number and gives the sum. Where there is none it begins as zero, to live for
    /// `ttl` from then on; later sums leave its time as it is. A sum beyond the ends of `i64`
    /// stays at the end: it saturates and never wraps.
    fn add(
        &self,
        key: &[u8],
        delta: i64,
        ttl: Option<Duration>,
        now: Nanos,
    ) -> Answer<Result<i64, KvError>>;

    /// Takes a token from the bucket of `key`, which is full at first and forgotten when it is full
    /// again. A bucket that is asked at another rate than before is as full as its debt, in time,
    /// leaves it at the new one; at worst it is empty.
    fn take(&self, key: &[u8], rate: KvRate, now: Nanos) -> Answer<Result<LimitDecision, KvError>>;
}
