//! The licences of the crates that are linked into the gateway: their texts must travel with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use serde_json::Value;

use crate::{
    failure::{Failure, Result},
    run,
};

/// How the files begin that hold what must be passed on.
const FILES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// All texts, each once, with the crates that it is of.
pub(super) fn text() -> Result<String> {
    let mut cargo = run::cargo(&["metadata", "--format-version", "1", "--offline", "--locked"]);
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    cargo.args(["--filter-platform", &host]);
    let done = cargo.output().map_err(|e| Failure::Failed(format!("cargo metadata: {e}")))?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr);
        return Err(Failure::Failed(format!("cargo metadata: {why}")));
    }
    let metadata: Value = serde_json::from_slice(&done.stdout)
        .map_err(|e| Failure::Failed(format!("cargo metadata: {e}")))?;
    Ok(collect(&metadata))
}

fn collect(metadata: &Value) -> String {
    let linked = linked(metadata);
    let mut list = String::from("What is linked into this program, beside its own code:\n\n");
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines = BTreeSet::new();
    for package in packages {
        let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) else {
            continue;
        };
        if package["source"].is_null() || !linked.contains(id) {
            continue;
        }
        let named = format!("{name} {}", package["version"].as_str().unwrap_or_default());
        let licence = package["license"].as_str().unwrap_or("see its text below");
        lines.insert(format!("{named}: {licence}\n"));
        let folder = package["manifest_path"].as_str().map(Path::new).and_then(Path::parent);
        for text in folder.map(texts_in).unwrap_or_default() {
            texts.entry(text).or_default().insert(named.clone());
        }
    }
    list.extend(lines);
    for (text, of) in texts {
        let of: Vec<String> = of.into_iter().collect();
        // Writing into a string cannot fail.
        let _ = write!(list, "\n{}\n{}\n\n{}\n", "=".repeat(80), of.join(", "), text.trim_end());
    }
    list
}

/// The ids of all packages that the gateway's binary is linked from.
fn linked(metadata: &Value) -> BTreeSet<&str> {
    let nodes = metadata["resolve"]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let nodes: BTreeMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let is_gateway = |id: &&&str| id.contains("core/gateway#");
    let mut open: Vec<&str> = nodes.keys().filter(is_gateway).copied().collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let deps = nodes.get(id).and_then(|node| node["deps"].as_array());
        for dep in deps.into_iter().flatten() {
            let kinds = dep["dep_kinds"].as_array().map(Vec::as_slice).unwrap_or_default();
            // Neither what only tests use nor what only builds use.
            if kinds.iter().any(|kind| kind["kind"].is_null()) {
                open.extend(dep["pkg"].as_str());
            }
        }
    }
    seen
}

fn texts_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let wanted = |name: &str| FILES.iter().any(|begin| name.to_uppercase().starts_with(begin));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let named = paths.iter().filter(|path| {
        path.is_file() && path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))
    });
    named.filter_map(|path| fs::read_to_string(path).ok()).collect()
}
