//! How many passwords are checked at once, over all steps of a gateway.
//!
//! A check is tens of milliseconds of a whole core, so it runs beside the threads that serve calls,
//! on half of the cores at most. Who finds too many waiting is refused.

use std::{sync::Arc, thread};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
};

/// Calls whose password is being checked or waits for it.
const MAX_WAITING: usize = 256;

/// The bound.
pub(super) struct Gate {
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// A call's place among those that wait; given back when dropped.
pub(super) struct Place {
    _held: OwnedSemaphorePermit,
}

/// A check did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("the check of a password broke off")]
pub(super) struct Broken;

impl Default for Gate {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::new(MAX_WAITING, (cores / 2).max(1))
    }
}

impl Gate {
    /// A gate with so many places, of which so many are checked at once.
    pub(super) fn new(places: usize, workers: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self { places: semaphore(places), workers: semaphore(workers) }
    }

    /// A place, unless all are taken.
    pub(super) fn enter(&self) -> Option<Place> {
        self.places.clone().try_acquire_owned().ok().map(|held| Place { _held: held })
    }

    /// Waits for its turn, and runs `check` unless `known` tells the answer by then.
    ///
    /// A check that has begun keeps its place and its turn until it ends, though nobody should wait
    /// for it any more: clients that go away make no room for others.
    pub(super) async fn check(
        &self,
        place: Place,
        known: impl FnOnce() -> Option<bool>,
        check: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<bool, Broken> {
        let turn = self.workers.clone().acquire_owned().await.map_err(|_| Broken)?;
        if let Some(known) = known() {
            return Ok(known);
        }
        let checked = task::spawn_blocking(move || {
            let right = check();
            drop((turn, place));
            right
        });
        checked.await.map_err(|_| Broken)
    }
}
