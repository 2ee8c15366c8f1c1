//! What packages carry beside the program, and what it says of itself: version, manual, completions.

use super::{Failed, args::Arguments, terminal};
use clap::{CommandFactory, builder::ValueHint};
use clap_complete::Shell;
use std::{
    env::consts::{ARCH, OS},
    path::PathBuf,
    sync::LazyLock,
};

/// The commit that this was built from, where the build was told: `cargo xtask package` does.
const COMMIT: &str = match option_env!("PAIFANG_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// What `--version` prints behind the name.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let libc = match (cfg!(target_env = "gnu"), cfg!(target_env = "musl")) {
        (true, _) => ", glibc",
        (_, true) => ", musl",
        _ => "",
    };
    format!(
        "{}\ncommit:   {COMMIT}\nbuilt:    {profile}, {OS} on {ARCH}{libc}\n\
         features: HTTP/1.1, HTTP/2, TLS (rustls with ring), WASM handlers (wasmtime), jemalloc",
        env!("CARGO_PKG_VERSION")
    )
});

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  paifang completions bash > /etc/bash_completion.d/paifang")]
pub(super) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// Where the manual goes.
#[derive(Debug, clap::Args)]
pub(super) struct ManArguments {
    /// A folder, which must be there; a page for each command.
    #[arg(value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// Prints what a shell completes.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "paifang", &mut script);
    let script = String::from_utf8(script).map_err(|why| Failed::Said(why.to_string()))?;
    terminal::say(&script);
    Ok(())
}

/// Writes the manual.
pub(super) fn man(arguments: &ManArguments) -> Result<(), Failed> {
    clap_mangen::generate_to(Arguments::command(), &arguments.folder)
        .map_err(|why| Failed::Said(format!("{}: {why}", arguments.folder.display())))
}
