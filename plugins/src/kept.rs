//! What outlives the handlers that use it: counters and states that a plugin finds again by name when
//! a reload builds its step anew, as long as somebody holds them.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Weak},
};

/// Values by name, held weakly: those that nobody holds any more are forgotten.
pub(crate) struct Kept<K, V>(Mutex<BTreeMap<K, Weak<V>>>);

impl<K: Ord + Clone, V> Kept<K, V> {
    /// The value of that name; a new one where there is none.
    pub(crate) fn get_or(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut all = self.0.lock();
        if let Some(known) = all.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        all.retain(|_, value| value.strong_count() > 0);
        let made = Arc::new(make());
        all.insert(key, Arc::downgrade(&made));
        made
    }

    /// All that somebody holds, in the order of their names.
    pub(crate) fn all(&self) -> Vec<(K, Arc<V>)> {
        let all = self.0.lock();
        all.iter().filter_map(|(key, value)| Some((key.clone(), value.upgrade()?))).collect()
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> fmt::Debug for Kept<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

#[cfg(test)]
mod tests {
    //! Found again while held, new afterwards.
    use super::Kept;

    #[test]
    fn a_value_lives_as_long_as_its_holders() {
        let kept: Kept<&str, u32> = Kept::default();
        let first = kept.get_or("a", || 1);
        let again = kept.get_or("a", || 2);
        assert_eq!((*again, kept.all().len()), (1, 1));
        drop((first, again));
        assert!(kept.all().is_empty());
        assert_eq!(*kept.get_or("a", || 3), 3);
    }
}
