//! Keeping releases on disk, in a directory that belongs to one gateway at a time.

use super::{ReleaseError, report::Kept};
use paifang_config::{
    release::ReleaseStore,
    snapshot::{Cause, Snapshot},
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The file whose lock says that the directory is in use. The lock goes with the process, however
/// it ends; the file stays and holds nothing.
const LOCK: &str = ".lock";

/// A release directory that no other gateway writes to.
#[derive(Debug)]
pub(super) struct Keeping {
    store: ReleaseStore,
    lock: Option<File>,
}

impl Keeping {
    /// Opens a directory, making it if need be. `handed` is the lock that the process before had: it is
    /// ours, too, where it is that of this directory.
    ///
    /// # Errors
    /// When another gateway uses it, or it cannot be made or read.
    pub(super) fn open(directory: &Path, handed: Option<&File>) -> Result<Self, ReleaseError> {
        if !directory.is_dir() {
            ReleaseStore::open(directory)?;
        }
        // Opening clears away what looks unfinished: only whoever holds the lock may do so.
        let lock = lock(directory, handed)?;
        Ok(Self { store: ReleaseStore::open(directory)?, lock })
    }

    /// The lock, for the process that takes this one's place.
    pub(super) fn lock_to_hand_over(&self) -> Option<(PathBuf, File)> {
        // A copy is the same lock: it holds until the last one is closed.
        let copy = self.lock.as_ref()?.try_clone().ok()?;
        Some((self.store.directory().to_owned(), copy))
    }

    /// The releases in it.
    pub(super) fn store(&self) -> &ReleaseStore {
        &self.store
    }

    fn save(&self, snapshot: &Snapshot, pinned: Option<u64>) -> Done {
        let store = &self.store;
        // A release that came from the store is there already, under its own number.
        let number = match snapshot.cause() {
            Cause::Recovery => store.last_good()?.unwrap_or(snapshot.number()),
            Cause::Rollback(number) => *number,
            _ => {
                store.save(snapshot)?;
                snapshot.number()
            }
        };
        store.mark_good(number)?;
        store.pin(pinned)?;
        store.prune(*snapshot.config().releases.keep as usize, number)?;
        Ok(Kept::As(number))
    }
}

type Done = Result<Kept, ReleaseError>;

/// Takes the lock of a directory; `None` where there can be none: on a read-only file system
/// nothing can be written anyway.
fn lock(directory: &Path, handed: Option<&File>) -> Result<Option<File>, ReleaseError> {
    let path = directory.join(LOCK);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the release directory is not locked");
            return Ok(None);
        }
    };
    if let Some(handed) = handed
        && is_same(&file, handed)
        && let Ok(copy) = handed.try_clone()
    {
        return Ok(Some(copy));
    }
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            Err(ReleaseError::DirectoryInUse { directory: directory.to_owned() })
        }
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "the release directory is not locked");
            Ok(None)
        }
    }
}

/// Whether two descriptors are one file.
fn is_same(one: &File, other: &File) -> bool {
    let place = |file: &File| file.metadata().map(|known| (known.dev(), known.ino())).ok();
    place(one).is_some_and(|one| place(other) == Some(one))
}

/// Where this release is to be kept; `None` where it isn't.
pub(super) fn directory(told: Option<&PathBuf>, snapshot: &Snapshot) -> Option<PathBuf> {
    let configured = snapshot.config().releases.directory.as_ref();
    told.cloned().or_else(|| configured.map(|directory| snapshot.resolve(directory)))
}

/// Keeps a release on disk, in the directory that is held already where it is the same. Gives what
/// is held from now on. Blocks.
pub(super) fn keep(
    held: Option<Keeping>,
    snapshot: &Snapshot,
    directory: Option<PathBuf>,
    pinned: Option<u64>,
) -> (Option<Keeping>, Result<Kept, ReleaseError>) {
    let Some(directory) = directory else { return (None, Ok(Kept::No)) };
    let keeping = match held.filter(|held| held.store.directory() == directory) {
        Some(held) => held,
        None => match Keeping::open(&directory, None) {
            Ok(opened) => opened,
            Err(failed) => return (None, Err(failed)),
        },
    };
    let kept = keeping.save(snapshot, pinned);
    (Some(keeping), kept)
}
