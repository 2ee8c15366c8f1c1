//! One kept answer.

use super::policy::Times;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_cache_semantics::CachePolicy;
use paifang_pipeline::{ResponseHead, ports::Nanos};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, UNIX_EPOCH},
};

/// Beside its bytes, what an answer takes: tables of headers, the policy's own, the shelf's.
const OVERHEAD: usize = 1024;

/// An answer as it is given again.
pub(super) struct Stored {
    /// Without `Age`, with `Content-Length`.
    pub(super) head: ResponseHead,
    pub(super) body: Bytes,
    /// What the RFC says of it.
    pub(super) policy: CachePolicy,
    pub(super) times: Times,
    /// Whether callers with credentials of their own may have it.
    pub(super) public: bool,
    /// The request headers that `Vary` names, with the values that this answer is for.
    pub(super) varies: Box<[Varying]>,
    /// When it was asked for. What has been marked since, it does not know.
    pub(super) asked: Nanos,
    /// Hashes of what marks may be for.
    pub(super) place: u64,
    pub(super) api: u64,
    pub(super) tags: Box<[u64]>,
    /// Somebody is fetching a newer one behind it.
    pub(super) refreshing: AtomicBool,
    /// When the upstream last failed to give a newer one, in nanoseconds; zero for never.
    pub(super) failed: AtomicU64,
}

/// How long after the upstream has failed it is not asked again, where a stale answer may be given
/// instead: all who wait for a newer one would otherwise fail one after the other.
const REST_NANOS: u64 = 1_000_000_000;

/// A request header that answers differ by, with its values.
pub(super) struct Varying {
    pub(super) name: HeaderName,
    pub(super) values: Box<[HeaderValue]>,
}

impl Varying {
    fn is_as_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(&self.name).iter().eq(self.values.iter())
    }
}

impl Stored {
    /// Whether it was made for requests with such headers (RFC 9111, section 4.1).
    pub(super) fn suits(&self, headers: &HeaderMap) -> bool {
        self.varies.iter().all(|varying| varying.is_as_in(headers))
    }

    /// Whether both are for the same requests, so that the newer takes the older's place.
    pub(super) fn replaces(&self, older: &Self) -> bool {
        self.varies.len() == older.varies.len()
            && self
                .varies
                .iter()
                .zip(&older.varies)
                .all(|(new, old)| new.name == old.name && new.values == old.values)
    }

    /// Its age in whole seconds (RFC 9111, section 4.2.3) at `now` since the Unix epoch.
    pub(super) fn age_seconds(&self, now: Duration) -> u64 {
        self.policy.age(UNIX_EPOCH + now).as_secs()
    }

    /// Whether the caller is the one that fetches a newer answer.
    pub(super) fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Relaxed)
    }

    /// The fetch came to nothing; another may try.
    pub(super) fn end_refresh(&self) {
        self.refreshing.store(false, Relaxed);
    }

    /// The upstream has failed to give a newer one.
    pub(super) fn set_failed(&self, now: Nanos) {
        self.failed.store(now.0.max(1), Relaxed);
    }

    /// Whether the upstream has failed just now.
    pub(super) fn has_failed(&self, now: Nanos) -> bool {
        let at = self.failed.load(Relaxed);
        at != 0 && now.0.saturating_sub(at) < REST_NANOS
    }

    /// What it takes, in bytes. Heads count thrice: the policy holds this one and the request's.
    pub(super) fn bytes(&self) -> u64 {
        let fields = self.head.headers.iter();
        let head: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        (self.body.len() + 3 * head + OVERHEAD) as u64
    }
}
