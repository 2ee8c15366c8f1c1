//! From files to a checked config, without the plugins.

use crate::check;
use crate::diag::{Diagnostics, Problems};
use crate::model::Config;
use crate::module::{self, ModuleFiles};
use crate::source::{Env, FileSource, Origin, ParseCache, Tree, load_tree};
use crate::yaml::Budget;

/// A config that was read and holds together.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The tree it was read from, and the files of the tree.
    pub tree: Tree,
    /// The files of its `wasm` entries, in their order.
    pub(crate) modules: ModuleFiles,
}

/// Reads a config and checks everything that needs no plugin. Modules of `wasm` entries are read
/// too; what is wrong with them is told when they are compiled. Files that did not change since
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
    let config = problems.finish(config, &tree.sources)?;
    let modules = module::read_all(&config, &tree.sources, files);
    Ok(Loaded { config, tree, modules })
}
