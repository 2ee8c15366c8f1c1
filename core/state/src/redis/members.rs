//! How many gateways share a store: told, or learnt from the store itself.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// How often a gateway says that it is there.
pub(super) const BEAT: Duration = Duration::from_secs(2);

/// How long it counts after it has last said so.
pub(super) const LIFE: Duration = Duration::from_secs(7);

/// See the module.
pub(super) struct Members {
    id: u64,
    told: u32,
    /// 0 until something was learnt.
    learnt: AtomicU32,
}

impl Members {
    pub(super) fn new(told: Option<NonZeroU32>) -> Self {
        let told = told.map_or(0, NonZeroU32::get);
        Self { id: fastrand::u64(..), told, learnt: AtomicU32::new(0) }
    }

    /// What this gateway is called among the others.
    pub(super) fn id(&self) -> Vec<u8> {
        format!("{:016x}", self.id).into_bytes()
    }

    pub(super) fn learn(&self, count: i64) {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        self.learnt.store(count, Relaxed);
    }

    /// How many share: the larger of what was told and what was learnt last; `None` where neither is
    /// known.
    pub(super) fn count(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.learnt.load(Relaxed).max(self.told))
    }
}

#[cfg(test)]
mod tests {
    //! Who is counted.
    #![allow(clippy::unwrap_used)]
    use super::Members;
    use std::num::NonZeroU32;

    #[test]
    fn the_larger_number_counts_and_nothing_is_guessed() {
        let members = Members::new(None);
        assert_eq!(members.count(), None);
        members.learn(3);
        assert_eq!(members.count(), NonZeroU32::new(3));
        let told = Members::new(NonZeroU32::new(4));
        assert_eq!(told.count(), NonZeroU32::new(4));
        told.learn(2);
        assert_eq!(told.count(), NonZeroU32::new(4), "one is away, and may come back");
        told.learn(6);
        assert_eq!(told.count(), NonZeroU32::new(6));
        assert_eq!(told.id().len(), 16);
    }
}
