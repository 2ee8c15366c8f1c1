//! Files in memory, for tests and for gateways that are configured by code.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use super::files::{FileSource, MATCH, Stamp, invalid_pattern, lexical, pattern_text};

/// Named texts that behave like files. Paths are taken as they are written; `.` and `..` count.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: RwLock<BTreeMap<PathBuf, Vec<u8>>>,
}

impl MemoryFiles {
    /// From path and content.
    pub fn new<P: Into<PathBuf>, B: Into<Vec<u8>>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Self {
        let files = files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect();
        Self { files: RwLock::new(files) }
    }

    /// Writes a file.
    pub fn write(&self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(path.into(), bytes.into());
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, path: &Path) {
        self.files.write().unwrap_or_else(PoisonError::into_inner).remove(path);
    }

    fn with<T>(&self, path: &Path, f: impl FnOnce(&Vec<u8>) -> T) -> io::Result<T> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.get(&lexical(path)).map(f).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileSource for MemoryFiles {
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.with(path, |bytes| Stamp {
            len: bytes.len() as u64,
            modified: None,
            taken: SystemTime::UNIX_EPOCH,
        })
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        self.with(path, |bytes| bytes[..bytes.len().min(limit)].to_vec())
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.with(path, |_| lexical(path))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern =
            glob::Pattern::new(pattern_text(&lexical(pattern))?).map_err(invalid_pattern)?;
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        Ok(files.keys().filter(|path| pattern.matches_path_with(path, MATCH)).cloned().collect())
    }
}
