//! Endpoints among which one is chosen.

use super::{Ask, Entry, round::round, table::Table};
use crate::upstream::{endpoint::Endpoint, spec::BalanceSpec};
use std::sync::Arc;

/// With so many endpoints or fewer all are compared for the least load; of more, two.
const SCANNED: usize = 16;

#[derive(Default)]
pub(super) struct Group {
    /// Those that may be used.
    entries: Vec<Entry>,
    /// Indices of `entries`: whose turn it is.
    order: Vec<u32>,
    /// Where calls are assigned: over all endpoints, usable or not.
    pub(super) table: Option<Arc<Table>>,
}

/// What is asked of an endpoint, from the most to the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Room for one more call, not tried by this one, not passed over, and not held back by its
    /// slow start.
    Warm,
    /// The like, slow start or not.
    Cold,
    /// Room, and not tried.
    PassedOver,
    /// Room.
    Tried,
}

/// What is looked for in one pass.
#[derive(Clone, Copy)]
pub(super) struct Search<'a> {
    pub(super) how: &'a BalanceSpec,
    pub(super) ask: &'a Ask,
    pub(super) pass: Pass,
}

impl Search<'_> {
    fn fits(&self, endpoint: &Endpoint) -> bool {
        let Self { ask, pass, .. } = *self;
        endpoint.has_room()
            && (pass == Pass::Tried || Some(endpoint.address) != ask.tried)
            && (matches!(pass, Pass::PassedOver | Pass::Tried) || !endpoint.passed_over(ask.now))
    }

    /// Slow starts are heeded.
    fn is_warm(&self) -> bool {
        self.pass == Pass::Warm
    }
}

impl Group {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let weights: Vec<u32> = entries.iter().map(|entry| entry.weight).collect();
        Self { order: round(&weights), entries, table: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The weight of those that may be used.
    pub(super) fn weight(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.weight)).sum()
    }

    pub(super) fn find(&self, turn: usize, search: Search<'_>) -> Option<&Arc<Endpoint>> {
        if self.order.is_empty() {
            return None;
        }
        let ask = search.ask;
        match (search.how, &self.table, ask.key) {
            (BalanceSpec::ConsistentHash(_), Some(table), Some(key)) => {
                table.find(key, |endpoint, share| {
                    endpoint.is_usable()
                        && search.fits(endpoint)
                        && (!search.is_warm() || endpoint.warmth.admits(ask.now, share))
                })
            }
            (BalanceSpec::LeastConnections, ..) => self.least(turn, search),
            _ => self.in_turn(turn, search).map(|entry| &entry.endpoint),
        }
    }

    fn at(&self, turn: usize) -> &Entry {
        &self.entries[self.order[turn % self.order.len()] as usize]
    }

    fn in_turn(&self, turn: usize, search: Search<'_>) -> Option<&Entry> {
        let turn = turn % self.order.len();
        (0..self.order.len()).map(|step| self.at(turn + step)).find(|entry| {
            search.fits(&entry.endpoint)
                && (!search.is_warm() || entry.endpoint.warmth.takes_turn(search.ask.now))
        })
    }

    /// The least loaded by its weight. Of equals the one whose turn it is, so that idle endpoints
    /// share by weight.
    fn least(&self, turn: usize, search: Search<'_>) -> Option<&Arc<Endpoint>> {
        let ask = search.ask;
        let first = self.in_turn(turn, search)?;
        let less = |entry: &Entry, than: &Entry| load(entry, ask, than) < load(than, ask, entry);
        if self.entries.len() > SCANNED {
            let other = self.at(super::table::mix(turn as u64) as usize);
            let better = search.fits(&other.endpoint) && less(other, first);
            return Some(if better { &other.endpoint } else { &first.endpoint });
        }
        let fitting = self.entries.iter().filter(|entry| search.fits(&entry.endpoint));
        let best = fitting.fold(first, |best, entry| if less(entry, best) { entry } else { best });
        Some(&best.endpoint)
    }
}

/// Calls at `entry`, as they count beside `other`: crosswise by weight, so that nothing is divided.
fn load(entry: &Entry, ask: &Ask, other: &Entry) -> u128 {
    let weight = u64::from(other.weight) * u64::from(other.endpoint.warmth.share(ask.now));
    u128::from(weight) * entry.endpoint.in_flight() as u128
}
