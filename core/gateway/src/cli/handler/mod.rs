//! `paifang handler`: what authors of WASM handlers do with them, inside the host that production
//! uses.

mod bench;
mod inspect;
mod test;

use super::{Failed, args::HandlerCommand};
use paifang_wasm::{Host, Module, Spec};
use std::{fs, path::Path};

pub(super) fn handler(command: HandlerCommand) -> Result<(), Failed> {
    match command {
        HandlerCommand::Inspect(wanted) => inspect::inspect(&wanted),
        HandlerCommand::Test(wanted) => test::test(&wanted),
        HandlerCommand::Bench(wanted) => bench::bench(&wanted),
    }
}

/// A module file, with everything granted.
fn open(file: &Path) -> Result<Module, Failed> {
    let told = |why: String| Failed::Said(format!("{}: {why}", file.display()));
    let bytes = fs::read(file).map_err(|why| told(why.to_string()))?;
    let host = Host::new(None).map_err(|why| Failed::Said(why.to_string()))?;
    let name = file.file_stem().map_or_else(|| "handler".into(), |name| name.to_string_lossy());
    host.open(Spec::everything(&name), &bytes).map_err(|error| match error.help {
        Some(help) => told(format!("{}\nhelp: {help}", error.message)),
        None => told(error.message),
    })
}
