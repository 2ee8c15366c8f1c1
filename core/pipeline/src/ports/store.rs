//! The Store port: limits, concurrency, nonces and values that outlive a snapshot.
//!
//! State is named by a [`StateKey`] and lives as long as anyone holds it, so what a reload keeps
//! survives the reload: the new snapshot asks for the same key while the old one still holds it.
//! An implementation answers at once where it can (`Answer::Now`) and with a future only where it
//! must ask elsewhere.

use super::{BoxFuture, Kv, KvSpec, Nanos, Spawn};
use std::{
    collections::BTreeMap, fmt, num::NonZeroU32, num::NonZeroU64, sync::Arc, time::Duration,
};

/// Names a piece of state: `<api id>/<step id>`, or `share/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey(Arc<str>);

impl StateKey {
    /// State of one step of one API.
    #[must_use]
    pub fn of_step(api: &str, step: &str) -> Self {
        Self(format!("step/{api}/{step}").into())
    }

    /// State shared under a name by every step that says `share: name`.
    #[must_use]
    pub fn shared(name: &str) -> Self {
        Self(format!("share/{name}").into())
    }

    /// A part of this state, when a step keeps more than one kind.
    #[must_use]
    pub fn part(&self, name: &str) -> Self {
        Self(format!("{}#{name}", self.0).into())
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer that is either here or on its way.
pub enum Answer<T> {
    /// Known now.
    Now(T),
    /// Asked elsewhere.
    Later(BoxFuture<Result<T, StoreError>>),
}

/// Why state cannot be had. The step that asked fails by its `on_failure`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state store: {0}")]
pub struct StoreError(pub String);

/// State that handlers keep between calls. Asking twice for the same key and spec gives the same
/// state; another spec under the same key starts afresh, [`Store::kv`] apart.
pub trait Store: Send + Sync {
    /// Begins what the store does in the background, once; later calls do nothing. It ends with the
    /// store and all that it has handed out.
    fn start(&self, _spawn: &Arc<dyn Spawn>) {}

    /// A rate limit by subject.
    ///
    /// # Errors
    /// When the store cannot hold another limiter.
    fn limiter(&self, key: &StateKey, spec: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError>;

    /// The like, with what to do while it cannot be asked. A store in this process always can.
    ///
    /// # Errors
    /// When the store cannot hold another limiter.
    fn limiter_when_away(
        &self,
        key: &StateKey,
        spec: LimitSpec,
        _away: WhenAway,
    ) -> Result<Arc<dyn Limiter>, StoreError> {
        self.limiter(key, spec)
    }

    /// A limit on calls in flight by subject.
    ///
    /// # Errors
    /// When the store cannot hold another one.
    fn concurrency(
        &self,
        key: &StateKey,
        spec: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError>;

    /// A memory of nonces seen.
    ///
    /// # Errors
    /// When the store cannot hold another one.
    fn nonces(&self, key: &StateKey, spec: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError>;

    /// The like, with what to do while it cannot be asked. A store in this process always can.
    ///
    /// # Errors
    /// When the store cannot hold another one.
    fn nonces_when_away(
        &self,
        key: &StateKey,
        spec: NonceSpec,
        _away: WhenAway,
    ) -> Result<Arc<dyn Nonces>, StoreError> {
        self.nonces(key, spec)
    }

    /// Values by key. Another spec under the same key finds the same values, so that they survive
    /// a reload that changes a limit: each holder is held to the limits that it has asked for, and
    /// asking changes nothing for another. Limits below what is there drop nothing; they refuse
    /// what is new until enough has expired or been deleted.
    ///
    /// # Errors
    /// When the store cannot hold more of them.
    fn kv(&self, key: &StateKey, spec: KvSpec) -> Result<Arc<dyn Kv>, StoreError>;
}

/// Stores that gateways share, by name.
#[derive(Default)]
pub struct Stores(BTreeMap<Arc<str>, Arc<dyn Store>>);

impl Stores {
    /// None at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// These.
    #[must_use]
    pub fn new(stores: impl IntoIterator<Item = (Arc<str>, Arc<dyn Store>)>) -> Self {
        Self(stores.into_iter().collect())
    }

    /// The store of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&dyn Store> {
        self.0.get(name).map(|store| &**store)
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

/// What to do while a store across the network cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenAway {
    /// Decide by what this gateway knows alone; of a rate, by its equal share.
    Local,
    /// Let everything pass.
    Open,
    /// Answer with an error.
    Closed,
}

/// A rate limit by the generic cell rate algorithm (ITU-T I.371).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LimitSpec {
    /// Events a period, at the steady rate.
    pub count: NonZeroU64,
    /// The period, in nanoseconds, at least one.
    pub period_nanos: NonZeroU64,
    /// How many may come at once after a pause; at least one.
    pub burst: NonZeroU64,
    /// How many subjects are remembered. Beyond it those are forgotten whose limit is full again;
    /// when none is, the newcomer is refused: protection never fails open.
    pub subjects: NonZeroU32,
}

/// What a limiter says of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitDecision {
    /// Whether the event may pass.
    pub allowed: bool,
    /// How many more may pass at once after this.
    pub remaining: u64,
    /// Until the next event may pass; zero where it may now.
    pub retry_after_nanos: u64,
    /// Until the whole burst is there again.
    pub reset_nanos: u64,
}

/// A rate limit over many subjects.
pub trait Limiter: Send + Sync {
    /// Counts one event of `subject` at `now`.
    fn take(&self, subject: &[u8], now: Nanos) -> Answer<LimitDecision>;
}

/// A limit on calls in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConcurrencySpec {
    /// How many at once for one subject.
    pub limit: NonZeroU32,
    /// How many subjects may have calls in flight at once.
    pub subjects: NonZeroU32,
}

/// Calls in flight over many subjects.
pub trait Concurrency: Send + Sync {
    /// Takes a place, or `None` where all are taken. Dropping the permit gives the place back.
    fn enter(&self, subject: &[u8], now: Nanos) -> Answer<Option<Permit>>;
}

/// A place among the calls in flight; given back on drop.
pub struct Permit {
    release: Option<Arc<dyn ReleasePermit>>,
    subject: u128,
}

/// What a [`Permit`] calls when it is dropped.
pub trait ReleasePermit: Send + Sync {
    /// Gives the place of `subject` back.
    fn release(&self, subject: u128);
}

impl Permit {
    /// A permit that tells `owner` when it ends.
    #[must_use]
    pub fn new(owner: Arc<dyn ReleasePermit>, subject: u128) -> Self {
        Self { release: Some(owner), subject }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(owner) = self.release.take() {
            owner.release(self.subject);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// A memory of nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonceSpec {
    /// How long a nonce is remembered.
    pub ttl: Duration,
    /// How many are remembered at once; when full, new ones are refused.
    pub capacity: NonZeroU32,
}

/// What the memory says of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceVerdict {
    /// Never seen within its time; now remembered.
    Fresh,
    /// Seen before.
    Replayed,
    /// The memory is full of nonces that are still valid.
    Full,
}

/// Nonces seen.
pub trait Nonces: Send + Sync {
    /// Remembers `nonce` and says whether it was new.
    fn insert(&self, nonce: &[u8], now: Nanos) -> Answer<NonceVerdict>;
}
