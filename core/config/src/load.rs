//! From files to a checked config, without the plugins.

use crate::check;
use crate::diag::{Diagnostics, Problems};
use crate::model::Config;
use crate::source::{Env, FileSource, Origin, ParseCache, Tree, load_tree};
use crate::yaml::Budget;

/// A config that was read and holds together.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The tree it was read from, and the files of the tree.
    pub tree: Tree,
}

/// Reads a config and checks everything that needs no plugin. Files that did not change since
/// the last load with the same cache are not parsed again.
///
/// # Errors
/// Everything that is wrong. When the files do not make one tree, that is told first; the rest
/// can only be looked at afterwards.
pub fn load(
    origin: &Origin,
    env: Env<'_>,
    files: &dyn FileSource,
    cache: &mut ParseCache,
) -> Result<Loaded, Diagnostics> {
    let tree = load_tree(origin, env, files, cache, &Budget::default())?;
    let mut problems = Problems::default();
    let config = Config::read(&tree.root, &mut problems);
    check::check(&config, &mut problems);
    problems.finish(config, &tree.sources).map(|config| Loaded { config, tree })
}
