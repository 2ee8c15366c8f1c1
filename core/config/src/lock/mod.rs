//! `paifang lock`: the SHA-256 of every module, written into the config files in place.
//!
//! A file keeps its text but for the scalars that are written: `edit` puts each where it belongs
//! and proves that nothing else changed. The hash stands beside the `file` that it is of, in the
//! config, an included file or an overlay; only where a later overlay has a `sha256` of its own, it
//! is that one.

mod edit;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostics, Problem, Problems};
use crate::model::{Named, Wasm};
use crate::source::{Env, FileSource, Origin, ParseCache, SourceFile, Stamp};
use crate::yaml::{Budget, Digest, Node, parse};
use crate::{Loaded, load};
use edit::Refused;

/// A byte order mark, which the text of a file does not have any more.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The modules of a config.
#[derive(Debug)]
pub struct Locks {
    /// One for each `wasm` entry, in the order of the config.
    pub entries: Vec<Lock>,
    origin: Origin,
    loaded: Loaded,
}

/// A `wasm` entry, its file, and what is written of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The entry's name.
    pub name: Arc<str>,
    /// Where it is written, `file:line`.
    pub place: Option<String>,
    /// The module.
    pub file: PathBuf,
    /// The module's SHA-256.
    pub sha256: Digest,
    /// The one that is written, where there is one.
    pub written: Option<Digest>,
}

impl Lock {
    /// Whether the file is the one that is written down.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.written == Some(self.sha256)
    }
}

/// A file of the config with other bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub before: Vec<u8>,
    /// What is to be in it.
    pub after: Vec<u8>,
}

/// Looks at the modules of a config.
///
/// # Errors
/// What is wrong with the config, and modules that cannot be read.
pub fn find(origin: &Origin, env: Env<'_>, files: &dyn FileSource) -> Result<Locks, Diagnostics> {
    let loaded = load(origin, env, files, &mut ParseCache::new())?;
    let sources = &loaded.tree.sources;
    let mut problems = Problems::default();
    let mut entries = Vec::with_capacity(loaded.config.wasm.len());
    for ((name, entry), file) in loaded.config.wasm.iter().zip(&loaded.modules) {
        match file {
            Ok(file) => entries.push(Lock {
                name: name.as_arc().clone(),
                place: sources.brief(entry.span),
                file: file.path.clone(),
                sha256: file.sha256,
                written: entry.sha256.as_ref().map(|written| written.0),
            }),
            Err(problem) => problems.push(problem.clone()),
        }
    }
    problems.finish((), sources)?;
    Ok(Locks { entries, origin: origin.clone(), loaded })
}

impl Locks {
    /// The files that must change so that every entry holds; none where all do.
    ///
    /// # Errors
    /// Entries into which nothing can be written without changing something else.
    pub fn edits(&self, env: Env<'_>, files: &dyn FileSource) -> Result<Vec<Edit>, Diagnostics> {
        let sources = &self.loaded.tree.sources;
        let layers: Vec<Layer<'_>> = sources.files().iter().filter_map(|f| self.layer(f)).collect();
        let mut problems = Problems::default();
        let mut texts: BTreeMap<usize, String> = BTreeMap::new();
        for lock in self.entries.iter().filter(|lock| !lock.holds()) {
            let Some((entry, at)) = self.entry(lock).zip(target(&layers, &lock.name)) else {
                continue;
            };
            let layer = &layers[at];
            let text = texts.get(&at).map_or(layer.file.text.as_str(), String::as_str);
            match edit::write(layer.file.id, text, &lock.name, &lock.sha256.to_string()) {
                Ok(text) => {
                    texts.insert(at, text);
                }
                Err(refused) => problems.push(refuse(refused, lock, entry)),
            }
        }
        let mut edits = Vec::with_capacity(texts.len());
        for (at, text) in texts {
            match bytes(layers[at].file, text, files) {
                Ok(edit) => edits.push(edit),
                Err(why) => problems.push(Problem::new(self.loaded.config.root, why)),
            }
        }
        problems.finish((), sources)?;
        self.prove(&edits, env, files)?;
        Ok(edits)
    }

