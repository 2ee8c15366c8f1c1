//! Counting connections, in total and per client, so that a count falls whatever way its connection ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::address::ClientKey;

/// Locks are taken when a connection comes and when it goes; by as many threads as serve.
const SHARDS: usize = 16;

/// The connections that one listening socket holds. Holds an entry per client only while it has connections.
#[derive(Debug)]
pub(super) struct ConnectionCounts {
    total: AtomicU32,
    per_client: [Mutex<HashMap<ClientKey, u32>>; SHARDS],
    /// Keyed at random: clients choose their addresses, but not their shard.
    shard_hasher: RandomState,
}

impl ConnectionCounts {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            total: AtomicU32::new(0),
            per_client: std::array::from_fn(|_| Mutex::default()),
            shard_hasher: RandomState::new(),
        })
    }

    /// The connections held now.
    pub(super) fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts one more connection unless there are `limit` already. Exact: never more than `limit` at once,
    /// however many threads ask.
    pub(super) fn admit(self: &Arc<Self>, limit: Option<u32>) -> Option<Permit> {
        let limit = limit.unwrap_or(u32::MAX);
        self.total
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| {
                (total < limit).then_some(total + 1)
            })
            .ok()?;
        Some(Permit { counts: Arc::clone(self), client: None })
    }

    fn shard(&self, client: ClientKey) -> &Mutex<HashMap<ClientKey, u32>> {
        &self.per_client[self.shard_hasher.hash_one(client) as usize % SHARDS]
    }

    #[cfg(test)]
    fn clients(&self) -> usize {
        self.per_client.iter().map(|shard| shard.lock().len()).sum()
    }
}

/// One counted connection; dropping it uncounts it.
#[derive(Debug)]
pub(super) struct Permit {
    counts: Arc<ConnectionCounts>,
    client: Option<ClientKey>,
}

impl Permit {
    /// Counts the connection to its client as well, once that is known. False when the client has `limit`
    /// already. Clients are counted without a limit too, so that one set by a reload holds at once.
    pub(super) fn admit_client(&mut self, ip: IpAddr, limit: Option<u32>) -> bool {
        debug_assert!(self.client.is_none(), "a connection has one client");
        let client = ClientKey::of(ip);
        let limit = limit.unwrap_or(u32::MAX);
        match self.counts.shard(client).lock().entry(client) {
            Entry::Occupied(mut count) if *count.get() < limit => *count.get_mut() += 1,
            Entry::Vacant(none) if limit > 0 => {
                none.insert(1);
            }
            _ => return false,
        }
        self.client = Some(client);
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.total.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        if let Entry::Occupied(mut count) = self.counts.shard(client).lock().entry(client) {
            match *count.get() {
                0 | 1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_total_is_exact_and_falls_on_drop() {
        let counts = ConnectionCounts::new();
        let first = counts.admit(Some(2)).unwrap();
        let _second = counts.admit(Some(2)).unwrap();
        assert!(counts.admit(Some(2)).is_none());
        drop(first);
        assert_eq!(counts.total(), 1);
        assert!(counts.admit(Some(2)).is_some());
        assert!(counts.admit(Some(0)).is_none());
    }

    #[test]
    fn clients_are_counted_each_and_forgotten_when_gone() {
        let counts = ConnectionCounts::new();
        let mut held: Vec<Permit> = (0..4).map(|_| counts.admit(None).unwrap()).collect();
        assert!(held[0].admit_client(ip("2001:db8::1"), Some(2)));
        assert!(held[1].admit_client(ip("2001:db8::2"), Some(2)));
        assert!(!held[2].admit_client(ip("2001:db8::3"), Some(2)), "the same /64");
        assert!(held[3].admit_client(ip("192.0.2.1"), Some(2)), "another client");
        assert_eq!(counts.clients(), 2);
        held.remove(2);
        held.remove(0);
        let mut again = counts.admit(None).unwrap();
        assert!(again.admit_client(ip("2001:db8::3"), Some(2)));
        drop((held, again));
        assert_eq!((counts.clients(), counts.total()), (0, 0));
    }

    #[test]
    fn a_limit_of_zero_admits_nobody_and_leaves_nothing_behind() {
        let counts = ConnectionCounts::new();
        assert!(!counts.admit(None).unwrap().admit_client(ip("192.0.2.1"), Some(0)));
        assert_eq!((counts.clients(), counts.total()), (0, 0));
    }

    #[test]
    fn a_lowered_limit_counts_those_that_came_before_it() {
        let counts = ConnectionCounts::new();
        let mut early = counts.admit(None).unwrap();
        assert!(early.admit_client(ip("192.0.2.1"), None));
        assert!(!counts.admit(None).unwrap().admit_client(ip("192.0.2.1"), Some(1)));
    }

    #[test]
    fn threads_never_exceed_the_limit() {
        let counts = ConnectionCounts::new();
        let admitted: Vec<Permit> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..100).filter_map(|_| counts.admit(Some(150))).collect()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| -> Vec<Permit> { thread.join().unwrap() })
                .collect()
        });
        assert_eq!(admitted.len(), 150);
    }
}
