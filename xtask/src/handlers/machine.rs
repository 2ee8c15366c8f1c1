//! What there is on this machine to build handlers with, and getting what is missing.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::toolchain::{self, Seen, Step, Toolchain, Way};
use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// How long `rustup` may take. Without a network it would try for minutes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Finds a compiler for handlers, or gets one.
///
/// # Errors
/// When there is none and none is to be had from here; the text holds the line to type.
pub(crate) fn toolchain() -> Result<Toolchain> {
    let mut seen = look();
    loop {
        match toolchain::next(&seen) {
            Step::Use(toolchain) => return Ok(toolchain),
            Step::AddTarget => {
                add_target();
                seen = Seen { rustup: Way::Failed, packages: seen.packages, ..look() };
            }
            Step::Install => {
                install();
                seen = Seen { rustup: seen.rustup, packages: Way::Failed, ..look() };
            }
            Step::GiveUp => return Err(missing(&seen)),
        }
    }
}

/// Whether a compiler is there already; nothing is fetched.
///
/// # Errors
/// When there is none; the text holds the line to type.
pub(crate) fn is_there() -> Result<()> {
    let seen = look();
    match toolchain::next(&seen) {
        Step::Use(_) => Ok(()),
        Step::AddTarget | Step::Install | Step::GiveUp => Err(missing(&seen)),
    }
}

fn missing(seen: &Seen) -> Failure {
    let (target, advice) = (toolchain::TARGET, toolchain::advice(seen));
    Failure::Missing(format!(
        "a compiler for {target}, which handlers are built with. Type:\n  {advice}"
    ))
}

fn look() -> Seen {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = said(Command::new(&rustc).args(["--print", "sysroot"])).map(PathBuf::from);
    let libraries = sysroot.map(|sysroot| sysroot.join("lib/rustlib"));
    let host = said(Command::new(&rustc).arg("-vV"));
    let host = host.as_deref().and_then(toolchain::host);
    let lld = libraries.as_ref().zip(host).map(|(dir, host)| dir.join(host).join("bin/rust-lld"));
    let way = |open| if open { Way::Open } else { Way::Closed };
    Seen {
        has_target: libraries.is_some_and(|dir| dir.join(toolchain::TARGET).join("lib").is_dir()),
        debian: debian(),
        linker: lld.filter(|file| file.is_file()).or_else(|| setup::find("wasm-ld")),
        rustup: way(setup::find("rustup").is_some()),
        packages: way(setup::installs_debian()),
    }
}

fn debian() -> bool {
    let version = said(Command::new(toolchain::DEBIAN_RUSTC).arg("--version").env_clear());
    [toolchain::DEBIAN_CARGO, toolchain::DEBIAN_SOURCES]
        .iter()
        .all(|file| Path::new(file).is_file())
        && version.is_some_and(|version| toolchain::is_young_enough(&version))
}

/// What a program prints, where it runs and succeeds. It runs where the handlers lie, as their
/// folder may choose a toolchain.
fn said(command: &mut Command) -> Option<String> {
    let output = command.current_dir(tree::handlers()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether it helped shows when we look again.
fn add_target() {
    let mut rustup = Command::new("rustup");
    rustup.args(toolchain::ADD_TARGET).current_dir(tree::handlers());
    match run::within(&mut rustup, PATIENCE) {
        Ok(Some(_)) => {}
        Ok(None) => say::note(&format!("not done after {} s: ended", PATIENCE.as_secs())),
        Err(failure) => say::note(&failure.to_string()),
    }
}

/// The like.
fn install() {
    if let Err(failure) = setup::install_debian(&toolchain::PACKAGES) {
        say::note(&failure.to_string());
    }
}
