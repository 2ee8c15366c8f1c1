//! Which package is built, by what cargo says of it.

use super::{toolchain::Toolchain, wrong};
use crate::cli::Failed;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The package of a handler.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    /// Where the compiler puts the module.
    pub(super) module: PathBuf,
    /// The folder of its workspace; its own where it is in none.
    pub(super) workspace: PathBuf,
}

/// A package's folder, absolute.
///
/// # Errors
/// There is no package.
pub(super) fn folder(named: &Path) -> Result<PathBuf, Failed> {
    let folder = named.canonicalize().map_err(|why| wrong(named, why))?;
    if folder.join("Cargo.toml").is_file() {
        return Ok(folder);
    }
    Err(wrong(named, "no Cargo.toml is there; `paifang handler new NAME` makes a package"))
}

/// Asks cargo about the package in a folder. Nothing is fetched.
///
/// # Errors
/// What cargo says, or that it makes no handler.
pub(super) fn package(folder: &Path, toolchain: &Toolchain) -> Result<Package, Failed> {
    let mut cargo = super::compile::cargo(folder, toolchain);
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.output().map_err(|why| Failed::Said(format!("cargo: {why}")))?;
    if !output.status.success() {
        return Err(Failed::Said(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let metadata = serde_json::from_slice(&output.stdout)
        .map_err(|why| Failed::Said(format!("cargo metadata: {why}")))?;
    of(&metadata, &folder.join("Cargo.toml")).map_err(|why| wrong(folder, why))
}

fn of(metadata: &Value, manifest: &Path) -> Result<Package, String> {
    let list = |of: &'_ Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let packages = list(metadata, "packages");
    let here =
        |package: &&Value| package["manifest_path"].as_str().map(Path::new) == Some(manifest);
    let Some(package) = packages.iter().find(here) else {
        let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
        let names: Vec<String> = packages.iter().map(name).collect();
        return Err(format!(
            "a workspace, and no package itself; name the folder of one: {}",
            names.join(", ")
        ));
    };
    let targets = list(package, "targets");
    let text = |of: &Value, key: &str| of[key].as_str().map(str::to_owned);
    let library = targets.iter().find(|of| list(of, "crate_types").contains(&"cdylib".into()));
    let library = library.and_then(|library| text(library, "name"));
    let (Some(name), Some(library), Some(target), Some(workspace)) = (
        text(package, "name"),
        library,
        text(metadata, "target_directory"),
        text(metadata, "workspace_root"),
    ) else {
        return Err("it makes no module. In its Cargo.toml there must be:\n  [lib]\n  \
                    crate-type = [\"cdylib\", \"rlib\"]"
            .to_owned());
    };
    let file = format!("{}.wasm", library.replace('-', "_"));
    let module = Path::new(&target).join(super::toolchain::TARGET).join("release").join(file);
    Ok(Package { name, module, workspace: workspace.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(types: &[&str]) -> Value {
        json!({
            "target_directory": "/t",
            "workspace_root": "/w",
            "packages": [
                { "name": "kit", "manifest_path": "/w/kit/Cargo.toml", "targets": [] },
                {
                    "name": "a-b",
                    "manifest_path": "/w/a-b/Cargo.toml",
                    "targets": [
                        { "name": "tool", "crate_types": ["bin"] },
                        { "name": "a_b", "crate_types": types },
                    ],
                },
            ],
        })
    }

    #[test]
    fn the_module_is_where_the_library_s_name_says() {
        let found = of(&metadata(&["cdylib", "rlib"]), Path::new("/w/a-b/Cargo.toml"));
        let module = PathBuf::from("/t/wasm32-unknown-unknown/release/a_b.wasm");
        assert_eq!(found, Ok(Package { name: "a-b".into(), module, workspace: "/w".into() }));
    }

    #[test]
    fn what_makes_no_module_says_what_is_missing() {
        let none = of(&metadata(&["lib"]), Path::new("/w/a-b/Cargo.toml")).unwrap_err();
        assert!(none.contains("crate-type = [\"cdylib\", \"rlib\"]"), "{none}");
        let workspace = of(&metadata(&["cdylib"]), Path::new("/w/Cargo.toml")).unwrap_err();
        assert!(workspace.ends_with("name the folder of one: kit, a-b"), "{workspace}");
    }
}
