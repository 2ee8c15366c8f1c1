//! WASI without a world: what compilers that know no other target ask for. Output goes to the log,
//! clocks and randomness are those of the contract and need its grants, and what could touch files,
//! arguments, the environment or the network says that there is none.
//!
//! Core modules come by way of [`adapter`], which imports a few functions of our own; components
//! import interfaces of WASI 0.2.

pub(crate) mod adapter;
mod own;
pub(crate) mod stdio;

use crate::{env::Ctx, settings::Grants};
use wasmtime::component::Linker;

/// The package of what the adapter imports. It is nobody else's to use, and changes as we please.
pub(crate) const PACKAGE: &str = "paifang:wasi";

/// An interface that may be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Import {
    /// Its name, as it is told.
    pub(crate) name: &'static str,
    /// The grant without which it cannot be had.
    pub(crate) grant: Option<&'static str>,
}

const fn import(name: &'static str, grant: Option<&'static str>) -> Import {
    Import { name, grant }
}

/// All of them.
const IMPORTS: [Import; 4] = [
    import("paifang:wasi/stdio", None),
    import("paifang:wasi/clock", Some("clock")),
    import("paifang:wasi/random", Some("random")),
    import("paifang:wasi/process", None),
];

/// The interface that a component's import of this name is; `None` for what is not there.
pub(crate) fn known(name: &str) -> Option<Import> {
    let (interface, version) = name.split_once('@')?;
    let compatible = if interface.starts_with(PACKAGE) { "0.1." } else { "0.2." };
    let known = IMPORTS.iter().find(|known| known.name == interface);
    known.copied().filter(|_| version.starts_with(compatible))
}

/// Links what is granted, and what needs no grant.
pub(super) fn link(linker: &mut Linker<Ctx>, grants: &Grants) -> wasmtime::Result<()> {
    own::link(linker, grants)
}
