//! From a package to a module, by cargo.

use super::{
    opened,
    package::{Package, package},
    play::{Cases, Told, play},
    toolchain::Toolchain,
    wrong,
};
use crate::cli::Failed;
use paifang_wasm::Module;
use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A small stack, so that a fresh instance touches few pages. Overflow traps, it never corrupts: the
/// stack lies below the data. The same as in wasm-handlers/.cargo/config.toml.
const STACK: &str = "-Clink-arg=-zstack-size=32768";
/// Where cargo takes flags for the target from, beside its configuration.
const FLAGS: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";

/// A module that the gateway's host takes.
pub(super) struct Built {
    pub(super) package: Package,
    pub(super) bytes: Vec<u8>,
    pub(super) module: Module,
    pub(super) took: Duration,
}

/// Builds the package in a folder and opens what comes out.
///
/// # Errors
/// It does not build, after the compiler has told why on standard error; or it is no handler.
pub(super) fn compile(
    folder: &Path,
    toolchain: &Toolchain,
    offline: bool,
) -> Result<Built, Failed> {
    let package = package(folder, toolchain)?;
    let mut cargo = cargo(folder, toolchain);
    cargo.args(toolchain.build().args).arg("--lib");
    if offline {
        cargo.arg("--offline");
    }
    let given = env::var(FLAGS).unwrap_or_default();
    if let Some(flags) = flags(&given, sets_stack(folder)) {
        cargo.env(FLAGS, flags);
    }
    let began = Instant::now();
    // What cargo says is progress and errors, all of it on standard error.
    let status = cargo.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|why| Failed::Said(format!("cargo: {why}")))?;
    if !status.success() {
        return Err(Failed::Said(format!("{} does not build", package.name)));
    }
    let took = began.elapsed();
    let bytes = fs::read(&package.module).map_err(|why| wrong(&package.module, why))?;
    let module = opened(Path::new(&format!("{}.wasm", package.name)), &bytes)?;
    Ok(Built { package, bytes, module, took })
}

impl Built {
    /// Plays its probes and these cases; how many there were.
    ///
    /// # Errors
    /// Some failed, after they have been told.
    pub(super) fn play(&self, more: Option<Cases>) -> Result<usize, Failed> {
        let all: Vec<Cases> = Cases::probes(&self.module)?.into_iter().chain(more).collect();
        play(&self.module, &all, Told::Failed)
    }
}

/// The toolchain's cargo in a package's folder, where it finds its configuration.
pub(super) fn cargo(folder: &Path, toolchain: &Toolchain) -> Command {
    let build = toolchain.build();
    let mut command = Command::new(build.cargo.unwrap_or("cargo"));
    for name in build.unset {
        command.env_remove(name);
    }
    command.envs(build.set).current_dir(folder);
    command
}

/// The flags with the stack's size; `None` where its size has been said already.
fn flags(given: &str, configured: bool) -> Option<String> {
    let said = configured || given.contains("stack-size");
    (!said).then(|| format!("{given} {STACK}").trim_start().to_owned())
}

/// Whether a configuration that cargo finds from a folder upwards sets the stack's size.
fn sets_stack(folder: &Path) -> bool {
    let said = |file: std::path::PathBuf| {
        fs::read_to_string(file).is_ok_and(|text| text.contains("stack-size"))
    };
    folder
        .ancestors()
        .any(|dir| said(dir.join(".cargo/config.toml")) || said(dir.join(".cargo/config")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_stack_is_small_unless_its_size_is_said() {
        assert_eq!(flags("", false).as_deref(), Some(STACK));
        assert_eq!(flags("-Ca=b", false), Some(format!("-Ca=b {STACK}")));
        assert_eq!(flags("-Clink-arg=-zstack-size=65536", false), None);
        assert_eq!(flags("", true), None);
    }

    #[test]
    fn what_cargo_is_configured_with_is_found_from_below() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert!(!sets_stack(&inner));
        fs::create_dir(dir.path().join(".cargo")).unwrap();
        let text = format!("rustflags = [\"{STACK}\"]\n");
        fs::write(dir.path().join(".cargo/config.toml"), text).unwrap();
        assert!(sets_stack(&inner));
    }

    #[test]
    fn our_own_handlers_have_the_same_stack() {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-handlers");
        assert!(fs::read_to_string(ours.join(".cargo/config.toml")).unwrap().contains(STACK));
    }
}
