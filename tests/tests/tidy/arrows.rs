//! Which crate of the workspace depends on which, and which one may name what.

use std::process::Command;

use serde_json::Value;

use crate::no_faults;

/// Each crate of the workspace with all of its crates that it may depend on. An arrow that is not
/// here needs a decision in docs/adr first.
const ARROWS: &[(&str, &[&str])] = &[
    ("paifang-pipeline", &[]),
    ("paifang-config", &["paifang-pipeline"]),
    ("paifang-state", &["paifang-pipeline"]),
    ("paifang-plugins", &["paifang-pipeline", "paifang-state"]),
    ("paifang-wasm", &["paifang-pipeline", "paifang-state"]),
    ("paifang-import", &["paifang-config"]),
    ("paifang-mmtp", &[]),
    ("paifang-access", &["paifang-mmtp", "paifang-pipeline", "paifang-state"]),
    // The server that its tests run against is the real one; nothing of it is linked into the client.
    ("paifang-client", &["paifang-mmtp", "paifang-access", "paifang-pipeline"]),
    (
        "paifang",
        &[
            "paifang-pipeline",
            "paifang-config",
            "paifang-import",
            "paifang-state",
            "paifang-plugins",
            "paifang-wasm",
            "paifang-mmtp",
            "paifang-access",
            "paifang-client",
        ],
    ),
    (
        "paifang-tests",
        &[
            "paifang",
            "paifang-pipeline",
            "paifang-config",
            "paifang-import",
            "paifang-state",
            "paifang-plugins",
            "paifang-wasm",
            "paifang-mmtp",
            "paifang-access",
            "paifang-client",
        ],
    ),
    ("xtask", &[]),
];

/// Crates from elsewhere that only the named crates may depend on, by the beginning of their names.
const KEPT: &[(&str, &[&str])] = &[
    // The pipeline knows no host, so that it can be embedded and fronted by other transports.
    ("pingora", &["paifang"]),
    // One place decides what becomes of events.
    ("tracing-subscriber", &["paifang", "paifang-tests"]),
    // One crate runs WebAssembly; the config knows modules by a port.
    ("wasmtime", &["paifang-wasm"]),
];

/// Crates whose lints are the workspace's but for `unsafe_code`, which is denied and not forbidden,
/// each with its reason. Where it is allowed then is a list in `sources.rs`.
const DENYING: &[(&str, &str)] =
    &[("paifang-wasm", "deriving wasmtime's traits, which say how records are laid out")];

/// Crates that nobody may depend on, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("openssl", "TLS is rustls with one provider"),
    ("native-tls", "TLS is rustls with one provider"),
    ("anyhow", "errors have types: thiserror"),
    ("lazy_static", "std::sync::LazyLock"),
    ("once_cell", "std::sync::OnceLock"),
];

fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = match cargo.current_dir(paifang_tests::tidy::root()).output() {
        Ok(output) => output,
        Err(cause) => panic!("cargo metadata: {cause}"),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = match serde_json::from_slice(&output.stdout) {
        Ok(metadata) => metadata,
        Err(cause) => panic!("cargo metadata: {cause}"),
    };
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("cargo metadata lists no packages: {other}"),
    }
}

fn name(of: &Value) -> &str {
    of["name"].as_str().unwrap_or_default()
}

/// A crate's direct dependencies, those of its tests and build script too.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package["dependencies"].as_array().into_iter().flatten().map(name)
}

#[test]
fn crates_depend_as_the_layout_says() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(name).collect();
    let mut faults = Vec::new();
    for package in &packages {
        let from = name(package);
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == from) else {
            faults.push(format!("{from}: not in the list of arrows"));
            continue;
        };
        for to in dependencies(package).filter(|to| ours.contains(to) && *to != from) {
            if !allowed.contains(&to) {
                faults.push(format!("{from} -> {to}: no such arrow in the layout"));
            }
        }
    }
    for (listed, _) in ARROWS.iter().filter(|(listed, _)| !ours.contains(listed)) {
        faults.push(format!("{listed}: in the list of arrows, but not in the workspace"));
    }
    no_faults(&faults);
}

#[test]
fn only_the_gateway_knows_its_host() {
    let mut faults = Vec::new();
    for package in &packages() {
        let from = name(package);
        for to in dependencies(package) {
            let kept = KEPT.iter().find(|(beginning, _)| to.starts_with(beginning));
            if let Some((_, by)) = kept
                && !by.contains(&from)
            {
                faults.push(format!("{from} -> {to}: only {} may", by.join(", ")));
            }
            if let Some((_, instead)) = REFUSED.iter().find(|(refused, _)| *refused == to) {
                faults.push(format!("{from} -> {to}: {instead}"));
            }
        }
    }
    no_faults(&faults);
}

#[test]
fn every_crate_takes_the_workspaces_lints_and_is_described() {
    let denying = denying_lints();
    let mut faults = Vec::new();
    for package in &packages() {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let text = std::fs::read_to_string(manifest).unwrap_or_default();
        if DENYING.iter().any(|(denying, _)| *denying == name(package)) {
            if !text.contains(&denying) {
                faults.push(format!("{manifest}: its lints differ in more than `unsafe_code`"));
            }
        } else if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{manifest}: `[lints] workspace = true` is missing"));
        }
        if package["description"].as_str().unwrap_or_default().is_empty() {
            faults.push(format!("{manifest}: no description"));
        }
    }
    no_faults(&faults);
}

/// The workspace's lints as a crate of [`DENYING`] must write them.
fn denying_lints() -> String {
    let manifest = paifang_tests::tidy::root().join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let lints = text.split("[workspace.lints.").skip(1).map(|section| {
        let section = section.split("\n[").next().unwrap_or_default();
        format!("[lints.{}\n", section.trim_end())
    });
    let forbidding = lints.collect::<Vec<_>>().join("\n");
    let denying = forbidding.replace("unsafe_code = \"forbid\"", "unsafe_code = \"deny\"");
    assert_ne!(denying, forbidding, "the workspace does not forbid `unsafe_code`");
    denying
}
