//! Modules that the tests write themselves: WAT with the exports of the contract's worlds. Signatures
//! come from the WIT, so that no test knows how its records are laid out.

use crate::world::{World, spec};
use paifang_pipeline::ConfigError;
use std::{
    fmt::Write,
    path::Path,
    time::{Duration, Instant},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    LiftLowerAbi, ManglingAndAbi, Resolve, WasmExport, WasmExportKind, WorldItem,
    abi::{AbiVariant, WasmType},
};

/// No load may take longer than this, whatever the file; generous, for machines that are busy.
const LONGEST_LOAD: Duration = Duration::from_secs(60);

/// What a made stage answers: the memory there is zero, which is the first case of a verdict with
/// nothing in it, or an empty manifest.
const NOTHING: &str = "i32.const 64";

/// How stages and the module around them differ from those that do nothing.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// Further fields of the module.
    pub(crate) fields: &'a str,
    /// The memory, where it is not one page.
    pub(crate) memory: Option<&'a str>,
    /// What stages do before they answer; `configure` does not.
    pub(crate) does: &'a str,
    /// What `configure` does before it answers.
    pub(crate) configures: &'a str,
}

/// The contract.
pub(crate) fn contract() -> Resolve {
    contract_with("", "")
}

/// The contract with one of its texts replaced.
pub(crate) fn contract_with(from: &str, to: &str) -> Resolve {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-handlers/wit/handler.wit");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` does not stand in the contract");
    let mut resolve = Resolve::default();
    resolve.push_str(&path, &text.replacen(from, to, 1)).unwrap();
    resolve
}

/// A core module with the exports of a world, such as `request-stage`.
pub(crate) fn core(world: &str, parts: &Parts<'_>) -> Vec<u8> {
    core_of(&contract(), world, parts)
}

/// The like for another contract.
pub(crate) fn core_of(resolve: &Resolve, world: &str, parts: &Parts<'_>) -> Vec<u8> {
    let (package, _) = resolve
        .packages
        .iter()
        .find(|(_, package)| package.name.name == "handler" || resolve.packages.len() == 1)
        .unwrap();
    let id = resolve.select_world(&[package], Some(world)).unwrap();
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let memory = parts.memory.unwrap_or(r#"(memory (export "memory") 1)"#);
    let mut text = format!(
        r#"(module {} {memory}
        (global $top (mut i32) (i32.const 1024))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
            (global.set $top (i32.add (local.get $at) (local.get 3)))
            local.get $at)"#,
        parts.fields
    );
    for (key, item) in &resolve.worlds[id].exports {
        let WorldItem::Interface { id, .. } = item else { panic!("an interface") };
        for function in resolve.interfaces[*id].functions.values() {
            let export = WasmExport::Func {
                interface: Some(key),
                func: function,
                kind: WasmExportKind::Normal,
            };
            let name = resolve.wasm_export_name(mangling, export);
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let (params, results) = (types(&signature.params), types(&signature.results));
            let does = match &name {
                // What nobody may call.
                name if name.starts_with("another:") => "unreachable",
                name if name.contains("/configure@") => parts.configures,
                _ => parts.does,
            };
            let answer = if results.is_empty() { "" } else { NOTHING };
            write!(
                text,
                "(func (export \"{name}\") (param {params}) (result {results}) {does} {answer})"
            )
            .unwrap();
        }
    }
    text.push(')');
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    embed_component_metadata(&mut module, resolve, id, StringEncoding::UTF8).unwrap();
    module
}

fn types(of: &[WasmType]) -> String {
    let name = |of: &WasmType| match of {
        WasmType::I64 | WasmType::PointerOrI64 => "i64 ",
        WasmType::F32 => "f32 ",
        WasmType::F64 => "f64 ",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32 ",
    };
    of.iter().map(name).collect()
}

/// A core module as the component that the host would make of it.
pub(crate) fn encoded(core: &[u8]) -> Vec<u8> {
    ComponentEncoder::default().module(core).unwrap().encode().unwrap()
}

/// Loads what must not be taken, and sees that the answer comes in time and points at the file.
pub(crate) fn refused(world: &World, what: &str, file: &[u8]) -> ConfigError {
    let began = Instant::now();
    match world.host.load(spec(), file) {
        Ok(_) => panic!("{what} was taken"),
        Err(error) => {
            assert_eq!(error.pointer, "/file", "{what}: {error:?}");
            assert!(began.elapsed() < LONGEST_LOAD, "{what} took {:?}", began.elapsed());
            error
        }
    }
}
