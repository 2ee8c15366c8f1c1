//! The subjects of a shared limit that this gateway knows: bounded, and forgotten when idle, for
//! the store knows them.

use super::subject::Subject;
use crate::{
    shards::{Room, Shard, shards},
    subject::{AsIs, SubjectHash, SubjectKey},
};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, OnceLock},
};

/// Looking through a full table happens at most once in this long for each subject held.
const SWEEP_GAP_NANOS: u64 = 100;

type Map = HashMap<SubjectKey, Arc<Subject>, AsIs>;

/// See the module.
pub(super) struct Table {
    hash: SubjectHash,
    /// The empty subject.
    together: OnceLock<Arc<Subject>>,
    shards: Box<[Shard<RwLock<Map>>]>,
    room: Room,
    /// When a full table may be looked through again.
    next_sweep: Mutex<u64>,
}

impl Table {
    pub(super) fn new(subjects: NonZeroU32, hash: SubjectHash) -> Self {
        Self {
            hash,
            together: OnceLock::new(),
            shards: shards(subjects, RwLock::default),
            room: Room::new(subjects),
            next_sweep: Mutex::new(0),
        }
    }

    /// The subject, made where it is new; `None` where there is no room for a new one.
    pub(super) fn get(
        &self,
        subject: &[u8],
        now: u64,
        make: impl FnOnce() -> Subject,
    ) -> Option<Arc<Subject>> {
        if subject.is_empty() {
            return Some(self.together.get_or_init(|| Arc::new(make())).clone());
        }
        let key = self.hash.of(subject);
        let shard = &self.shards[key.shard(self.shards.len() - 1)].0;
        if let Some(known) = shard.read().get(&key) {
            return Some(known.clone());
        }
        self.newcomer(shard, key, now, &Arc::new(make()))
    }

    #[cold]
    fn newcomer(
        &self,
        shard: &RwLock<Map>,
        key: SubjectKey,
        now: u64,
        made: &Arc<Subject>,
    ) -> Option<Arc<Subject>> {
        if let Some(known) = self.admit(shard, key, made) {
            return Some(known);
        }
        self.make_room(now);
        self.admit(shard, key, made)
    }

    /// Writes the subject into its shard; `None` where the table is full.
    fn admit(
        &self,
        shard: &RwLock<Map>,
        key: SubjectKey,
        made: &Arc<Subject>,
    ) -> Option<Arc<Subject>> {
        let mut map = shard.write();
        // Another thread may have been faster.
        if let Some(known) = map.get(&key) {
            return Some(known.clone());
        }
        if !self.room.take() {
            return None;
        }
        if map.len() == map.capacity() {
            // Before a shard grows it forgets, so that it grows with the subjects that are active.
            let before = map.len();
            map.retain(|_, subject| in_use(subject));
            self.room.give(before - map.len());
            if map.len() > before / 4 * 3 {
                map.reserve(before.max(3));
            }
        }
        map.insert(key, made.clone());
        Some(made.clone())
    }

    /// Forgets every subject that is idle, seldom: a flood of newcomers cannot have it done each
    /// time.
    fn make_room(&self, now: u64) {
        let mut next = self.next_sweep.lock();
        if now < *next || !self.room.is_full() {
            return;
        }
        for shard in &self.shards {
            let mut map = shard.0.write();
            let before = map.len();
            map.retain(|_, subject| in_use(subject));
            self.room.give(before - map.len());
        }
        *next = now.saturating_add(SWEEP_GAP_NANOS.saturating_mul(self.room.held() as u64));
    }
}

fn in_use(subject: &Arc<Subject>) -> bool {
    Arc::strong_count(subject) > 1 || !subject.is_idle()
}

#[cfg(test)]
mod tests {
    //! Room, and who is forgotten for it.
    #![allow(clippy::unwrap_used)]
    use super::{super::subject::Subject, Table};
    use crate::subject::SubjectHash;
    use std::sync::Arc;

    #[test]
    fn those_in_use_stay_and_the_idle_make_room() {
        let table = Table::new(3.try_into().unwrap(), SubjectHash::random());
        let get = |name: &str, now| table.get(name.as_bytes(), now, || Subject::new([0; 16], 0, 0));
        let held = [get("a", 0).unwrap(), get("b", 0).unwrap()];
        held[0].grant(1, 0, 0);
        assert!(get("c", 0).is_some());
        assert!(get("d", 1_000).is_some(), "c is idle, and forgotten");
        assert!(Arc::ptr_eq(&held[1], &get("b", 1_000).unwrap()), "somebody holds it");
        drop(held);
        let kept = [get("b", 1_001).unwrap(), get("d", 1_001).unwrap()];
        assert!(get("e", 1_000_000).is_none(), "a has a permit, the others are held");
        assert!(get("e", 1_000_001).is_none(), "nor is there a second look so soon");
        drop(kept);
        assert!(get("e", 2_000_000).is_some());
        assert!(get("", 0).is_some(), "all together are never crowded out");
    }
}
