//! The programs of the workspace, as tests run them.

use crate::tidy::root;
use std::{env, path::PathBuf, process::Command};

/// Builds `paifang`, and what `more` asks cargo for, beside this test and with its profile; the folder
/// where it is.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn built(more: &[&str]) -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let Some(binaries) = exe.ancestors().nth(2) else { panic!("{} is nowhere", exe.display()) };
    let (Some(target), Some(profile)) = (binaries.parent(), binaries.file_name()) else {
        panic!("{} is no target folder", binaries.display());
    };
    let profile = if profile == "debug" { "dev".as_ref() } else { profile };
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace is selected, so that features resolve as for the tests.
    cargo.args(["build", "--offline", "--workspace", "--bin", "paifang"]);
    cargo.args(more).arg("--profile").arg(profile);
    cargo.arg("--target-dir").arg(target).current_dir(root());
    // Cargo tells a test of its package by these. Build scripts such as ring's are run again when they change, and
    // everything above them is built again with them.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    match cargo.output() {
        Ok(output) if output.status.success() => binaries.to_owned(),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(cause) => panic!("cargo: {cause}"),
    }
}
