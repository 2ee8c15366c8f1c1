//! Which endpoint takes a call.
//!
//! ```text
//! Set -> Level (priority) -> Group (own zone, others) -> round | least | table
//! ```
//!
//! A [`Set`] is made when endpoints or their health change and swapped as a whole. A call reads it, and
//! counters of endpoints, without a lock and without allocating. See
//! `docs/adr/0010-choosing-an-endpoint.md`.

mod group;
mod key;
mod level;
mod round;
mod table;

use super::{endpoint::Endpoint, limits::InFlight, members::Listed, spec::BalanceSpec};
use arc_swap::ArcSwap;
use group::{Pass, Search};
use level::Level;
use paifang_pipeline::ports::Nanos;
use parking_lot::Mutex;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use table::Table;

/// Chooses endpoints.
pub(super) struct Balance {
    how: BalanceSpec,
    set: ArcSwap<Set>,
    turn: AtomicUsize,
    /// Tables of the present set by priority, from which the next are made.
    tables: Mutex<Vec<(u32, Arc<Table>)>>,
}

/// The endpoints of one moment, the most preferred level first.
#[derive(Default)]
struct Set {
    levels: Vec<Level>,
}

/// An endpoint that may take calls, and its share.
#[derive(Clone)]
struct Entry {
    endpoint: Arc<Endpoint>,
    weight: u32,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask {
    pub(super) now: Nanos,
    /// Where the attempt before went.
    pub(super) tried: Option<SocketAddr>,
    /// What the call is assigned by, where there is such a thing.
    pub(super) key: Option<u64>,
}

/// Why there is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nobody {
    /// None may be used.
    Usable,
    /// All that may be used have as many calls as they may.
    Room,
}

impl Balance {
    pub(super) fn new(how: BalanceSpec) -> Self {
        Self { how, set: ArcSwap::default(), turn: AtomicUsize::new(0), tables: Mutex::default() }
    }

    /// Uses these endpoints from here on. `all` are those that there are; of them only the usable
    /// ones get calls. `zones` are the gateway's own and the share of its weight, in thousandths,
    /// that must be usable to keep all calls in it.
    pub(super) fn set(&self, all: &[Listed], zones: Option<(&str, u32)>) {
        let mut priorities: Vec<u32> = all.iter().map(|listed| listed.priority).collect();
        priorities.sort_unstable();
        priorities.dedup();
        let hashed = matches!(self.how, BalanceSpec::ConsistentHash(_));
        // A call's key says where it goes, whatever the zone.
        let zones = zones.filter(|_| !hashed);
        let mut before = self.tables.lock();
        let mut tables = Vec::new();
        let mut levels = Vec::new();
        for priority in priorities {
            let here: Vec<&Listed> = all
                .iter()
                .filter(|listed| listed.priority == priority && listed.weight > 0)
                .collect();
            let mut level = Level::of(&here, zones);
            if hashed {
                let old = before.iter().find(|(of, _)| *of == priority).map(|(_, table)| table);
                let entries = here.iter().map(|listed| Entry::of(listed)).collect();
                let table = Arc::new(Table::build(entries, old.map(|table| &**table)));
                level.near.table = Some(Arc::clone(&table));
                tables.push((priority, table));
            }
            if !level.is_empty() {
                levels.push(level);
            }
        }
        *before = tables;
        self.set.store(Arc::new(Set { levels }));
    }

    /// What a call with this head is assigned by.
    pub(super) fn key(
        &self,
        head: &paifang_pipeline::RequestHead,
        call: Option<&paifang_pipeline::Exchange>,
    ) -> Option<u64> {
        match &self.how {
            BalanceSpec::ConsistentHash(by) => key::of(by, head, call),
            BalanceSpec::RoundRobin | BalanceSpec::LeastConnections => None,
        }
    }

    /// Chooses an endpoint and counts the attempt there. One that could not be connected to a
    /// moment ago, or that this call has tried already, is taken only where there is no other.
    pub(super) fn choose(&self, ask: &Ask) -> Result<InFlight, Nobody> {
        let set = self.set.load();
        let turn = self.turn.fetch_add(1, Relaxed);
        loop {
            let endpoint = set.find(&self.how, turn, ask)?;
            // Without room, another call was faster: it is seen to be full the next time.
            if let Some(taken) = InFlight::take(endpoint) {
                return Ok(taken);
            }
        }
    }
}

impl Set {
    fn find(&self, how: &BalanceSpec, turn: usize, ask: &Ask) -> Result<&Arc<Endpoint>, Nobody> {
        for level in &self.levels {
            for pass in [Pass::Warm, Pass::Cold] {
                if let Some(found) = level.find(turn, Search { how, ask, pass }) {
                    return Ok(found);
                }
            }
        }
        for pass in [Pass::PassedOver, Pass::Tried] {
            for level in &self.levels {
                if let Some(found) = level.find(turn, Search { how, ask, pass }) {
                    return Ok(found);
                }
            }
        }
        Err(if self.levels.is_empty() { Nobody::Usable } else { Nobody::Room })
    }
}

impl Entry {
    fn of(listed: &Listed) -> Self {
        Self { endpoint: Arc::clone(&listed.endpoint), weight: listed.weight }
    }
}
