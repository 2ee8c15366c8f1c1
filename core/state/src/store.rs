//! The store: state by key and spec, held weakly.

use crate::{
    concurrency::LocalConcurrency,
    kv::{LocalKv, Table},
    limiter::LocalLimiter,
    nonces::LocalNonces,
    subject::SubjectHash,
};
use paifang_pipeline::ports::{
    Concurrency, ConcurrencySpec, Kv, KvSpec, LimitSpec, Limiter, NonceSpec, Nonces, StateKey,
    Store, StoreError,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
};

/// State in this process, for one gateway. Keep one store for the gateway's whole life: a new one
/// has forgotten everything.
///
/// The same key and spec give the same state as long as anyone holds it; another spec under the
/// same key gives fresh state and leaves the other alone, so a release that fails after it was
/// built has reset nothing. Values alone stay under another spec.
pub struct LocalStore {
    hash: SubjectHash,
    limiters: Mutex<Shelf<LimitSpec, LocalLimiter>>,
    concurrency: Mutex<Shelf<ConcurrencySpec, LocalConcurrency>>,
    nonces: Mutex<Shelf<NonceSpec, LocalNonces>>,
    /// Whatever the spec.
    values: Mutex<Shelf<(), Table>>,
}

impl LocalStore {
    /// An empty store, with a secret of its own that its tables hash under.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hash: SubjectHash::random(),
            limiters: Mutex::default(),
            concurrency: Mutex::default(),
            nonces: Mutex::default(),
            values: Mutex::default(),
        }
    }
}

impl LocalStore {
    /// What [`Store::limiter`] gives, which a local store never refuses and which never waits.
    #[must_use]
    pub fn local_limiter(&self, key: &StateKey, spec: LimitSpec) -> Arc<LocalLimiter> {
        let make = || LocalLimiter::new(&spec, self.hash.clone());
        self.limiters.lock().get_or(key, spec, make)
    }
}

impl Default for LocalStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for LocalStore {
    fn limiter(&self, key: &StateKey, spec: LimitSpec) -> Result<Arc<dyn Limiter>, StoreError> {
        Ok(self.local_limiter(key, spec))
    }

    fn concurrency(
        &self,
        key: &StateKey,
        spec: ConcurrencySpec,
    ) -> Result<Arc<dyn Concurrency>, StoreError> {
        let make = || LocalConcurrency::new(&spec, self.hash.clone());
        Ok(self.concurrency.lock().get_or(key, spec, make))
    }

    fn nonces(&self, key: &StateKey, spec: NonceSpec) -> Result<Arc<dyn Nonces>, StoreError> {
        let make = || LocalNonces::new(&spec, self.hash.clone());
        Ok(self.nonces.lock().get_or(key, spec, make))
    }

    fn kv(&self, key: &StateKey, spec: KvSpec) -> Result<Arc<dyn Kv>, StoreError> {
        let make = || Table::new(spec.entries, self.hash.clone());
        let table = self.values.lock().get_or(key, (), make);
        Ok(Arc::new(LocalKv::new(table, &spec)))
    }
}

/// State of one kind.
pub(crate) struct Shelf<S, T> {
    states: HashMap<(StateKey, S), Weak<T>>,
    /// Look for the dead when there are this many.
    prune_at: usize,
}

impl<S, T> Default for Shelf<S, T> {
    fn default() -> Self {
        Self { states: HashMap::new(), prune_at: 64 }
    }
}

impl<S: Hash + Eq, T> Shelf<S, T> {
    pub(crate) fn get_or(&mut self, key: &StateKey, spec: S, make: impl FnOnce() -> T) -> Arc<T> {
        if self.states.len() >= self.prune_at {
            self.states.retain(|_, state| state.strong_count() > 0);
            self.prune_at = (2 * self.states.len()).max(64);
        }
        let place = self.states.entry((key.clone(), spec)).or_default();
        place.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *place = Arc::downgrade(&made);
            made
        })
    }
}

#[cfg(test)]
mod tests {
    //! What is shared, what is fresh, and that nothing dead piles up.
    #![allow(clippy::unwrap_used)]
    use super::LocalStore;
    use paifang_pipeline::ports::{
        Answer, ConcurrencySpec, Kv, KvSpec, LimitSpec, Limiter, Nanos, NonceSpec, StateKey, Store,
    };
    use std::{sync::Arc, time::Duration};

