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
    Function, Int, LiftLowerAbi, ManglingAndAbi, Resolve, SizeAlign, Type, TypeDefKind, WasmExport,
    WasmExportKind, WorldItem,
    abi::{AbiVariant, WasmType},
};

/// No load may take longer than this, whatever the file; generous, for machines that are busy.
const LONGEST_LOAD: Duration = Duration::from_secs(60);

/// What a made stage answers: the memory there is zero, which is the first case of a verdict with
/// nothing in it.
const NOTHING: &str = "i32.const 64";
/// Where `configure` writes its manifest.
const MANIFEST: usize = 512;

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
            let types = signature(resolve, AbiVariant::GuestExport, function);
            let does = match &name {
                // What nobody may call.
                name if name.starts_with("another:") => "unreachable",
                name if name.contains("/configure@") => {
                    let (configures, manifest) = (parts.configures, manifest(resolve, function));
                    write!(text, "(func (export \"{name}\") {types} {configures} {manifest})")
                        .unwrap();
                    continue;
                }
                _ => parts.does,
            };
            let answer = if types.contains("result") { NOTHING } else { "" };
            write!(text, "(func (export \"{name}\") {types} {does} {answer})").unwrap();
        }
    }
    text.push(')');
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    embed_component_metadata(&mut module, resolve, id, StringEncoding::UTF8).unwrap();
    module
}

/// Code that writes a manifest which asks for every stage and nothing of it.
fn manifest(resolve: &Resolve, configure: &Function) -> String {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let kind = |ty: &Type| match ty {
        Type::Id(id) => {
            let mut kind = &resolve.types[*id].kind;
            while let TypeDefKind::Type(Type::Id(id)) = kind {
                kind = &resolve.types[*id].kind;
            }
            kind.clone()
        }
        _ => panic!("a type with a name"),
    };
    let TypeDefKind::Result(result) = kind(configure.result.as_ref().unwrap()) else {
        panic!("a result")
    };
    let manifest = result.ok.unwrap();
    let at = sizes.payload_offset(Int::U8, [result.ok.as_ref(), result.err.as_ref()]);
    let TypeDefKind::Record(record) = kind(&manifest) else { panic!("a record") };
    let mut text = String::new();
    for (offset, ty) in sizes.field_offsets(record.fields.iter().map(|field| &field.ty)) {
        if matches!(ty, Type::Id(_)) && matches!(kind(ty), TypeDefKind::Option(_)) {
            let at = MANIFEST + at.size_wasm32() + offset.size_wasm32();
            write!(text, "(i32.store8 (i32.const {at}) (i32.const 1))").unwrap();
        }
    }
    text + &format!("i32.const {MANIFEST}")
}

/// The parameters and results of a function in a core module, as WAT.
pub(crate) fn signature(resolve: &Resolve, variant: AbiVariant, function: &Function) -> String {
    let name = |of: &WasmType| match of {
        WasmType::I64 | WasmType::PointerOrI64 => "i64 ",
        WasmType::F32 => "f32 ",
        WasmType::F64 => "f64 ",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32 ",
    };
    let types = |of: &[WasmType]| of.iter().map(name).collect::<String>();
    let signature = resolve.wasm_signature(variant, function);
    let mut text = format!("(param {})", types(&signature.params));
    if !signature.results.is_empty() {
        write!(text, "(result {})", types(&signature.results)).unwrap();
    }
    text
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
