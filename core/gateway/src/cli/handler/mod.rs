//! `paifang handler`: what authors of WASM handlers do with them, inside the host that production
//! uses.

mod args;
mod bench;
mod build;
mod compile;
mod dev;
mod inspect;
mod machine;
mod new;
mod package;
mod place;
mod play;
mod test;
mod toolchain;

pub(super) use args::HandlerCommand;

use super::Failed;
use crate::Builder;
use paifang_wasm::{Host, Module, Spec};
use std::{fs, path::Path};

pub(super) fn handler(builder: &Builder, command: HandlerCommand) -> Result<(), Failed> {
    match command {
        HandlerCommand::New(wanted) => new::new(builder, &wanted),
        HandlerCommand::Build(wanted) => build::build(&wanted),
        HandlerCommand::Dev(wanted) => dev::dev(&wanted),
        HandlerCommand::Test(wanted) => test::test(&wanted),
        HandlerCommand::Inspect(wanted) => inspect::inspect(&wanted),
        HandlerCommand::Bench(wanted) => bench::bench(&wanted),
    }
}

/// What is wrong with a file or folder.
fn wrong(path: &Path, why: impl std::fmt::Display) -> Failed {
    Failed::Said(format!("{}: {why}", path.display()))
}

/// A module file, with everything granted.
fn open(file: &Path) -> Result<Module, Failed> {
    let bytes = fs::read(file).map_err(|why| wrong(file, why))?;
    opened(file, &bytes)
}

/// The like, of bytes that are or will be in a file.
fn opened(file: &Path, bytes: &[u8]) -> Result<Module, Failed> {
    let host = Host::new(None).map_err(|why| Failed::Said(why.to_string()))?;
    let name = file.file_stem().map_or_else(|| "handler".into(), |name| name.to_string_lossy());
    host.open(Spec::everything(&name), bytes).map_err(|error| match error.help {
        Some(help) => wrong(file, format!("{}\nhelp: {help}", error.message)),
        None => wrong(file, error.message),
    })
}
