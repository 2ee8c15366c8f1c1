//! `paifang handler build`: from source to a module that the gateway takes.

use super::{args::HandlerBuild, compile::compile, inspect, machine, package, place};
use crate::cli::{
    Failed,
    terminal::{complain, say},
};
use std::{env, path::Path};

pub(super) fn build(wanted: &HandlerBuild) -> Result<(), Failed> {
    let folder = package::folder(&wanted.source.folder)?;
    let toolchain = machine::toolchain(&folder, wanted.source.offline)?;
    complain(&toolchain.line());
    let built = compile(&folder, &toolchain, wanted.source.offline)?;
    built.play(None)?;
    let file = wanted.out.clone().unwrap_or_else(|| {
        let name = format!("{}.wasm", built.package.name);
        built.package.workspace.join("target/handlers").join(name)
    });
    place::put(&built.bytes, &file)?;
    say(&inspect::told(&short(&file), &built.module));
    Ok(())
}

/// A path as one would type it here.
pub(super) fn short(path: &Path) -> std::path::PathBuf {
    let here = env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
