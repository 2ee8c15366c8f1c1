//! The files of one load: their names, texts and digests, and places for spans.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::Place;
use crate::yaml::{Digest, FileId, Located, Span};

/// The longest line that a place carries along.
const LONGEST_LINE: usize = 4096;

/// A file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Its number.
    pub id: FileId,
    /// Its name as it was asked for; for people.
    pub name: Arc<str>,
    /// The same as a path; what stands in the file is relative to its directory.
    pub path: PathBuf,
    /// The path without links and dots, by which a file is recognised.
    pub canonical: PathBuf,
    /// The text; empty when the file is not UTF-8.
    pub text: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Byte offsets at which lines begin.
    pub(super) line_starts: Vec<u32>,
}

impl SourceFile {
    /// The directory to which paths in this file are relative.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }

    fn line(&self, line: u32) -> Option<&str> {
        let index = line.checked_sub(1)? as usize;
        let start = *self.line_starts.get(index)? as usize;
        let end = self.line_starts.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        let line = self.text.get(start..end)?.trim_end_matches(['\n', '\r']);
        (line.len() <= LONGEST_LINE).then_some(line)
    }
}

/// The files of one load, in the order in which they were read.
#[derive(Debug, Clone, Default)]
pub struct SourceMap {
    files: Vec<Arc<SourceFile>>,
    by_id: HashMap<FileId, usize>,
}

impl SourceMap {
    /// One more file; one that is there already is not added again.
    pub(super) fn add(&mut self, file: Arc<SourceFile>) {
        if !self.by_id.contains_key(&file.id) {
            self.by_id.insert(file.id, self.files.len());
            self.files.push(file);
        }
    }

    /// All files, the root first.
    #[must_use]
    pub fn files(&self) -> &[Arc<SourceFile>] {
        &self.files
    }

    /// The file with a number.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&Arc<SourceFile>> {
        self.files.get(*self.by_id.get(&id)?)
    }

    /// The position of a file in the order of loading; unknown ones come first.
    #[must_use]
    pub fn rank(&self, id: FileId) -> usize {
        self.by_id.get(&id).map_or(0, |index| index + 1)
    }

    /// File, line and column of a span, with the line's text.
    #[must_use]
    pub fn place(&self, span: Span) -> Option<Place> {
        let file = self.file(span.file)?;
        Some(Place {
            file: file.name.clone(),
            line: span.line,
            column: span.column,
            end_line: span.end_line,
            end_column: span.end_column,
            text: file.line(span.line).map(Arc::from),
        })
    }

    /// The directory of the file in which something stands; empty (the current one) for what
    /// comes from no file.
    #[must_use]
    pub fn directory(&self, span: Span) -> &Path {
        self.file(span.file).map_or(Path::new(""), |file| file.directory())
    }

    /// A path that stands in a config file: relative ones begin at that file's directory.
    #[must_use]
    pub fn resolve(&self, path: &Located<PathBuf>) -> PathBuf {
        self.directory(path.span()).join(path.value())
    }

    /// `file:line` of a span, without the text; for origins in `explain`.
    #[must_use]
    pub fn brief(&self, span: Span) -> Option<String> {
        let file = self.file(span.file)?;
        Some(format!("{}:{}", file.name, span.line))
    }
}