    fn spec(count: u64) -> LimitSpec {
        LimitSpec {
            count: count.try_into().unwrap(),
            period_nanos: 1_000_000_000.try_into().unwrap(),
            burst: 1.try_into().unwrap(),
            subjects: 10.try_into().unwrap(),
        }
    }

    fn take(limiter: &Arc<dyn Limiter>) -> bool {
        match limiter.take(b"me", Nanos(0)) {
            Answer::Now(decision) => decision.allowed,
            Answer::Later(_) => panic!("a local store answers at once"),
        }
    }

    #[test]
    fn the_same_key_and_spec_survive_as_long_as_someone_holds_them() {
        let store = LocalStore::new();
        let key = StateKey::of_step("orders", "throttle");
        let old = store.limiter(&key, spec(1)).unwrap();
        assert!(take(&old));
        let new = store.limiter(&key, spec(1)).unwrap();
        drop(old);
        assert!(!take(&new), "counters survive the reload");
        drop(new);
        assert!(take(&store.limiter(&key, spec(1)).unwrap()), "nobody held it");
    }

    #[test]
    fn another_key_or_spec_is_other_state_and_leaves_the_first_alone() {
        let store = LocalStore::new();
        let key = StateKey::of_step("orders", "throttle");
        let first = store.limiter(&key, spec(1)).unwrap();
        assert!(take(&first));
        assert!(take(&store.limiter(&key.part("more"), spec(1)).unwrap()));
        assert!(take(&store.limiter(&StateKey::shared("throttle"), spec(1)).unwrap()));
        assert!(take(&store.limiter(&key, spec(2)).unwrap()));
        assert!(!take(&store.limiter(&key, spec(1)).unwrap()), "a failed release resets nothing");
    }

    fn kv_spec(entries: u32) -> KvSpec {
        let size = 100.try_into().unwrap();
        let bytes = 10_000.try_into().unwrap();
        KvSpec { entries: entries.try_into().unwrap(), bytes, key_bytes: size, value_bytes: size }
    }

    fn count(values: &Arc<dyn Kv>, key: &str) -> Option<i64> {
        match values.add(key.as_bytes(), 1, None, Nanos(0)) {
            Answer::Now(sum) => sum.ok(),
            Answer::Later(_) => panic!("a local store answers at once"),
        }
    }

    #[test]
    fn values_survive_another_spec_and_go_with_their_last_holder() {
        let store = LocalStore::new();
        let key = StateKey::of_step("orders", "risk");
        let old = store.kv(&key, kv_spec(1)).unwrap();
        assert_eq!((count(&old, "a"), count(&old, "b")), (Some(1), None));
        let new = store.kv(&key, kv_spec(2)).unwrap();
        assert_eq!((count(&new, "a"), count(&new, "b")), (Some(2), Some(1)));
        assert_eq!(count(&old, "c"), None, "a release that is made changes nothing for the other");
        assert_eq!(count(&store.kv(&key.part("more"), kv_spec(1)).unwrap(), "a"), Some(1));
        drop(old);
        let table = Arc::downgrade(&store.values.lock().get_or(&key, (), || unreachable!()));
        assert_eq!(count(&new, "a"), Some(3));
        drop(new);
        assert!(table.upgrade().is_none(), "nobody holds it");
        assert_eq!(count(&store.kv(&key, kv_spec(1)).unwrap(), "a"), Some(1));
    }

    #[test]
    fn kinds_are_apart_and_the_dead_are_swept() {
        let store = LocalStore::new();
        let places =
            ConcurrencySpec { limit: 1.try_into().unwrap(), subjects: 1.try_into().unwrap() };
        let memory = NonceSpec { ttl: Duration::from_secs(1), capacity: 1.try_into().unwrap() };
        let kept = store.limiter(&StateKey::shared("kept"), spec(1)).unwrap();
        assert!(take(&kept));
        for name in 0..10_000 {
            let key = StateKey::shared(&name.to_string());
            drop(store.limiter(&key, spec(1)).unwrap());
            drop(store.concurrency(&key, places).unwrap());
            drop(store.nonces(&key, memory).unwrap());
            drop(store.kv(&key, kv_spec(1)).unwrap());
        }
        assert!(store.limiters.lock().states.len() <= 64);
        assert!(store.concurrency.lock().states.len() <= 64);
        assert!(store.nonces.lock().states.len() <= 64);
        assert!(store.values.lock().states.len() <= 64);
        assert!(!take(&store.limiter(&StateKey::shared("kept"), spec(1)).unwrap()));
    }
}
