//! Calls assigned to endpoints by a key: rendezvous hashing over a table of slots.
//!
//! A key falls into one of 65,536 slots. Every endpoint has a score for every slot, and the best one
//! owns the slot (highest random weight; with weights after Schindelhauer and Schomaker, 2005). So an
//! endpoint that leaves gives up its own slots only, one that comes takes only what it will own, and
//! both by weight. Who owns what is a matter of addresses and weights alone: all gateways and all
//! restarts agree. Where the owner cannot take a call, the scores of the others are compared at once:
//! the keys of one that is down spread over all others and come back to it afterwards.

use super::Entry;
use crate::upstream::endpoint::Endpoint;
use siphasher::sip::SipHasher13;
use std::{hash::Hasher, net::SocketAddr, sync::Arc};

/// How many slots there are.
const SLOTS: usize = 1 << 16;
/// The most endpoints of one table; those beyond own nothing and take what others leave.
const OWNERS: usize = u16::MAX as usize;

pub(super) struct Table {
    entries: Vec<Scored>,
    /// Which of `entries` owns a slot.
    owners: Vec<u16>,
}

struct Scored {
    entry: Entry,
    seed: u64,
}

impl Table {
    /// Assigns all slots. With the table before only those are looked at whose owner is gone, and
    /// for the others only whether a newcomer is better.
    pub(super) fn build(entries: Vec<Entry>, before: Option<&Self>) -> Self {
        let entries: Vec<Scored> = entries
            .into_iter()
            .map(|entry| Scored { seed: seed(entry.endpoint.address), entry })
            .collect();
        let indices: Vec<u16> = (0..entries.len().min(OWNERS) as u16).collect();
        let place = |old: &Scored| {
            let same = |new: &&u16| {
                let new = &entries[usize::from(**new)];
                (new.entry.endpoint.address, new.entry.weight)
                    == (old.entry.endpoint.address, old.entry.weight)
            };
            indices.iter().find(same).copied()
        };
        let old = before.map_or(&[][..], |before| &before.entries);
        let moved: Vec<Option<u16>> = old.iter().map(place).collect();
        let fresh: Vec<u16> =
            indices.iter().filter(|index| !moved.contains(&Some(**index))).copied().collect();
        let owner = |slot: usize| {
            let known = before.and_then(|before| moved.get(usize::from(before.owners[slot])));
            let (known, rivals) = match known {
                Some(Some(known)) => (Some(*known), &fresh),
                _ => (None, &indices),
            };
            let all = known.into_iter().chain(rivals.iter().copied());
            best(slot as u64, all.map(|index| (index, &entries[usize::from(index)]))).unwrap_or(0)
        };
        let owners = if indices.is_empty() { Vec::new() } else { (0..SLOTS).map(owner).collect() };
        Self { entries, owners }
    }

    /// The owner of the key's slot, or the next best that `takes` it. `takes` is told where in its own
    /// share of keys this one stands, from 0 to 65,535.
    pub(super) fn find(
        &self,
        key: u64,
        takes: impl Fn(&Endpoint, u16) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let slot = (key >> 48) as usize;
        let takes =
            |scored: &Scored| takes(&scored.entry.endpoint, (mix(key ^ scored.seed) >> 48) as u16);
        let owner = self.entries.get(usize::from(*self.owners.get(slot)?))?;
        if takes(owner) {
            return Some(&owner.entry.endpoint);
        }
        let others = self.entries.iter().filter(|scored| takes(scored));
        best(slot as u64, others.map(|scored| (&scored.entry.endpoint, scored)))
    }
}

/// The one with the best score.
fn best<'a, T>(slot: u64, all: impl Iterator<Item = (T, &'a Scored)>) -> Option<T> {
    let scored = all.map(|(item, scored)| (item, score(slot, scored)));
    // The first of equals, so that all come to the same.
    let best = scored.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(item, _)| item)
}

/// How much an endpoint wants a slot: the greater the weight, the greater on the average.
fn score(slot: u64, scored: &Scored) -> f64 {
    // 53 bits in the middle of their steps: above 0 and below 1.
    let bits = mix(slot.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ scored.seed) >> 11;
    let uniform = (bits as f64 + 0.5) / (1_u64 << 53) as f64;
    f64::from(scored.entry.weight) / -uniform.ln()
}

/// What an address is known by, here and in every other gateway.
fn seed(address: SocketAddr) -> u64 {
    let mut hasher = SipHasher13::new();
    match address.ip() {
        std::net::IpAddr::V4(ip) => hasher.write(&ip.octets()),
        std::net::IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.write(&address.port().to_be_bytes());
    hasher.finish()
}

/// Spreads bits evenly (the last steps of SplitMix64).
pub(super) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
