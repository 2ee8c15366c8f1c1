//! Parsed files that live across reloads: a file that did not change is not parsed again.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files::{FileSource, Stamp};
use super::map::{SourceFile, SourceMap};
use crate::diag::Problem;
use crate::yaml::{Budget, Digest, FileId, Keys, Node, parse_with};

/// File systems count time in steps of up to two seconds. A file that was changed shortly before
/// its stamp was taken may change again without a new stamp, so its content is looked at.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// Parsed files by path.
#[derive(Debug, Default)]
pub struct ParseCache {
    files: HashMap<PathBuf, Cached>,
    next: u32,
    parsed: u64,
}

#[derive(Debug)]
struct Cached {
    stamp: Stamp,
    source: Arc<SourceFile>,
    keys: Keys,
    parsed: Result<Node, Problem>,
}

impl ParseCache {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many files have been parsed so far, by all loads together.
    #[must_use]
    pub const fn files_parsed(&self) -> u64 {
        self.parsed
    }

    /// The file, read and parsed only if it changed: another length, another time of change, and
    /// another content.
    pub(super) fn open(
        &mut self,
        path: &Path,
        files: &dyn FileSource,
        budget: &Budget,
        keys: Keys,
    ) -> io::Result<(Arc<SourceFile>, Result<Node, Problem>)> {
        let canonical = files.canonical(path)?;
        let stamp = files.stamp(path)?;
        let same = |known: &&Cached| known.source.path == path && known.keys == keys;
        let known = self.files.get(&canonical).filter(same);
        if let Some(known) = known
            && known.stamp.len == stamp.len
            && known.stamp.modified == stamp.modified
            && settled(&known.stamp)
        {
            return Ok((known.source.clone(), known.parsed.clone()));
        }
        let bytes = files.read(path, budget.file_bytes)?;
        let digest = Digest::of_bytes(&bytes);
        if let Some(known) = known
            && known.source.digest == digest
        {
            let answer = (known.source.clone(), known.parsed.clone());
            if let Some(known) = self.files.get_mut(&canonical) {
                known.stamp = stamp;
            }
            return Ok(answer);
        }
        let id = FileId(self.next);
        self.next = self.next.wrapping_add(1) % FileId::NONE.0;
        self.parsed += 1;
        let parsed = parse_with(id, &bytes, budget, keys);
        let source = Arc::new(source(id, path, canonical.clone(), bytes, digest));
        let answer = (source.clone(), parsed.clone());
        self.files.insert(canonical, Cached { stamp, source, keys, parsed });
        Ok(answer)
    }

    /// Forgets every file that the last load did not use.
    pub(super) fn keep_only(&mut self, used: &SourceMap) {
        let used: HashSet<&Path> =
            used.files().iter().map(|file| file.canonical.as_path()).collect();
        self.files.retain(|path, _| used.contains(path.as_path()));
    }
}

/// Whether the file was last changed long enough before its stamp was taken.
fn settled(stamp: &Stamp) -> bool {
    stamp.modified.is_some_and(|modified| {
        stamp.taken.duration_since(modified).is_ok_and(|age| age > CLOCK_STEP)
    })
}

impl SourceMap {
    /// A file that stands alone.
    pub(crate) fn alone(path: &Path, bytes: &[u8]) -> Self {
        let digest = Digest::of_bytes(bytes);
        let file = source(FileId(0), path, path.to_owned(), bytes.to_vec(), digest);
        let mut map = Self::default();
        map.add(Arc::new(file));
        map
    }
}

fn source(
    id: FileId,
    path: &Path,
    canonical: PathBuf,
    bytes: Vec<u8>,
    digest: Digest,
) -> SourceFile {
    let mut text = String::from_utf8(bytes).unwrap_or_default();
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    let line_starts = std::iter::once(0)
        .chain(ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)))
        .collect();
    SourceFile {
        id,
        name: path.to_string_lossy().into(),
        path: path.to_owned(),
        canonical,
        text,
        digest,
        line_starts,
    }
}
