//! `cargo xtask check`: what a reviewer should not have to look for.

use std::{path::Path, process::Command};

use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// Formatting, lints, documentation, and (where cargo-deny is installed) licences and advisories.
///
/// All of them run, also after one has failed. Warnings are errors.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask check                  what CI checks\n  \
    cargo fmt --all                    mends the first of them")]
pub(crate) struct Args {}

/// Runs every check.
///
/// # Errors
/// When a tool is missing or a check does not pass.
pub(crate) fn task(_: &Args) -> Result<()> {
    setup::ready(setup::Use::Build)?;
    let mut broken = Vec::new();
    for (name, mut command) in checks() {
        say::step(&name);
        if let Err(failure) = run::shown(&mut command) {
            say::note(&failure.to_string());
            broken.push(name);
        }
    }
    if broken.is_empty() {
        say::step("all checks passed");
        Ok(())
    } else {
        Err(Failure::Failed(broken.join("; ")))
    }
}

fn checks() -> Vec<(String, Command)> {
    let clippy = ["--all-targets", "--", "-D", "warnings"];
    let mut docs = run::cargo(&["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    let mut lints = run::cargo(&["clippy", "--workspace"]);
    lints.args(clippy);
    let mut checks = vec![
        ("format of the workspace".to_owned(), run::cargo(&["fmt", "--all", "--", "--check"])),
        ("lints of the workspace".to_owned(), lints),
        ("documentation of the workspace".to_owned(), docs),
    ];
    // An app takes the client by itself; in the workspace others bring features that it forgets to ask for.
    for features in [&["--no-default-features"][..], &["--features", "prost"]] {
        let mut alone = run::cargo(&["clippy", "--package", "paifang-client"]);
        alone.args(features).args(["--", "-D", "warnings"]);
        checks.push((format!("lints of the client alone, {}", features.join(" ")), alone));
    }
    // `cargo fmt` and clippy do not reach packages outside the workspace by themselves.
    let outside = tree::manifests("examples").into_iter().chain(tree::manifests("bench"));
    for manifest in outside {
        let folder = manifest.parent().unwrap_or(&manifest);
        let folder = folder.strip_prefix(tree::root()).unwrap_or(folder).display().to_string();
        let mut format = run::cargo(&["fmt", "--manifest-path"]);
        format.arg(&manifest).args(["--", "--check"]);
        let mut lints = run::cargo_outside("clippy", &manifest);
        lints.args(clippy);
        checks.push((format!("format of {folder}"), format));
        checks.push((format!("lints of {folder}"), lints));
    }
    let handlers = "wasm-handlers/Cargo.toml";
    let format = run::cargo(&["fmt", "--all", "--manifest-path", handlers, "--", "--check"]);
    checks.push(("format of the handlers".to_owned(), format));
    let mut lints = run::cargo_outside("clippy", Path::new(handlers));
    lints.arg("--workspace").args(clippy);
    checks.push(("lints of the handlers".to_owned(), lints));
    let mut format = run::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml"]);
    format.args(["--", "--check"]);
    checks.push(("format of fuzz".to_owned(), format));
    if run::succeeds("cargo", &["deny", "--version"]) {
        let deny = run::cargo(&["deny", "--workspace", "check"]);
        checks.push(("licences, advisories, bans, sources".to_owned(), deny));
    } else {
        say::note("cargo-deny is not installed: licences and advisories are left out");
    }
    checks
}
