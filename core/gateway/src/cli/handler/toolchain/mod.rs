//! A compiler for handlers: found on this machine, or fetched where that is allowed.
//!
//! `paifang handler build` and `cargo xtask handlers` have this text in common: xtask includes it by
//! its path, as it depends on no crate of the workspace. So nothing here names a module outside of
//! this folder; what the two do differently are the [`Hands`].

mod choice;

pub(crate) use choice::{TARGET, Toolchain};

use choice::{Seen, Step, Way};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// How long `rustup` may take. Without a network it would try for minutes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a machine lets its caller do.
pub(crate) trait Hands {
    /// Where the handlers lie: their folder may choose a toolchain.
    fn folder(&self) -> &Path;
    /// A program's file.
    fn find(&self, program: &str) -> Option<PathBuf>;
    /// Whether packages of Debian can be installed without a question.
    fn may_install(&self) -> bool;
    /// Runs a command, shown, for at most so long. Whether it helped shows when we look again, so
    /// what went wrong is only told.
    fn run(&self, command: &mut Command, patience: Duration);
    /// Installs packages of Debian; the like.
    fn install(&self, packages: &[&str]);
}

/// Finds a compiler for handlers, or gets one.
///
/// # Errors
/// When there is none and none is to be had from here: what is missing, with the line to type.
pub(crate) fn fetched(hands: &dyn Hands) -> Result<Toolchain, String> {
    let mut seen = look(hands);
    loop {
        match choice::next(&seen) {
            Step::Use(toolchain) => return Ok(toolchain),
            Step::AddTarget => {
                let mut rustup = Command::new("rustup");
                rustup.args(choice::ADD_TARGET).current_dir(hands.folder());
                hands.run(&mut rustup, PATIENCE);
                seen = Seen { rustup: Way::Failed, packages: seen.packages, ..look(hands) };
            }
            Step::Install => {
                hands.install(&choice::PACKAGES);
                seen = Seen { rustup: seen.rustup, packages: Way::Failed, ..look(hands) };
            }
            Step::GiveUp => return Err(missing(&seen)),
        }
    }
}

/// The compiler that is there already; nothing is fetched.
///
/// # Errors
/// When there is none: what is missing, with the line to type.
pub(crate) fn present(hands: &dyn Hands) -> Result<Toolchain, String> {
    let seen = look(hands);
    match choice::next(&seen) {
        Step::Use(toolchain) => Ok(toolchain),
        Step::AddTarget | Step::Install | Step::GiveUp => Err(missing(&seen)),
    }
}

fn missing(seen: &Seen) -> String {
    let advice = choice::advice(seen);
    format!("a compiler for {TARGET}, which handlers are built with. Type:\n  {advice}")
}

fn look(hands: &dyn Hands) -> Seen {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = |command: &mut Command| said(command.current_dir(hands.folder()));
    let sysroot = said(Command::new(&rustc).args(["--print", "sysroot"])).map(PathBuf::from);
    let libraries = sysroot.map(|sysroot| sysroot.join("lib/rustlib"));
    let host = said(Command::new(&rustc).arg("-vV"));
    let host = host.as_deref().and_then(choice::host);
    let lld = libraries.as_ref().zip(host).map(|(dir, host)| dir.join(host).join("bin/rust-lld"));
    let way = |open| if open { Way::Open } else { Way::Closed };
    Seen {
        has_target: libraries.is_some_and(|dir| dir.join(TARGET).join("lib").is_dir()),
        debian: debian(),
        linker: lld.filter(|file| file.is_file()).or_else(|| hands.find("wasm-ld")),
        rustup: way(hands.find("rustup").is_some()),
        packages: way(hands.may_install()),
    }
}

fn debian() -> bool {
    let version = said(Command::new(choice::DEBIAN_RUSTC).arg("--version").env_clear());
    [choice::DEBIAN_CARGO, choice::DEBIAN_SOURCES].iter().all(|file| Path::new(file).is_file())
        && version.is_some_and(|version| choice::is_young_enough(&version))
}

/// What a program prints, where it runs and succeeds.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
