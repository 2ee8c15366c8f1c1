//! Where things lie in the source tree and under the target directory.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::failure::{Failure, Result};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it when it runs us; the build-time value serves a binary that is started by hand.
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// The target directory that all builds of a task share, so that dependencies are built once.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The workspace of the handlers for WebAssembly.
pub(crate) fn handlers() -> PathBuf {
    root().join("wasm-handlers")
}

/// A binary that cargo has built, e.g. `("debug", "paifang")`.
pub(crate) fn binary(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join(name)
}

/// An example program that cargo has built.
pub(crate) fn example(profile: &str, name: &str) -> PathBuf {
    target().join(profile).join("examples").join(name)
}

/// An empty directory under the target directory.
///
/// # Errors
/// When the old one cannot be removed or the new one not be made.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let dir = target().join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(|e| Failure::file(&dir, &e))?;
    }
    fs::create_dir_all(&dir).map_err(|e| Failure::file(&dir, &e))?;
    Ok(dir)
}

/// The manifests of the packages that live outside the workspace under `folder`, in name order.
pub(crate) fn manifests(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("Cargo.toml")))
        .filter(|manifest| manifest.is_file())
        .collect();
    found.sort();
    found
}

/// Writes a file whole.
///
/// # Errors
/// When the file system refuses.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Failure::file(path, &e))
}

/// Reads a file whole.
///
/// # Errors
/// When the file system refuses.
pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Failure::file(path, &e))
}
