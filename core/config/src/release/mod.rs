//! Releases on disk: every snapshot that went live, with the files it was made of, so that the
//! last good one can start a gateway whose files are broken, and any kept one can be gone back to.
//!
//! ```text
//! <directory>/
//!   00000012/           one release; its name appears at once and whole, or not at all
//!     manifest.json
//!     files/0000 …      the YAML files, in the order in which they were read, then the modules
//!   last-good           number of the release that served last
//!   pinned              number of a release that was gone back to; absent otherwise
//! ```
//!
//! Secrets are never stored: files hold references, and so does a release. Nor are values of
//! `${…}`, certificates and keys: a release that is gone back to takes today's. Everything written
//! is flushed to disk before it gets its name, so a crash at any moment leaves the old state or the
//! new. One gateway owns a directory. All calls block on the file system.

mod files;
mod manifest;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

pub use files::ReleaseFiles;
pub use manifest::{Manifest, StoredFile};
pub use store::{Listed, Release, ReleaseStore};

/// Why something could not be kept or found. The gateway goes on serving and says so.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// There is no such release.
    #[error("there is no release {0}")]
    Missing(u64),
    /// There is one with that number already.
    #[error("there is a release {0} already")]
    Exists(u64),
    /// What is on disk is not what was written.
    #[error("release {number} is damaged: {why}")]
    Damaged {
        /// Its number.
        number: u64,
        /// In which way.
        why: String,
    },
}

impl StoreError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
