//! What a release says about itself.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::snapshot::{Cause, PlanOn, Snapshot};
use crate::source::{Origin, lexical};
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
    /// Every YAML file, then every module.
    pub files: Vec<StoredFile>,
    /// The plans that are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<PlanOn>,
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

/// The files of a release by path, in the order in which they are stored: YAML without its byte
/// order marks, and each module once, however many entries name it.
pub(super) fn contents(snapshot: &Snapshot) -> impl Iterator<Item = (&Path, &[u8])> {
    let files = snapshot.sources().files().iter();
    let yaml = files.map(|file| (file.path.as_path(), file.text.as_bytes()));
    let mut seen = HashSet::new();
    let modules = snapshot.modules().filter_map(move |(_, module)| {
        seen.insert(lexical(&module.file)).then_some((module.file.as_path(), &*module.bytes))
    });
    yaml.chain(modules)
}

impl Manifest {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let origin = &snapshot.tree().origin;
        let files = snapshot.sources().files();
        let base = files.first().and_then(|root| root.canonical.parent()).map(PathBuf::from);
        let since = snapshot.time().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: 1,
            number: snapshot.number(),
            hash: snapshot.hash().to_string(),
            time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            cause: snapshot.cause().clone(),
            root: origin.root.clone(),
            base: base.unwrap_or_default(),
            overlays: origin.overlays.clone(),
            files: contents(snapshot)
                .map(|(path, bytes)| StoredFile {
                    path: path.to_owned(),
                    digest: Digest::of_bytes(bytes).to_string(),
                })
                .collect(),
            plans: snapshot.plans().to_vec(),
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
