//! Kept answers (RFC 9111): a shared cache between an API's chain and its upstream.
//!
//! ```text
//! Engine -> CachedOrigin (Origin) -> key -> Shelf ── fresh ──────────────────> client
//!                                             │ stale, none
//!                                             └─> Flights ─ first one ─> Upstream ─ Fill ─> Shelf, client
//!                                                    └ others wait for it, and look again
//! ```
//!
//! Steps of the chain see every call, kept answer or not: auth, limits and changes of heads come before
//! and after. `policy` says what may be kept and for how long, by a library that follows the RFC;
//! `key` what tells answers apart; `marks` what has been purged or overtaken by a change;
//! `conditional` answers `If-None-Match` and `Range` from what is kept.
//!
//! What this adds to the RFC is on the safe side: what a key does not count is not sent upstream
//! (parameters, cookies), requests with credentials get only answers that say that they are for
//! everybody, and answers that set cookies are not kept.

mod call;
mod conditional;
mod fill;
mod flights;
mod hit;
mod key;
mod marks;
mod origin;
mod policy;
mod purge;
mod rules;
mod shelf;
mod stats;
mod stored;
mod variants;

#[cfg(test)]
mod tests;

pub(crate) use origin::CachedOrigin;
pub(crate) use purge::Purge;
pub(crate) use rules::Rules;

use flights::Flights;
use marks::Marks;
use paifang_pipeline::ports::{Clock, Spawn};
use parking_lot::Mutex;
use shelf::Shelf;
use stats::ApiCounts;
use std::{collections::BTreeMap, sync::Arc};

/// All that one gateway keeps, over all its releases.
pub(crate) struct Cache {
    shelf: Shelf,
    marks: Marks,
    flights: Flights,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    /// What has been counted, by API.
    counts: Mutex<BTreeMap<Arc<str>, Arc<ApiCounts>>>,
}

/// An API's part in it.
#[derive(Clone)]
pub(crate) struct ApiCache {
    pub(crate) cache: Arc<Cache>,
    /// How its answers are kept. `None` where they are not: then its calls only put an end to
    /// answers that they make untrue (RFC 9111, section 4.4).
    pub(crate) rules: Option<Arc<Rules>>,
}

impl Cache {
    /// An empty one. `bytes` are what everything in it may take.
    pub(crate) fn new(bytes: u64, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Arc<Self> {
        Arc::new(Self {
            shelf: Shelf::new(bytes),
            marks: Marks::default(),
            flights: Flights::default(),
            clock,
            spawn,
            counts: Mutex::default(),
        })
    }

    /// Changes what everything in it may take. What is too much goes at once.
    pub(crate) fn resize(&self, bytes: u64) {
        self.shelf.resize(bytes);
    }

    /// The counters of an API, which outlive releases.
    fn counts(&self, api: &Arc<str>) -> Arc<ApiCounts> {
        self.counts.lock().entry(api.clone()).or_default().clone()
    }
}
