//! A part of a table: its entries, and in which order they expire.
//!
//! The order is kept loosely: it holds for each entry that expires one time, which is never later
//! than when it does. An entry whose time moves away is not moved in the order; it is put right
//! when its old time comes up. So a bucket that is asked all the time, and a session whose time is
//! extended with every call, pay for the order once a lifetime and not once a call.

use super::room::{Limits, Need, Room};
use crate::subject::{AsIs, SubjectKey};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};

/// The expiry of what does not expire.
pub(super) const NEVER: u64 = u64::MAX;

/// What stands under a key.
#[derive(Debug)]
pub(super) enum Content {
    Value(Bytes),
    Counter(i64),
    /// Its theoretical arrival time.
    Bucket(u64),
}

impl Content {
    /// What it counts for beside its key.
    fn bytes(&self) -> u64 {
        match self {
            Self::Value(value) => value.len() as u64,
            Self::Counter(_) | Self::Bucket(_) => 8,
        }
    }
}

struct Entry {
    content: Content,
    /// It is gone from this time on.
    expires: u64,
    /// Its time in the order; [`NEVER`] where it is not in there.
    due: u64,
    /// Length of its key.
    key_bytes: u32,
}

impl Entry {
    fn bytes(&self) -> u64 {
        u64::from(self.key_bytes) + self.content.bytes()
    }
}

/// What is written under a key.
pub(super) struct Write {
    pub(super) key: SubjectKey,
    pub(super) key_bytes: u32,
    pub(super) content: Content,
    pub(super) expires: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<SubjectKey, Entry, AsIs>,
    due: BTreeSet<(u64, u128)>,
}

/// How many entries whose time is over are looked at when a new one comes, so that a table that is
/// never full gives its memory back too.
const ALONG_THE_WAY: usize = 2;

impl Shard {
    /// What stands under `key` now, and when it expires.
    pub(super) fn get(&self, key: SubjectKey, now: u64) -> Option<(&Content, u64)> {
        let entry = self.entries.get(&key).filter(|entry| entry.expires > now)?;
        Some((&entry.content, entry.expires))
    }

    /// Puts an entry in the place of what is there, expired or not.
    ///
    /// # Errors
    /// What it needs, where there is no room for it.
    pub(super) fn put(
        &mut self,
        write: Write,
        now: u64,
        room: &Room,
        limits: Limits,
    ) -> Result<(), Need> {
        let Write { key, key_bytes, content, expires } = write;
        let bytes = u64::from(key_bytes) + content.bytes();
        if let Some(entry) = self.entries.get_mut(&key) {
            let need = Need::of(Some(entry.bytes()), bytes);
            if !room.take(need, limits) {
                return Err(need);
            }
            entry.content = content;
            entry.expires = expires;
            if expires < entry.due {
                self.due.remove(&(entry.due, key.to_u128()));
                self.due.insert((expires, key.to_u128()));
                entry.due = expires;
            }
            return Ok(());
        }
        for _ in 0..ALONG_THE_WAY {
            if !self.advance(now, room) {
                break;
            }
        }
        let need = Need::of(None, bytes);
        if !room.take(need, limits) {
            return Err(need);
        }
        if expires != NEVER {
            self.due.insert((expires, key.to_u128()));
        }
        self.entries.insert(key, Entry { content, expires, due: expires, key_bytes });
        Ok(())
    }

    pub(super) fn remove(&mut self, key: SubjectKey, room: &Room) {
        let Some(entry) = self.entries.remove(&key) else { return };
        room.give(entry.bytes());
        if entry.due != NEVER {
            self.due.remove(&(entry.due, key.to_u128()));
        }
        self.shrink();
    }

    /// Takes the first time of the order that is over: removes its entry, or puts it right.
    /// False where there is none.
    pub(super) fn advance(&mut self, now: u64, room: &Room) -> bool {
        let Some(&(due, key)) = self.due.first() else { return false };
        if due > now {
            return false;
        }
        self.due.pop_first();
        let place = SubjectKey::from_u128(key);
        let Some(entry) = self.entries.get_mut(&place) else { return true };
        entry.due = entry.expires;
        if entry.expires <= now {
            room.give(entry.bytes());
            self.entries.remove(&place);
            self.shrink();
        } else if entry.expires != NEVER {
            self.due.insert((entry.expires, key));
        }
        true
    }

    /// What a flood has filled once is not kept for ever.
    fn shrink(&mut self) {
        if self.entries.capacity() > 64 && self.entries.len() < self.entries.capacity() / 8 {
            self.entries.shrink_to(2 * self.entries.len());
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.entries.len(), self.due.len(), self.entries.capacity())
    }
}
