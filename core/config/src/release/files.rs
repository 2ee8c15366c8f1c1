//! A release's files as a place to load a config from.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Manifest;
use super::manifest::contents;
use crate::snapshot::Snapshot;
use crate::source::{FileSource, MATCH, Stamp, invalid_pattern, lexical, pattern_text};

/// The YAML files and modules of a release by the names they had, and beneath them today's files, for what a
/// release refers to: secrets, certificates.
pub struct ReleaseFiles<'a> {
    stored: BTreeMap<PathBuf, Vec<u8>>,
    /// Directory of the root file: as it was named, and absolute.
    from: PathBuf,
    base: PathBuf,
    beneath: &'a dyn FileSource,
}

impl<'a> ReleaseFiles<'a> {
    pub(super) fn new(
        manifest: &Manifest,
        contents: impl IntoIterator<Item = Vec<u8>>,
        beneath: &'a dyn FileSource,
    ) -> Self {
        let paths = manifest.files.iter().map(|file| lexical(&file.path));
        let root = lexical(&manifest.root);
        Self {
            stored: paths.zip(contents).collect(),
            from: root.parent().map(PathBuf::from).unwrap_or_default(),
            base: manifest.base.clone(),
            beneath,
        }
    }

    /// The files that a snapshot was made of, as they were when it was.
    #[must_use]
    pub fn of(snapshot: &Snapshot, beneath: &'a dyn FileSource) -> Self {
        let contents = contents(snapshot).map(|(_, bytes)| bytes.to_vec());
        Self::new(&Manifest::of(snapshot), contents, beneath)
    }

    /// Where a file that is not stored is today, whatever directory the process runs in now.
    fn today(&self, path: &Path) -> PathBuf {
        let path = lexical(path);
        match path.strip_prefix(&self.from) {
            Ok(rest) if path.is_relative() => self.base.join(rest),
            _ => path,
        }
    }
}

impl FileSource for ReleaseFiles<'_> {
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        match self.stored.get(&lexical(path)) {
            Some(bytes) => {
                Ok(Stamp { len: bytes.len() as u64, modified: None, taken: SystemTime::UNIX_EPOCH })
            }
            None => self.beneath.stamp(&self.today(path)),
        }
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.stored.get(&lexical(path)) {
            Some(bytes) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
                Ok(bytes[..bytes.len().min(limit)].to_vec())
            }
            None => self.beneath.read(&self.today(path), limit),
        }
    }

    /// A stored file is where it was; one that was not stored is not part of the release, so an
    /// `include` cannot find it.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        match self.stored.contains_key(&lexical(path)) {
            true => Ok(self.today(path)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = lexical(pattern);
        let pattern = glob::Pattern::new(pattern_text(&pattern)?).map_err(invalid_pattern)?;
        let paths = self.stored.keys();
        Ok(paths.filter(|path| pattern.matches_path_with(path, MATCH)).cloned().collect())
    }
}
