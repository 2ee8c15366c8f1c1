//! `paifang handler dev`: builds, tests and places a handler at each change of its source, and has
//! the running gateway reload it. What does not build or fails a case never gets near the gateway.

mod destination;
mod watch;

use super::{
    args::HandlerDev, build::short, compile::compile, machine, package, place, play::Cases,
    toolchain::Toolchain,
};
use crate::cli::{
    Failed,
    remote::Remote,
    terminal::{complain, say},
};
use destination::Destination;
use serde_json::Value;
use std::path::{Path, PathBuf};
use watch::Watch;

/// The case file that is played beside the probes, where it is there.
const CASES: &str = "tests/cases.yaml";

pub(super) fn dev(wanted: &HandlerDev) -> Result<(), Failed> {
    let folder = package::folder(&wanted.source.folder)?;
    let toolchain = machine::toolchain(&folder, wanted.source.offline)?;
    let name = package::package(&folder, &toolchain)?.name;
    let round = Round { wanted, folder, toolchain, destination: Destination::new(wanted, name) };
    // Whatever is wrong with where it goes is told before anything is built.
    round.destination.file()?;
    complain(&round.toolchain.line());
    if wanted.once {
        return round.run();
    }
    let mut watch = Watch::begin(&round.folder, round.destination.configs())?;
    loop {
        if let Err(Failed::Said(why) | Failed::Unreachable(why)) = round.run() {
            complain(&why);
        }
        watch.ours(&round.folder.join("Cargo.lock"));
        say(&format!("watching the source of {}; Ctrl-C ends", round.destination.name()));
        let changed = watch.next()?;
        let changed: Vec<String> =
            changed.iter().map(|file| short(file).display().to_string()).collect();
        say(&format!("\nchanged: {}", changed.join(", ")));
    }
}

/// What is done at each change.
struct Round<'a> {
    wanted: &'a HandlerDev,
    folder: PathBuf,
    toolchain: Toolchain,
    destination: Destination,
}

impl Round<'_> {
    fn run(&self) -> Result<(), Failed> {
        let built = compile(&self.folder, &self.toolchain, self.wanted.source.offline)?;
        let (took, size) = (built.took.as_secs_f64(), built.bytes.len());
        say(&format!("built in {took:.1} s: {size} bytes, sha256 {}", built.module.sha256()));
        let more = self.folder.join(CASES);
        let more = more.is_file().then(|| Cases::read(&short(&more))).transpose()?;
        say(&format!("{} cases passed", built.play(more)?));
        let file = self.destination.file()?;
        let placed = if place::put(&built.bytes, &file)? { "placed as" } else { "already at" };
        say(&format!("{placed} {}", short(&file).display()));
        self.reload(&file)
    }

    fn reload(&self, file: &Path) -> Result<(), Failed> {
        let reach = self.destination.reach();
        match Remote::find(reach).post("/v1/reload", &Value::Null) {
            Ok(answer) => {
                say(answer.get("text").and_then(Value::as_str).unwrap_or("reloaded"));
                Ok(())
            }
            Err(Failed::Said(why)) => Err(Failed::Said(format!(
                "{why}\nThe gateway serves the release before; {} is the new one.",
                short(file).display()
            ))),
            Err(unreachable) => Err(unreachable),
        }
    }
}
