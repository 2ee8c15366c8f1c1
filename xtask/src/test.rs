//! `cargo xtask test`: every test there is, of the workspace and of the packages outside it.

use std::{io::IsTerminal, path::Path, process::Command, time::Instant};

use crate::{
    failure::{Failure, Result},
    handlers,
    run::{self, Stream},
    say, setup,
    tally::Tally,
    tree,
};

/// Runs every test: the workspace, its doc tests, the handlers, and the example packages outside it.
///
/// The handlers are built for WebAssembly first, as the workspace's tests load them. cargo-nextest
/// runs the tests when it is installed, else plain `cargo test`. The last line counts them
/// all: `tests: N passed, N failed, N skipped`.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask test                   everything\n  \
    cargo xtask test -- throttle       the tests of the workspace whose names hold `throttle`\n  \
    cargo xtask test --plain           without cargo-nextest")]
pub(crate) struct Args {
    /// Use `cargo test` even where cargo-nextest is installed.
    #[arg(long)]
    plain: bool,
    /// Handed to the runner of the workspace's tests; doc tests and examples are then left out.
    #[arg(last = true)]
    filter: Vec<String>,
}

/// One command that runs tests.
struct Phase {
    name: String,
    command: Command,
    /// Where the runner counts: cargo test on its output, nextest on its errors.
    stream: Stream,
}

/// Runs all phases, also after one has failed, and sums up.
///
/// # Errors
/// When a tool is missing, or anything does not build or does not pass.
pub(crate) fn task(args: &Args) -> Result<()> {
    setup::ready(setup::Use::Test)?;
    // Tests load them, and say so when they are not there.
    handlers::ready()?;
    let began = Instant::now();
    let mut total = Tally::default();
    let mut broken = Vec::new();
    for mut phase in phases(args) {
        say::step(&phase.name);
        let output = run::tee(&mut phase.command, phase.stream)?;
        total += match phase.stream {
            Stream::Out => Tally::of_cargo(&output.text),
            Stream::Err => Tally::of_nextest(&output.text),
        };
        if !output.success {
            broken.push(phase.name);
        }
    }
    say::step(&format!("all phases ended after {} s", began.elapsed().as_secs()));
    println!("tests: {total}");
    if !broken.is_empty() {
        return Err(Failure::Failed(broken.join("; ")));
    }
    if total.passed == 0 {
        return Err(Failure::Failed("no test ran".to_owned()));
    }
    Ok(())
}

fn phases(args: &Args) -> Vec<Phase> {
    let nextest = !args.plain && run::succeeds("cargo", &["nextest", "--version"]);
    let mut phases = vec![workspace(nextest, &args.filter)];
    if !args.filter.is_empty() {
        return phases;
    }
    if nextest {
        // Plain `cargo test` has run them already.
        phases.push(Phase {
            name: "doc tests".to_owned(),
            command: coloured(run::cargo(&["test", "--workspace", "--doc"])),
            stream: Stream::Out,
        });
    }
    let mut handlers = run::cargo_outside("test", &tree::handlers().join("Cargo.toml"));
    handlers.args(["--workspace", "--no-fail-fast"]);
    phases.push(Phase {
        name: "tests of the handlers, as ordinary functions".to_owned(),
        command: coloured(handlers),
        stream: Stream::Out,
    });
    phases.extend(tree::manifests("examples").iter().map(|manifest| example(manifest)));
    // Of the packages that are measured with, the one that has code of ours to be wrong.
    phases.push(example(&tree::root().join("bench/weak-link/Cargo.toml")));
    phases
}

fn workspace(nextest: bool, filter: &[String]) -> Phase {
    let (command, stream) = if nextest {
        let config = ["nextest", "run", "--config-file", "xtask/nextest.toml", "--workspace"];
        (run::cargo(&config), Stream::Err)
    } else {
        (run::cargo(&["test", "--workspace", "--no-fail-fast"]), Stream::Out)
    };
    let mut command = coloured(command);
    if !filter.is_empty() {
        command.arg("--").args(filter);
    }
    Phase { name: "tests of the workspace".to_owned(), command, stream }
}

/// A package outside the workspace, built as a stranger builds it.
fn example(manifest: &Path) -> Phase {
    let folder = manifest.parent().unwrap_or(manifest);
    let shown = folder.strip_prefix(tree::root()).unwrap_or(folder).display().to_string();
    let command = coloured(run::cargo_outside("test", manifest));
    Phase { name: format!("build and tests of {shown}"), command, stream: Stream::Out }
}

/// Colours survive our reading the stream.
fn coloured(mut command: Command) -> Command {
    if std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    command
}
