//! Handlers that say anything: core modules with the exports of the contract, whose code and memory
//! are arbitrary. Each stage is called within tiny limits, and what comes of it is a legal answer.

use std::fmt::Write;

use arbitrary::{Arbitrary, Result, Unstructured};
use wasm_smith::{Config, Module};

// Whoever includes this file has it at hand.
use super::wasm_world::{Shape, Signature, stages, tried, whole};

/// The first byte says whose module it is: by its first bit, one that is `written` below or one that
/// wasm-smith has `grown`; by its second, whether it is configured.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let shape = if kind & 2 == 0 { stages() } else { whole() };
    let mut data = Unstructured::new(rest);
    let module = if kind & 1 == 0 { written(shape, &mut data) } else { grown(shape, &mut data) };
    // Too few bytes for a module are none.
    if let Ok(module) = module {
        tried(&shape.with_metadata(module));
    }
}

/// Any code behind the right exports.
fn grown(shape: &Shape, data: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let config = Config {
        available_imports: Some(template(shape)),
        exports: Some(template(shape)),
        max_memories: 0,
        min_memories: 0,
        max_memory32_bytes: 1 << 20,
        memory64_enabled: false,
        multi_value_enabled: true,
        threads_enabled: false,
        tail_call_enabled: false,
        relaxed_simd_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        custom_page_sizes_enabled: false,
        shared_everything_threads_enabled: false,
        wide_arithmetic_enabled: false,
        max_tables: 1,
        allow_start_export: true,
        export_everything: false,
        // The contract has more types than is usual there.
        max_type_size: 100_000,
        max_instructions: 200,
        ..Config::default()
    };
    Ok(Module::new(config, data)?.to_bytes())
}

/// All that the contract has, without code.
fn template(shape: &Shape) -> Vec<u8> {
    let mut text = "(module".to_owned();
    for import in &shape.imports {
        let (module, name) = &import.name;
        write!(text, "(import {module:?} {name:?} (func {}))", import.wat()).unwrap();
    }
    text += r#"(memory (export "memory") 1 16)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)"#;
    for export in &shape.exports {
        write!(text, "(func (export {:?}) {} unreachable)", export.name.0, export.wat()).unwrap();
    }
    wat::parse_str(text + ")").unwrap()
}

/// Something that a function does.
#[derive(Debug, Arbitrary)]
enum Does {
    Nothing,
    Trap,
    Loop,
    Recurse,
    Grow(u16),
    /// Writes a word.
    Store(u16, u32),
    /// Writes the like for a pointer that was given.
    Copy(u16),
    /// Calls what is imported.
    Import(u8, [u32; 4]),
}

/// Simple code around a memory of any bytes, which stages answer from.
fn written(shape: &Shape, data: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut text = "(module ".to_owned();
    for (n, import) in shape.imports.iter().enumerate() {
        let (module, name) = &import.name;
        write!(text, "(import {module:?} {name:?} (func $i{n} {}))", import.wat()).unwrap();
    }
    text += r#"(memory (export "memory") 1) (global $top (mut i32) (i32.const 4096))"#;
    let realloc = match data.int_in_range(0..=5)? {
        0 => format!("i32.const {}", i32::arbitrary(data)?),
        1 => format!("i32.const {}", u16::arbitrary(data)?),
        2 => does(shape, data, 4)? + "i32.const 64",
        // What most do: it is never freed.
        _ => "(global.set $top (i32.and (i32.const -16)
            (i32.add (i32.const 15) (i32.add (global.get $top) (local.get 3)))))
            (i32.sub (global.get $top) (i32.and (i32.const -16)
            (i32.add (i32.const 15) (local.get 3))))"
            .to_owned(),
    };
    write!(
        text,
        "(func $f (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) {realloc})"
    )
    .unwrap();
    for (n, export) in shape.exports.iter().enumerate() {
        stage(&mut text, n, shape, export, data)?;
    }
    if data.ratio(1, 8)? {
        write!(text, "(start $s) (func $s {})", does(shape, data, 0)?).unwrap();
    }
    // What is left is the memory, by words: nothing, a place in it, a small number, or any.
    text += "(data (i32.const 64) \"";
    let words = data.len().min(8 << 10) / 4;
    for word in data.bytes(words * 4)?.chunks_exact(4) {
        let word = match word[0] % 4 {
            0 => [0; 4],
            1 => (u32::from(word[1]) * 16).to_le_bytes(),
            2 => u32::from(word[1] % 12).to_le_bytes(),
            _ => [word[0], word[1], word[2], word[3]],
        };
        for byte in word {
            write!(text, "\\{byte:02x}").unwrap();
        }
    }
    Ok(wat::parse_str(text + "\"))").unwrap())
}

fn stage(
    text: &mut String,
    n: usize,
    shape: &Shape,
    export: &Signature,
    data: &mut Unstructured<'_>,
) -> Result<()> {
    write!(text, "(func $e{n} (export {:?}) {}", export.name.0, export.wat()).unwrap();
    for _ in 0..data.int_in_range(0..=2)? {
        *text += &does(shape, data, export.params.len())?;
    }
    if export.is_configure() && data.ratio(3, 4)? {
        *text += &shape.manifest;
    } else if export.result.is_some() {
        // Mostly within the memory that was written to, and aligned.
        let at = match data.int_in_range(0..=9)? {
            0 => i32::arbitrary(data)?,
            1 => i32::from(u16::arbitrary(data)?),
            _ => 64 + i32::from(u8::arbitrary(data)?) * 8,
        };
        write!(text, "i32.const {at}").unwrap();
    }
    *text += ")";
    if export.result.is_some() && data.ratio(1, 4)? {
        let does = does(shape, data, 1)?;
        write!(text, "(func (export \"cabi_post_{}\") (param i32) {does})", export.name.0).unwrap();
    }
    Ok(())
}

fn does(shape: &Shape, data: &mut Unstructured<'_>, params: usize) -> Result<String> {
    Ok(match Does::arbitrary(data)? {
        Does::Nothing => String::new(),
        Does::Trap => "unreachable ".to_owned(),
        Does::Loop => "(loop br 0) ".to_owned(),
        Does::Recurse => {
            "(drop (call $f (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 9))) ".to_owned()
        }
        Does::Grow(pages) => format!("(drop (memory.grow (i32.const {pages}))) "),
        Does::Store(at, word) => {
            format!("(i32.store (i32.const {at}) (i32.const {word})) ", word = word.cast_signed())
        }
        Does::Copy(at) if params > 0 => {
            format!("(memory.copy (i32.const {at}) (local.get 0) (i32.const 256)) ")
        }
        Does::Copy(_) => String::new(),
        Does::Import(n, values) => {
            let imports = &shape.imports;
            let n = usize::from(n) % imports.len();
            let mut call = format!("(call $i{n}");
            for (at, param) in imports[n].params.iter().enumerate() {
                let value = values[at % values.len()];
                // Small numbers are places and lengths that may be right.
                let value = if value % 4 == 0 { value } else { value % 4096 };
                let value = if param.starts_with('f') { value % 99 } else { value };
                match *param {
                    "i32" => write!(call, "(i32.const {})", value.cast_signed()),
                    ty => write!(call, "({ty}.const {value})"),
                }
                .unwrap();
            }
            call += ")";
            if imports[n].result.is_some() { format!("(drop {call}) ") } else { call + " " }
        }
    })
}
