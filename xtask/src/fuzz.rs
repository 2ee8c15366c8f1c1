//! `cargo xtask fuzz`: a bounded run of each fuzz target.
//!
//! Finds are kept under fuzz/artifacts; the corpora are replayed by ordinary tests, which need
//! neither nightly nor cargo-fuzz.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    failure::{Failure, Result},
    run, say, setup, tree,
};

/// Runs fuzz targets, each for a bounded time. Needs a nightly toolchain and cargo-fuzz.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask fuzz                           every target for a minute\n  \
    cargo xtask fuzz --seconds 600 config      one target for ten minutes")]
pub(crate) struct Args {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Targets, by name; all of them when none is named.
    targets: Vec<String>,
}

/// Runs the targets one after the other, also after one has found something.
///
/// # Errors
/// When nightly or cargo-fuzz is missing, a target does not build, or it found an input that fails.
pub(crate) fn task(args: &Args) -> Result<()> {
    setup::ready(setup::Use::Build)?;
    nightly_is_there()?;
    let known = targets()?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        return Err(Failure::Failed(format!(
            "no fuzz target `{unknown}`; there are: {}",
            known.join(", ")
        )));
    }
    let chosen = if args.targets.is_empty() { &known } else { &args.targets };
    let mut broken = Vec::new();
    for name in chosen {
        say::step(&format!("fuzzing {name} for {} s", args.seconds));
        let limit = format!("-max_total_time={}", args.seconds);
        let mut command = nightly(&["fuzz", "run", name]);
        command.arg(learned(name)?).arg(format!("fuzz/corpus/{name}"));
        command.args(["--", &limit, "-timeout=10"]);
        if let Err(failure) = run::shown(&mut command) {
            say::note(&failure.to_string());
            broken.push(name.clone());
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::Failed(broken.join(", "))) }
}

/// libFuzzer writes what it learns into the first folder that it is given. The second is ours, and
/// takes only what somebody has chosen.
fn learned(name: &str) -> Result<PathBuf> {
    let dir = tree::root().join("fuzz/target/learned").join(name);
    fs::create_dir_all(&dir).map_err(|e| Failure::file(&dir, &e))?;
    Ok(dir)
}

fn nightly_is_there() -> Result<()> {
    let (toolchain, tool) =
        (run::succeeds("cargo", &["+nightly", "--version"]), run::succeeds("cargo-fuzz", &["-V"]));
    let line = match (toolchain, tool) {
        (true, true) => return Ok(()),
        (true, false) => "cargo install cargo-fuzz",
        (false, true) => "rustup toolchain install nightly",
        (false, false) => "rustup toolchain install nightly && cargo install cargo-fuzz",
    };
    Err(Failure::Missing(format!("fuzzing needs more tools; type:\n  {line}")))
}

fn targets() -> Result<Vec<String>> {
    let output = run::captured(&mut nightly(&["fuzz", "list"]))?;
    if !output.success {
        return Err(Failure::Failed(format!("cargo fuzz list: {}", output.text)));
    }
    Ok(output.text.split_whitespace().map(str::to_owned).collect())
}

/// Cargo's own path names one toolchain; only the `cargo` on the PATH lets us choose another. The
/// target directory is fuzz/target, as its flags differ from everything else's.
fn nightly(args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.arg("+nightly").args(args).current_dir(tree::root()).env_remove("CARGO_TARGET_DIR");
    command
}
