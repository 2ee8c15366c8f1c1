//! Handlers in WebAssembly: from the files of `wasm` entries to plugins, by a host that this crate
//! does not know.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use paifang_pipeline::{ConfigError, DynPlugin};

use super::{Context, ServedStores, words};
use crate::diag::{Problem, Problems};
use crate::model::{Config, Named, Wasm};
use crate::module::{ModuleFile, ModuleFiles, unlocked};
use crate::yaml::Digest;

#[cfg(test)]
mod tests;

/// A host of modules: makes plugins of them. The port to whatever runs WebAssembly.
pub trait Modules: Send + Sync {
    /// Makes a plugin of a module. It is pure but for the time that it takes, and it is done once
    /// for all steps of the entry, and again only when the file or a key that means something for
    /// the plugin changed; `file` and `sha256` do not.
    ///
    /// # Errors
    /// What is wrong with the module or its entry. The pointer leads into the entry: `/file`,
    /// `/grants/0`, `/limits/memory`; empty for the whole.
    fn load(
        &self,
        name: &str,
        entry: &Wasm,
        bytes: &[u8],
    ) -> Result<Arc<dyn DynPlugin>, ConfigError>;
}

/// A `wasm` entry of a snapshot.
pub struct ServedModule {
    /// What makes its steps.
    pub plugin: Arc<dyn DynPlugin>,
    /// The path of its file, as far as it can be opened from where the process runs.
    pub file: PathBuf,
    /// The SHA-256 of the file.
    pub sha256: Digest,
    /// The file.
    pub(crate) bytes: Arc<[u8]>,
    /// Digest of everything it was made of.
    pub(crate) key: Digest,
}

/// The modules of a snapshot, by name.
pub(crate) type ServedModules = IndexMap<Arc<str>, Arc<ServedModule>>;

/// Loads every module, or takes it over from the previous snapshot. What cannot be loaded is
/// missing in the answer, and told.
pub(super) fn build(
    config: &Config,
    files: ModuleFiles,
    stores: &ServedStores,
    context: &Context<'_>,
    problems: &mut Problems,
) -> ServedModules {
    let mut all = ServedModules::with_capacity(config.wasm.len());
    for ((name, entry), file) in config.wasm.iter().zip(files) {
        match one(name, entry, file, stores, context) {
            Ok(module) => {
                all.insert(name.as_arc().clone(), Arc::new(module));
            }
            Err(problem) => problems.push(problem),
        }
    }
    all
}

fn one(
    name: &str,
    entry: &Named<Wasm>,
    file: Result<ModuleFile, Problem>,
    stores: &ServedStores,
    context: &Context<'_>,
) -> Result<ServedModule, Problem> {
    if context.registry.get(name).is_some() {
        let message = format!("there is a native handler `{name}` already");
        return Err(Problem::new(entry.span, message).help("give this one another name"));
    }
    let Some(host) = context.modules else {
        let message = format!("the handler `{name}` cannot run: this build has no WASM host");
        let help = "remove the entry and the steps that use it";
        return Err(Problem::new(entry.span, message).help(help));
    };
    let file = file?;
    if let Some(problem) = unlocked(entry, &file) {
        return Err(problem);
    }
    let key = key(entry, &file, stores);
    let before = context.previous.and_then(|previous| previous.module(name));
    let plugin = match before.filter(|before| before.key == key) {
        Some(before) => before.plugin.clone(),
        None => host
            .load(name, entry, &file.bytes)
            .map_err(|error| words::problem(&error, &entry.node, entry.span))?,
    };
    // Releases that are alike hold the file once.
    let same = before.filter(|before| before.sha256 == file.sha256);
    let bytes = same.map_or(file.bytes, |before| before.bytes.clone());
    Ok(ServedModule { plugin, file: file.path, sha256: file.sha256, bytes, key })
}

/// What the plugin is made of: the file's content, and the keys that a host reads. Where the file
/// is, and whether it is locked, makes no other handler.
fn key(entry: &Wasm, file: &ModuleFile, stores: &ServedStores) -> Digest {
    let Wasm { file: _, sha256: _, reuse, grants, store, protects: _, limits, breaker } = entry;
    // Maps with text keys and numbers always have a text.
    let text = serde_json::to_vec(&(reuse, grants, store, limits, breaker)).unwrap_or_default();
    // Another connection to the store makes other values of it.
    let store = store.as_ref().and_then(|name| stores.get(&***name)).map(|served| served.key);
    let store = store.unwrap_or_default();
    Digest::all([&Digest::of_bytes(b"wasm"), &Digest::of_bytes(&text), &file.sha256, &store])
}

impl fmt::Debug for ServedModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.file.display(), self.sha256.short())
    }
}
