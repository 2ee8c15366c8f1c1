//! The kit for authors, as the gateway carries it: it is on no registry, and a package must build
//! where this repository is not.

/// Files of wasm-handlers, each with its text.
macro_rules! carried {
    ($($path:literal,)+) => {
        &[$(($path, carried!(@ $path))),+]
    };
    (@ $path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wasm-handlers/", $path))
    };
}

/// All of the kit but its workspace's manifest. A test holds this to what lies in the folders.
pub(super) const FILES: &[(&str, &str)] = carried![
    "guest-sdk/Cargo.toml",
    "guest-sdk/src/bindings/mod.rs",
    "guest-sdk/src/call.rs",
    "guest-sdk/src/configure.rs",
    "guest-sdk/src/host.rs",
    "guest-sdk/src/lib.rs",
    "guest-sdk/src/lines.rs",
    "guest-sdk/src/macros.rs",
    "guest-sdk/src/manifest.rs",
    "guest-sdk/src/names.rs",
    "guest-sdk/src/units.rs",
    "guest-sdk/src/verdict.rs",
    "wit/handler.wit",
];

/// The manifest of the workspace that the kit lies in.
pub(super) const WORKSPACE: &str = carried!(@ "Cargo.toml");
/// Its lock: the releases of other crates that the kit was tested with.
pub(super) const LOCK: &str = carried!(@ "Cargo.lock");
/// The kit's license.
pub(super) const LICENSE: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../LICENSE"));
/// Cargo's configuration there, which makes stacks small.
pub(super) const STACK: &str = carried!(@ ".cargo/config.toml");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::FILES;
    use std::{fs, path::Path};

    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_kit_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-handlers");
        let mut found = Vec::new();
        for folder in ["guest-sdk", "wit"] {
            walk(&root, &root.join(folder), &mut found);
        }
        found.sort();
        let carried: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(carried, found, "name in kit.rs what lies in wasm-handlers");
    }
}
