//! What became of calls that might be answered from what is kept.

use super::Cache;
use serde::Serialize;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a call found. The names are those of metrics and of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A fresh answer.
    Hit,
    /// A stale one, while a newer one is fetched.
    Stale,
    /// A stale one, in place of the upstream's error.
    StaleError,
    /// A stale one, of which the upstream said that it is still good.
    Revalidated,
    /// A stale one, and the upstream had another.
    Expired,
    /// Nothing.
    Miss,
    /// It was not looked: the request is not for answers that are kept.
    Bypass,
}

impl Found {
    pub(crate) const ALL: [Self; 7] = [
        Self::Hit,
        Self::Stale,
        Self::StaleError,
        Self::Revalidated,
        Self::Expired,
        Self::Miss,
        Self::Bypass,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::StaleError => "stale_error",
            Self::Revalidated => "revalidated",
            Self::Expired => "expired",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }

    /// What `Cache-Status` says of it (RFC 9211); `stored` where a new answer is being kept.
    pub(super) const fn told(self, stored: bool) -> &'static str {
        match (self, stored) {
            (Self::Hit, _) => "paifang; hit",
            (Self::Stale, _) => "paifang; hit; detail=stale-while-revalidate",
            (Self::StaleError, _) => "paifang; fwd=stale; detail=stale-if-error",
            (Self::Revalidated, _) => "paifang; fwd=stale; fwd-status=304; stored",
            (Self::Expired, true) => "paifang; fwd=stale; stored",
            (Self::Expired, false) => "paifang; fwd=stale",
            (Self::Miss, true) => "paifang; fwd=uri-miss; stored",
            (Self::Miss, false) => "paifang; fwd=uri-miss",
            (Self::Bypass, _) => "paifang; fwd=bypass",
        }
    }
}

/// Counters of one API.
#[derive(Debug, Default)]
pub(crate) struct ApiCounts([AtomicU64; Found::ALL.len()]);

impl ApiCounts {
    pub(super) fn count(&self, found: Found) {
        self.0[found as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self, found: Found) -> u64 {
        self.0[found as usize].load(Relaxed)
    }
}

/// The cache at one moment, for the admin API and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CacheReading {
    /// What everything may take, in bytes.
    pub(crate) memory_bytes: u64,
    /// What everything takes, in bytes.
    pub(crate) used_bytes: u64,
    /// Keys with answers.
    pub(crate) keys: u64,
    /// Keys that had to go for want of room.
    pub(crate) evicted: u64,
    /// What calls have found, by API.
    pub(crate) apis: Vec<ApiReading>,
}

/// What the calls of one API have found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ApiReading {
    /// The API.
    pub(crate) id: Arc<str>,
    /// How many calls have found what.
    #[serde(serialize_with = "by_name")]
    pub(crate) found: Vec<(Found, u64)>,
}

fn by_name<S: serde::Serializer>(found: &[(Found, u64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(found.iter().map(|(found, count)| (found.as_str(), count)))
}

impl Cache {
    /// What is in it and what has come of it.
    pub(crate) fn read(&self) -> CacheReading {
        let (keys, used_bytes, memory_bytes, evicted) = self.shelf.read();
        let counts = self.counts.lock();
        let apis = counts.iter().map(|(id, counts)| ApiReading {
            id: id.clone(),
            found: Found::ALL.into_iter().map(|found| (found, counts.get(found))).collect(),
        });
        CacheReading { memory_bytes, used_bytes, keys, evicted, apis: apis.collect() }
    }
}
