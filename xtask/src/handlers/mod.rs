//! `cargo xtask handlers`: the handlers of wasm-handlers, each built as `target/handlers/NAME.wasm`,
//! where tests, the demo and configs find them.

mod guests;
mod machine;
// The same text as that of `paifang handler build`: xtask depends on no crate of the workspace.
#[path = "../../../core/gateway/src/cli/handler/toolchain/mod.rs"]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Failure, Result},
    run, say, tree,
};
use toolchain::{TARGET, Toolchain};

/// Builds the handlers of wasm-handlers for WebAssembly. What has not changed is not built again.
///
/// The compiler is the active toolchain where it has the target wasm32-unknown-unknown, or where
/// rustup can add it; else Debian's rustc-web, with the standard library from its sources.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask handlers               all of them, into target/handlers\n  \
    cargo xtask handlers auth throttle --out conf/handlers")]
pub(crate) struct Args {
    /// Handlers, by the names of their packages; all of them when none is named.
    names: Vec<String>,
    /// Where NAME.wasm is put. [default: target/handlers]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Builds those that are named, or all.
///
/// # Errors
/// When there is no compiler for them, a name is unknown, or one does not build.
pub(crate) fn task(args: &Args) -> Result<()> {
    let here = env::current_dir().map_err(|e| Failure::file(Path::new("."), &e))?;
    let out = args.out.as_ref().map_or_else(folder, |out| here.join(out));
    build(&args.names, &out)
}

/// Builds all of them, for a task that needs them.
///
/// # Errors
/// When there is no compiler for them, or one does not build.
pub(crate) fn ready() -> Result<()> {
    build(&[], &folder())
}

/// Makes sure of the compiler alone, fetching it where that is allowed.
///
/// # Errors
/// When there is none, with the line to type.
pub(crate) fn compiler(fetch: bool) -> Result<()> {
    machine::toolchain(fetch).map(drop)
}

/// Where handlers are put.
fn folder() -> PathBuf {
    tree::target().join("handlers")
}

fn build(names: &[String], out: &Path) -> Result<()> {
    let known = guests::names()?;
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(Failure::Failed(format!("no handler `{unknown}`; there are: {known}")));
    }
    let chosen = if names.is_empty() { &known[..] } else { names };
    let toolchain = machine::toolchain(true)?;
    say::step(&toolchain.line());
    let target = folder().join(format!("build-{}", word(&toolchain)));
    run::shown(&mut cargo(&toolchain, &target, chosen))?;
    fs::create_dir_all(out).map_err(|e| Failure::file(out, &e))?;
    let built = target.join(TARGET).join("release");
    for name in chosen {
        let file = built.join(format!("{}.wasm", name.replace('-', "_")));
        put(&file, &out.join(format!("{name}.wasm")))?;
    }
    say::note(&format!("{} handlers in {}", chosen.len(), out.display()));
    Ok(())
}

/// A word for a folder: builds of different compilers do not mix.
fn word(toolchain: &Toolchain) -> &'static str {
    match toolchain {
        Toolchain::Active => "active",
        Toolchain::Debian { .. } => "debian",
    }
}

fn cargo(toolchain: &Toolchain, target: &Path, names: &[String]) -> Command {
    let build = toolchain.build();
    let mut command = build.cargo.map_or_else(|| run::cargo(&[]), Command::new);
    command.args(build.args);
    for name in names {
        command.args(["-p", name]);
    }
    for name in build.unset {
        command.env_remove(name);
    }
    // Cargo looks for its configuration, where the size of the stack stands, from here upwards.
    command.envs(build.set).env("CARGO_TARGET_DIR", target).current_dir(tree::handlers());
    command
}

/// Copies a file as a whole: a gateway that watches it never sees a part. The same content is left
/// alone, so that nothing is reloaded for it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(|e| Failure::file(from, &e))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let part = to.with_extension("wasm.part");
    fs::write(&part, bytes).map_err(|e| Failure::file(&part, &e))?;
    fs::rename(&part, to).map_err(|e| Failure::file(to, &e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn the_same_content_is_left_alone_and_other_content_replaced() {
        let dir = env::temp_dir().join(format!("xtask-put-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (from, to) = (dir.join("a_b.wasm"), dir.join("a-b.wasm"));
        fs::write(&from, "one").unwrap();
        put(&from, &to).unwrap();
        // Only a new file would be younger.
        let old = SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(&to).unwrap().set_modified(old).unwrap();
        put(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), old);
        fs::write(&from, "two").unwrap();
        put(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "no part is left behind");
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_command_names_packages_and_its_own_folder() {
        let command = cargo(&Toolchain::Active, Path::new("/t"), &["auth".to_owned()]);
        assert!(
            run::line(&command)
                .ends_with("build --release --target wasm32-unknown-unknown -p auth")
        );
        assert_eq!(command.get_current_dir(), Some(tree::handlers().as_path()));
        let dir = command.get_envs().find(|(name, _)| *name == "CARGO_TARGET_DIR");
        assert_eq!(dir, Some(("CARGO_TARGET_DIR".as_ref(), Some("/t".as_ref()))));
    }
}
