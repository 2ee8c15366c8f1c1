//! From files to one tree: the root file, what it includes, the overlays over it, `${…}` filled in.
//!
//! 1. **Includes** (`compose`): every file adds to the whole, nothing overrides anything. Lists
//!    (`listeners`, `apis`) are appended in the order of the includes, patterns in sorted order;
//!    maps (`apps`, `upstreams`, `chains`, `plans`, `wasm`) are united, a name in two files is an error, and
//!    so is any other key in two files. Paths are relative to the file that includes.
//! 2. **Overlays** (`overlay`), in the order given: maps merge deep, `listeners` merge by `name`
//!    and `apis` by `id`, other lists and scalars replace, `null` removes.
//! 3. **Filling** (`fill`): `${NAME}` and `${NAME:-default}` in scalars, never in keys, `$${` for
//!    a literal `${`. It comes after the overlays, so that what they replaced needs no variable.
//! 4. **Embedding** (`embed`): `{ $include: FILE }` becomes the content of that file, as it stands
//!    there.
//!
//! Nothing here reads the process environment or a clock of its own: files come from a
//! [`FileSource`], variables from a function.

mod cache;
mod compose;
mod embed;
mod files;
mod fill;
mod map;
mod memory;
mod overlay;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cache::ParseCache;
pub use files::{FileSource, RealFiles, Stamp};
pub(crate) use files::{MATCH, invalid_pattern, lexical, pattern_text};
pub use map::{SourceFile, SourceMap};
pub use memory::MemoryFiles;
pub use overlay::merge;
pub use secret::{SecretSources, SecretsWithin};

use crate::diag::{Diagnostics, Problem, Problems};
use crate::yaml::{Budget, Keys, Node, Span};

/// Variables for `${NAME}` and `{ env: NAME }`: a name in, its value out.
pub type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Which files make up a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The root file.
    pub root: PathBuf,
    /// Overlays, the last one wins.
    pub overlays: Vec<PathBuf>,
}

/// The whole config as one tree, and the files it came from.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The files that it begins with.
    pub origin: Origin,
    /// The tree: includes composed, overlays merged, variables filled in, files embedded.
    pub root: Node,
    /// Every file that was read, the root first.
    pub sources: SourceMap,
    /// The variables that `${…}` asked for.
    pub variables: BTreeSet<String>,
    /// Directories in which a new file could match an `include`; for watchers.
    pub directories: BTreeSet<PathBuf>,
}

/// Reads all files of `origin` and makes one tree of them.
///
/// # Errors
/// Everything that keeps the files from being one tree: unreadable files, broken YAML, include
/// cycles, names in two files, variables that are not set, files that cannot be embedded.
pub fn load_tree(
    origin: &Origin,
    env: Env<'_>,
    files: &dyn FileSource,
    cache: &mut ParseCache,
    budget: &Budget,
) -> Result<Tree, Diagnostics> {
    let mut loading = Loading::new(files, cache, budget);
    let root = compose::root(&mut loading, &origin.root);
    let overlays: Vec<Node> = origin
        .overlays
        .iter()
        .filter_map(|path| loading.open(path, Span::NONE, Keys::Texts).map(|opened| opened.node))
        .collect();
    for over in &overlays {
        overlay::check(over, &mut loading.problems);
    }
    let mut variables = BTreeSet::new();
    let root = match root {
        Some(root) if loading.problems.is_empty() => {
            let merged = overlays.iter().fold(root, |base, over| overlay::merge_root(&base, over));
            let filled = fill::fill(&merged, env, &mut variables, &mut loading.problems);
            embed::embed(filled, &mut loading)
        }
        // What is wrong is told below.
        root => root.unwrap_or_else(|| Node::empty_map(Span::NONE)),
    };
    let Loading { sources, problems, directories, .. } = loading;
    cache.keep_only(&sources);
    let origin = origin.clone();
    problems
        .finish(Tree { origin, root, sources: sources.clone(), variables, directories }, &sources)
}

/// The state of one load.
struct Loading<'a> {
    files: &'a dyn FileSource,
    cache: &'a mut ParseCache,
    budget: &'a Budget,
    sources: SourceMap,
    problems: Problems,
    directories: BTreeSet<PathBuf>,
}

/// A file that was read and parsed.
struct Opened {
    file: Arc<SourceFile>,
    node: Node,
}

impl<'a> Loading<'a> {
    fn new(files: &'a dyn FileSource, cache: &'a mut ParseCache, budget: &'a Budget) -> Self {
        Self {
            files,
            cache,
            budget,
            sources: SourceMap::default(),
            problems: Problems::default(),
            directories: BTreeSet::new(),
        }
    }

    /// Reads and parses a file, or tells why not; `asked` is who named it.
    fn open(&mut self, path: &Path, asked: Span, keys: Keys) -> Option<Opened> {
        match self.cache.open(path, self.files, self.budget, keys) {
            Err(error) => {
                let shown = path.display();
                let message = match error.kind() {
                    std::io::ErrorKind::NotFound => format!("no such file: {shown}"),
                    _ => format!("cannot read {shown}: {error}"),
                };
                self.problems.push(Problem::new(asked, message));
                None
            }
            Ok((file, parsed)) => {
                self.sources.add(file.clone());
                match parsed {
                    Ok(node) => Some(Opened { file, node }),
                    Err(problem) => {
                        self.problems.push(problem);
                        None
                    }
                }
            }
        }
    }
}
