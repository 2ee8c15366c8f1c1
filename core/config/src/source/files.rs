//! Where files come from.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// What tells cheaply whether a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub len: u64,
    /// Last change; `None` where it is not known, then the content is always looked at.
    pub modified: Option<SystemTime>,
    /// When this stamp was taken.
    pub taken: SystemTime,
}

/// Files by path. The real file system, a release on disk, or memory in tests.
pub trait FileSource: Send + Sync {
    /// The stamp of a file.
    ///
    /// # Errors
    /// As the file system says.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// The bytes of a file, at most `limit` and one more (so that the caller sees the excess).
    ///
    /// # Errors
    /// As the file system says.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// The path without links and dots.
    ///
    /// # Errors
    /// As the file system says; `NotFound` when there is no such file.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// The files that match a pattern (`*`, `?`, `[…]`, `**`), sorted by path.
    ///
    /// # Errors
    /// When the pattern is not one (`InvalidInput`), or a directory cannot be read.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

impl FileSource for RealFiles {
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let taken = SystemTime::now();
        let meta = fs::metadata(path)?;
        if meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        Ok(Stamp { len: meta.len(), modified: meta.modified().ok(), taken })
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        // A pipe or device could block or never end.
        let file = fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
        }
        let mut bytes = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let text = pattern_text(pattern)?;
        let paths = glob::glob_with(text, MATCH).map_err(invalid_pattern)?;
        let mut found = Vec::new();
        for path in paths {
            let path = path.map_err(io::Error::from)?;
            if !path.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }
}

/// `*` does not cross `/`, and hidden files must be named.
pub(crate) const MATCH: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

pub(crate) fn pattern_text(pattern: &Path) -> io::Result<&str> {
    pattern
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is not UTF-8"))
}

pub(crate) fn invalid_pattern(error: glob::PatternError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not a pattern: {error}"))
}

/// The path without `.` and with `..` resolved by its text alone.
pub(crate) fn lexical(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}
