//! Keeping releases on disk.

use super::report::Kept;
use paifang_config::{
    release::{ReleaseStore, StoreError},
    snapshot::{Cause, Snapshot},
    source::Origin,
};
use std::path::PathBuf;

/// Where this release is to be kept; `None` where it isn't.
pub(super) fn directory(told: Option<&PathBuf>, snapshot: &Snapshot) -> Option<PathBuf> {
    let configured = snapshot.config().releases.directory.as_ref();
    told.cloned().or_else(|| configured.map(|directory| snapshot.resolve(directory)))
}

/// Keeps a release on disk.
pub(super) fn keep(
    opened: &mut Option<ReleaseStore>,
    snapshot: &Snapshot,
    origin: &Origin,
    directory: Option<PathBuf>,
    pinned: Option<u64>,
) -> Result<Kept, StoreError> {
    let Some(directory) = directory else {
        *opened = None;
        return Ok(Kept::No);
    };
    let known = opened.take().filter(|store| store.directory() == directory);
    let store = match known {
        Some(store) => store,
        None => ReleaseStore::open(&directory)?,
    };
    let store = opened.insert(store);
    // A release that came from the store is there already, under its own number.
    let number = match snapshot.cause() {
        Cause::Recovery => store.last_good()?.unwrap_or(snapshot.number()),
        Cause::Rollback(number) => number,
        _ => {
            store.save(snapshot, origin)?;
            snapshot.number()
        }
    };
    store.mark_good(number)?;
    store.pin(pinned)?;
    store.prune(*snapshot.config().releases.keep as usize, number)?;
    Ok(Kept::As(number))
}
