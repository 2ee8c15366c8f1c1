//! WASI without a world: what compilers that know no other target ask for. Output goes to the log,
//! clocks and randomness are those of the contract and need its grants, and what could touch files,
//! arguments, the environment or the network says that there is none.
//!
//! Core modules come by way of [`adapter`], which imports a few functions of our own; components
//! import interfaces of WASI 0.2.

pub(crate) mod adapter;
mod cli;
mod files;
pub(crate) mod handles;
mod io;
mod own;
pub(crate) mod stdio;
mod time;

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
const IMPORTS: [Import; 24] = [
    import("paifang:wasi/stdio", None),
    import("paifang:wasi/clock", Some("clock")),
    import("paifang:wasi/random", Some("random")),
    import("paifang:wasi/process", None),
    import("wasi:cli/environment", None),
    import("wasi:cli/exit", None),
    import("wasi:cli/stderr", None),
    import("wasi:cli/stdin", None),
    import("wasi:cli/stdout", None),
    import("wasi:cli/terminal-input", None),
    import("wasi:cli/terminal-output", None),
    import("wasi:cli/terminal-stderr", None),
    import("wasi:cli/terminal-stdin", None),
    import("wasi:cli/terminal-stdout", None),
    import("wasi:clocks/monotonic-clock", Some("clock")),
    import("wasi:clocks/wall-clock", Some("clock")),
    import("wasi:filesystem/preopens", None),
    import("wasi:filesystem/types", None),
    import("wasi:io/error", None),
    import("wasi:io/poll", None),
    import("wasi:io/streams", None),
    import("wasi:random/insecure", Some("random")),
    import("wasi:random/insecure-seed", Some("random")),
    import("wasi:random/random", Some("random")),
];

/// The interface that a component's import of this name is; `None` for what is not there.
pub(crate) fn known(name: &str) -> Option<Import> {
    let (interface, version) = name.split_once('@')?;
    let compatible = if interface.starts_with(PACKAGE) { "0.1." } else { "0.2." };
    let known = IMPORTS.iter().find(|known| known.name == interface);
    known.copied().filter(|_| version.starts_with(compatible))
}

impl Import {
    /// Whether instances hold handles of what comes from there. These are not in their memory, so that
    /// a picture would lack them.
    pub(crate) fn is_held(self) -> bool {
        self.name.starts_with("wasi:io/")
    }
}

/// Links what is granted, and what needs no grant.
pub(super) fn link(linker: &mut Linker<Ctx>, grants: &Grants) -> wasmtime::Result<()> {
    own::link(linker, grants)?;
    io::link(linker)?;
    cli::link(linker)?;
    files::link(linker)?;
    time::link(linker, grants)
}
