//! A limit on calls in flight over many subjects.
//!
//! Only subjects with calls in flight are held. Going in and coming out each take a short lock on
//! the subject's shard; the empty subject takes none.

#[cfg(test)]
mod tests;

use crate::{
    shards::{Room, Shard, shards},
    subject::{AsIs, SubjectHash, SubjectKey},
};
use paifang_pipeline::ports::{Answer, Concurrency, ConcurrencySpec, Nanos, Permit, ReleasePermit};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, hash_map::Entry},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

type Map = HashMap<SubjectKey, NonZeroU32, AsIs>;

/// The empty subject's name in permits. A hash is the like with a chance of 2^-128.
const TOGETHER: u128 = 0;

/// See the module.
pub(crate) struct LocalConcurrency {
    /// Permits hold it too: they may outlive whoever asked for them.
    places: Arc<Places>,
}

struct Places {
    limit: NonZeroU32,
    hash: SubjectHash,
    /// The empty subject.
    together: AtomicU32,
    shards: Box<[Shard<Mutex<Map>>]>,
    room: Room,
}

impl LocalConcurrency {
    pub(crate) fn new(spec: &ConcurrencySpec, hash: SubjectHash) -> Self {
        let places = Places {
            limit: spec.limit,
            hash,
            together: AtomicU32::new(0),
            shards: shards(spec.subjects, Mutex::default),
            room: Room::new(spec.subjects),
        };
        Self { places: Arc::new(places) }
    }

    fn try_enter(&self, subject: &[u8]) -> Option<Permit> {
        let subject = self.places.enter(subject)?;
        Some(Permit::new(self.places.clone(), subject))
    }
}

impl Places {
    fn enter(&self, subject: &[u8]) -> Option<u128> {
        if subject.is_empty() {
            let more = |inside: u32| (inside < self.limit.get()).then(|| inside + 1);
            self.together.fetch_update(Relaxed, Relaxed, more).ok()?;
            return Some(TOGETHER);
        }
        let key = self.hash.of(subject);
        let mut map = self.shard(key).lock();
        match map.entry(key) {
            Entry::Occupied(mut inside) => {
                let more = inside.get().checked_add(1).filter(|more| *more <= self.limit)?;
                inside.insert(more);
            }
            Entry::Vacant(place) => {
                if !self.room.take() {
                    return None;
                }
                place.insert(NonZeroU32::MIN);
            }
        }
        Some(key.to_u128())
    }

    fn shard(&self, key: SubjectKey) -> &Mutex<Map> {
        &self.shards[key.shard(self.shards.len() - 1)].0
    }
}

impl ReleasePermit for Places {
    fn release(&self, subject: u128) {
        if subject == TOGETHER {
            self.together.fetch_sub(1, Relaxed);
            return;
        }
        let key = SubjectKey::from_u128(subject);
        let mut map = self.shard(key).lock();
        if let Entry::Occupied(mut inside) = map.entry(key) {
            match NonZeroU32::new(inside.get().get() - 1) {
                Some(fewer) => drop(inside.insert(fewer)),
                None => {
                    inside.remove();
                    self.room.give(1);
                }
            }
        }
    }
}

impl Concurrency for LocalConcurrency {
    fn enter(&self, subject: &[u8], _: Nanos) -> Answer<Option<Permit>> {
        Answer::Now(self.try_enter(subject))
    }
}