    fn entry(&self, lock: &Lock) -> Option<&Named<Wasm>> {
        self.loaded.config.wasm.get(&*lock.name)
    }

    fn layer<'a>(&self, file: &'a SourceFile) -> Option<Layer<'a>> {
        // Most files of a large config have none: not worth parsing again.
        if !file.text.contains("wasm") {
            return None;
        }
        let overlay = self.origin.overlays.iter().rposition(|path| *path == file.path);
        let root = parse(file.id, file.text.as_bytes(), &Budget::default()).ok()?;
        Some(Layer { rank: overlay.map_or(0, |at| at + 1), file, root })
    }

    /// Loads the config as it would be, and makes sure that every entry holds.
    fn prove(
        &self,
        edits: &[Edit],
        env: Env<'_>,
        files: &dyn FileSource,
    ) -> Result<(), Diagnostics> {
        let edited = Edited { edits, files };
        let again = find(&self.origin, env, &edited)?;
        let mut problems = Problems::default();
        for lock in &self.entries {
            let now = again.entries.iter().find(|now| now.name == lock.name);
            if now.is_none_or(|now| now.sha256 != lock.sha256 || !now.holds())
                && let Some(entry) = self.entry(lock)
            {
                problems.push(refuse(Refused::Nowhere, lock, entry));
            }
        }
        problems.finish((), &self.loaded.tree.sources)
    }
}

/// A file that says something of modules.
struct Layer<'a> {
    /// 0 for the config and what it includes, then the overlays in their order.
    rank: usize,
    file: &'a SourceFile,
    root: Node,
}

/// The file into which an entry's hash belongs.
fn target(layers: &[Layer<'_>], name: &str) -> Option<usize> {
    let last = |key: &str| {
        let with = layers.iter().enumerate().filter(|(_, layer)| {
            let entry = layer.root.get("wasm").and_then(|wasm| wasm.get(name));
            entry.is_some_and(|entry| entry.get(key).is_some())
        });
        with.max_by_key(|(_, layer)| layer.rank).map(|(at, layer)| (layer.rank, at))
    };
    match (last("file"), last("sha256")) {
        (Some((file, _)), Some((sha256, at))) if sha256 > file => Some(at),
        (Some((_, at)), _) => Some(at),
        (None, _) => None,
    }
}

fn refuse(refused: Refused, lock: &Lock, entry: &Wasm) -> Problem {
    let (name, sha256) = (&lock.name, lock.sha256);
    let written = entry.sha256.as_ref().map_or(entry.file.span(), |written| written.span());
    match refused {
        Refused::Variable => {
            Problem::new(written, format!("the `sha256` of `{name}` comes from a variable"))
                .help(format!("give it the value {sha256}"))
        }
        Refused::Nowhere => {
            let message = format!("the `sha256` of `{name}` cannot be written by a command");
            Problem::new(written, message).help(format!("write sha256: {sha256}"))
        }
    }
}

/// A file with another text; its byte order mark stays.
fn bytes(file: &SourceFile, text: String, files: &dyn FileSource) -> Result<Edit, String> {
    let shown = file.path.display();
    let before = files
        .read(&file.path, Budget::default().file_bytes)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    let marked = before.starts_with(MARK);
    if before.strip_prefix(MARK).unwrap_or(&before) != file.text.as_bytes() {
        return Err(format!("{shown} was changed meanwhile"));
    }
    let mark = if marked { MARK } else { &[] };
    Ok(Edit { path: file.path.clone(), before, after: [mark, text.as_bytes()].concat() })
}

/// Files as they would be.
struct Edited<'a> {
    edits: &'a [Edit],
    files: &'a dyn FileSource,
}

impl FileSource for Edited<'_> {
    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        self.files.stamp(path)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self.edits.iter().find(|edit| edit.path == path) {
            Some(edit) => Ok(edit.after.clone()),
            None => self.files.read(path, limit),
        }
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.files.canonical(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        self.files.glob(pattern)
    }
}
