//! What a release says about itself.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::snapshot::{Cause, Snapshot};
use crate::source::Origin;
use crate::yaml::Digest;

/// A release, described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this description: 1.
    pub format: u32,
    /// The release's number.
    pub number: u64,
    /// The digest of the whole config, variables filled in, in hex.
    pub hash: String,
    /// When it was made, in milliseconds since 1970.
    pub time_ms: u64,
    /// Why it was made.
    pub cause: Cause,
    /// The root file, as it was named.
    pub root: PathBuf,
    /// The root file's directory at that time, absolute; where relative paths of secrets and
    /// certificates begin.
    pub base: PathBuf,
    /// Overlays, as they were named.
    pub overlays: Vec<PathBuf>,
    /// Every YAML file.
    pub files: Vec<StoredFile>,
    /// Variables that `${…}` asked for; their values are not kept.
    pub variables: Vec<String>,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its path as it was named.
    pub path: PathBuf,
    /// SHA-256 of what is stored, in hex.
    pub digest: String,
}

impl Manifest {
    pub(super) fn of(snapshot: &Snapshot, origin: &Origin) -> Self {
        let files = snapshot.sources().files();
        let base = files.first().and_then(|root| root.canonical.parent()).map(PathBuf::from);
        let since = snapshot.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: 1,
            number: snapshot.number(),
            hash: snapshot.hash().to_string(),
            time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            cause: snapshot.cause(),
            root: origin.root.clone(),
            base: base.unwrap_or_default(),
            overlays: origin.overlays.clone(),
            files: files
                .iter()
                .map(|file| StoredFile {
                    path: file.path.clone(),
                    digest: Digest::of_bytes(file.text.as_bytes()).to_string(),
                })
                .collect(),
            variables: snapshot.tree().variables.iter().cloned().collect(),
        }
    }

    /// When it was made.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.time_ms)
    }

    /// The files to load it from, by the names they had.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin { root: self.root.clone(), overlays: self.overlays.clone() }
    }
}
