//! From a file's bytes to a component: what it is, what it exports and imports, what it carries.

use crate::contract::{PACKAGE, VERSION};
use std::borrow::Cow;
use wasmparser::{Parser, Payload};
use wasmtime::{Engine, component::Component, component::types::ComponentItem};
use wit_component::ComponentEncoder;

/// The section with the JSON Schema of a handler's config.
const SCHEMA: &str = "paifang:schema";
/// The section with the cases that a release must pass.
const PROBES: &str = "paifang:probes";

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

/// What a file holds.
pub(crate) struct Opened<'a> {
    pub(crate) component: Cow<'a, [u8]>,
    pub(crate) schema: Option<Vec<u8>>,
    pub(crate) probes: Option<Vec<u8>>,
}

/// Reads a file; a core module made by wit-bindgen is encoded as a component.
pub(crate) fn open(bytes: &[u8]) -> Result<Opened<'_>, ModuleError> {
    let (schema, probes) = carried(bytes)?;
    let component =
        if Parser::is_component(bytes) { Cow::Borrowed(bytes) } else { Cow::Owned(encode(bytes)?) };
    Ok(Opened { component, schema, probes })
}

fn encode(core: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let failed = |error: String| ModuleError::Core(error);
    let mut encoder =
        ComponentEncoder::default().module(core).map_err(|error| failed(format!("{error:#}")))?;
    encoder.encode().map_err(|error| failed(format!("{error:#}")))
}

/// Schema and probes.
type Carried = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The custom sections that are ours, wherever in the file they stand.
fn carried(bytes: &[u8]) -> Result<Carried, ModuleError> {
    let (mut schema, mut probes) = (None, None);
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| ModuleError::NotWasm(error.to_string()))?;
        if let Payload::CustomSection(section) = payload {
            match section.name() {
                SCHEMA => schema = Some(section.data().to_vec()),
                PROBES => probes = Some(section.data().to_vec()),
                _ => {}
            }
        }
    }
    Ok((schema, probes))
}

/// What a component exports and imports, by the last part of the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Stages that it takes part in, in the order of a call.
    pub(crate) stages: Vec<&'static str>,
    /// What it calls, in a fixed order.
    pub(crate) imports: Vec<&'static str>,
}

impl Interface {
    pub(crate) fn has(&self, stage: &str) -> bool {
        self.stages.contains(&stage)
    }
}

/// Compares a component with the contract.
pub(crate) fn inspect(engine: &Engine, component: &Component) -> Result<Interface, ModuleError> {
    let component = component.component_type();
    let (mut stages, mut imports) = (Vec::new(), Vec::new());
    let mut exported = Vec::new();
    for (name, _) in component.exports(engine) {
        exported.push(format!("`{name}`"));
        if let Some(known) = part(name, &STAGES)? {
            stages.push(known);
        }
    }
    for (name, item) in component.imports(engine) {
        let types_only = matches!(&item.ty, ComponentItem::ComponentInstance(instance)
            if instance.exports(engine).all(|(_, item)| matches!(item.ty, ComponentItem::Type(_))));
        match part(name, &IMPORTS)? {
            Some(known) => imports.push(known),
            None if types_only => {}
            None => return Err(ModuleError::Import(name.to_owned())),
        }
    }
    if stages.iter().all(|stage| *stage == "configure") {
        let exported = if exported.is_empty() { "nothing".to_owned() } else { exported.join(", ") };
        return Err(ModuleError::NoStage(exported));
    }
    stages.sort_by_key(|stage| STAGES.iter().position(|known| known == stage));
    imports.sort_by_key(|import| IMPORTS.iter().position(|known| known == import));
    Ok(Interface { stages, imports })
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
