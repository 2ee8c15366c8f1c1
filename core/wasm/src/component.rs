//! From a file's bytes to a component: what it is, what it exports and imports, what it carries.

use crate::{
    contract::{PACKAGE, VERSION},
    encode::encode,
    host::wasi,
    shape::{Carried, survey},
};
use std::time::Duration;
use wasmparser::Parser;
use wasmtime::{Engine, component::Component, component::types::ComponentItem};

/// The stages, as a handler exports them.
pub(crate) const STAGES: [&str; 6] =
    ["configure", "request", "request-with-body", "response", "response-with-body", "log"];
/// The imports, as a handler names them; each but `types` is a grant.
const IMPORTS: [&str; 7] = ["logging", "clock", "random", "kv", "crypto", "metrics", "http"];

/// Why a file is no handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Neither a component nor a core module.
    #[error("it is no WebAssembly: {0}")]
    NotWasm(String),
    /// A core module without the sections that say what it means.
    #[error("it is a core module that cannot be made a component: {0}")]
    Core(String),
    /// wasmtime refuses it.
    #[error("it cannot be compiled: {0}")]
    Invalid(String),
    /// Compiling it would take too long, or too much memory.
    #[error("it is more than is compiled here: {0}")]
    TooLarge(String),
    /// It is still being compiled.
    #[error("compiling it takes longer than {0:?}")]
    Slow(Duration),
    /// Another is still being compiled.
    #[error("a file that took too long to compile is still being compiled")]
    Busy,
    /// A section of ours that cannot be read.
    #[error("its section `{0}` {1}")]
    Section(String, String),
    /// An interface of the contract in which the function is missing, or which it exports twice.
    #[error("its export `{0}` {1}")]
    Stage(String, &'static str),
    /// It exports no stage that is known here.
    #[error("it exports no stage of {PACKAGE}@{VERSION}; it exports {0}")]
    NoStage(String),
    /// It is made for another version of the contract.
    #[error("it is made for another version of the contract: `{0}`; this gateway has {VERSION}")]
    Version(String),
    /// It imports what no grant can give.
    #[error("it imports `{0}`, which handlers cannot have")]
    Import(String),
}

impl ModuleError {
    /// How to mend it.
    pub(crate) fn help(&self) -> &'static str {
        match self {
            Self::NotWasm(_) => {
                "name the .wasm file that the build made; text and precompiled code are not taken"
            }
            Self::Core(_) | Self::NoStage(_) => {
                "build it for wasm32-unknown-unknown with the kit, or with wit-bindgen and the contract's WIT; docs/handlers.md tells how"
            }
            Self::Invalid(_) => {
                "handlers are WebAssembly 2.0 with one memory, and a table for each module; docs/specs/handler.md, 1, tells which features are off"
            }
            Self::TooLarge(_) => {
                "build it with optimisations, or split what is large; docs/specs/handler.md, 66, has the limits"
            }
            Self::Slow(_) => {
                "build it smaller, or with optimisations; it goes on in the background, and no other file is compiled until it ends"
            }
            Self::Busy => {
                "reload again when it has ended; the log says when, or restart the gateway"
            }
            Self::Section(..) => "`paifang handler inspect` shows what a file carries",
            Self::Stage(..) | Self::Version(_) => {
                "build it against wasm-handlers/wit/handler.wit of this release"
            }
            Self::Import(_) => {
                "there are no files, sockets or processes here; docs/specs/handler.md, 75 on, tells what there is of WASI"
            }
        }
    }
}

/// What a file holds.
pub(crate) struct Opened {
    /// As it is, or encoded.
    pub(crate) component: Vec<u8>,
    pub(crate) carried: Carried,
}

/// Reads a file; a core module made by wit-bindgen is encoded as a component.
pub(crate) fn open(bytes: Vec<u8>) -> Result<Opened, ModuleError> {
    let carried = survey(&bytes)?;
    let component = if Parser::is_component(&bytes) { bytes } else { encode(&bytes)? };
    Ok(Opened { component, carried })
}

/// What a component exports and imports, by the last part of the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Stages that it takes part in, in the order of a call.
    pub(crate) stages: Vec<&'static str>,
    /// What it calls, in a fixed order.
    pub(crate) imports: Vec<&'static str>,
    /// What it wants of WASI, in a fixed order.
    pub(crate) wasi: Vec<wasi::Import>,
}

impl Interface {
    pub(crate) fn has(&self, stage: &str) -> bool {
        self.stages.contains(&stage)
    }

    /// Whether its instances hold what no picture has.
    pub(crate) fn holds_handles(&self) -> bool {
        self.wasi.iter().any(|import| import.is_held())
    }

    /// The grants that its imports need.
    pub(crate) fn grants(&self) -> Vec<&'static str> {
        let grant = |import: &&'static str| if *import == "logging" { "log" } else { import };
        let mut grants: Vec<_> = self.imports.iter().map(grant).collect();
        for grant in self.wasi.iter().filter_map(|import| import.grant) {
            if !grants.contains(&grant) {
                grants.push(grant);
            }
        }
        grants
    }
}

/// Compares a component with the contract.
pub(crate) fn inspect(engine: &Engine, component: &Component) -> Result<Interface, ModuleError> {
    let component = component.component_type();
    let (mut stages, mut imports, mut wasi) = (Vec::new(), Vec::new(), Vec::new());
    let mut exported = Vec::new();
    for (name, item) in component.exports(engine) {
        exported.push(format!("`{name}`"));
        let Some(known) = part(name, &STAGES)? else { continue };
        let handles = matches!(&item.ty, ComponentItem::ComponentInstance(instance)
            if instance.exports(engine).any(|(name, item)| name == "handle"
                && matches!(item.ty, ComponentItem::ComponentFunc(_))));
        // A stage that is there by name and cannot be called would let every call pass.
        if !handles {
            return Err(ModuleError::Stage(name.to_owned(), "has no function `handle`"));
        }
        if stages.contains(&known) {
            return Err(ModuleError::Stage(name.to_owned(), "is there in two versions"));
        }
        stages.push(known);
    }
    for (name, item) in component.imports(engine) {
        let types_only = matches!(&item.ty, ComponentItem::ComponentInstance(instance)
            if instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))));
        match part(name, &IMPORTS)? {
            Some(known) => imports.push(known),
            None if types_only => {}
            None => match wasi::known(name) {
                Some(known) => wasi.push(known),
                None => return Err(ModuleError::Import(name.to_owned())),
            },
        }
    }
    if stages.iter().all(|stage| *stage == "configure") {
        let exported = if exported.is_empty() { "nothing".to_owned() } else { exported.join(", ") };
        return Err(ModuleError::NoStage(exported));
    }
    stages.sort_by_key(|stage| STAGES.iter().position(|known| known == stage));
    imports.sort_by_key(|import| IMPORTS.iter().position(|known| known == import));
    wasi.sort_by_key(|import| import.name);
    Ok(Interface { stages, imports, wasi })
}

/// The stage that an export is, where it is one of the contract that this gateway takes.
pub(crate) fn stage(export: &str) -> Option<&'static str> {
    part(export, &STAGES).ok().flatten()
}

/// `kv` for `paifang:handler/kv@0.1.2`; nothing for what is not of our package.
fn part(name: &str, known: &[&'static str]) -> Result<Option<&'static str>, ModuleError> {
    let Some(rest) = name.strip_prefix(PACKAGE).and_then(|rest| rest.strip_prefix('/')) else {
        return Ok(None);
    };
    let (part, version) = rest.split_once('@').unwrap_or((rest, ""));
    let compatible = version.rsplit_once('.').map(|(minor, _)| minor);
    if compatible != VERSION.rsplit_once('.').map(|(minor, _)| minor) {
        return Err(ModuleError::Version(name.to_owned()));
    }
    if part == "types" {
        return Ok(None);
    }
    known
        .iter()
        .find(|known| **known == part)
        .map(|known| Some(*known))
        .ok_or_else(|| ModuleError::Version(name.to_owned()))
}
