//! The module that stands between a core module which was built for WASI preview 1 and a component:
//! each function of `wasi_snapshot_preview1`, most of which say that there is no such thing here.
//!
//! It keeps nothing and has no memory of its own, so that a picture can be taken of what it is encoded
//! with. The encoder drops the functions that nobody imports.
//! Source: the witx of WASI snapshot preview 1, and its numbers of errors.

use super::PACKAGE;
use crate::component::ModuleError;
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstructionSink, MemArg, MemoryType, Module, TypeSection,
    ValType::{self, I32, I64},
};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What the functions are imported from.
pub(crate) const NAME: &str = "wasi_snapshot_preview1";

/// What the adapter itself imports: nothing that a list would have to be allocated for.
const WIT: &str = "
package paifang:wasi@0.1.0;
interface stdio { write: func(to: u32, bytes: list<u8>); }
interface clock { now: func(id: u32) -> u64; }
interface random { number: func() -> u64; }
interface process { exit: func(code: u32); }
world adapter { import stdio; import clock; import random; import process; }
";

/// No such descriptor.
const BADF: i32 = 8;
/// A parameter is wrong.
const INVAL: i32 = 28;
/// There is no such function.
const NOSYS: i32 = 52;
/// A stream has no place.
const SPIPE: i32 = 70;

/// Imported functions, by index.
const WRITE: u32 = 0;
const NOW: u32 = 1;
const NUMBER: u32 = 2;
const EXIT: u32 = 3;

/// What a function does.
#[derive(Clone, Copy)]
enum Does {
    /// Says so.
    Fail(i32),
    /// Nothing, which is a success.
    Nothing,
    /// Sets two numbers to zero: there are none, and they need no room.
    None,
    /// What its code does.
    Code(fn(&mut InstructionSink<'_>)),
}

/// Code that is more than a number, with the locals that it needs beside its parameters.
type Named = (&'static str, &'static [ValType], Does);

const FUNCTIONS: [Named; 46] = [
    ("args_get", &[I32, I32], Does::Nothing),
    ("args_sizes_get", &[I32, I32], Does::None),
    ("clock_res_get", &[I32, I32], Does::Code(clock_res_get)),
    ("clock_time_get", &[I32, I64, I32], Does::Code(clock_time_get)),
    ("environ_get", &[I32, I32], Does::Nothing),
    ("environ_sizes_get", &[I32, I32], Does::None),
    ("fd_advise", &[I32, I64, I64, I32], Does::Fail(BADF)),
    ("fd_allocate", &[I32, I64, I64], Does::Fail(BADF)),
    ("fd_close", &[I32], Does::Code(fd_close)),
    ("fd_datasync", &[I32], Does::Fail(BADF)),
    ("fd_fdstat_get", &[I32, I32], Does::Code(fd_fdstat_get)),
    ("fd_fdstat_set_flags", &[I32, I32], Does::Fail(BADF)),
    ("fd_fdstat_set_rights", &[I32, I64, I64], Does::Fail(BADF)),
    ("fd_filestat_get", &[I32, I32], Does::Fail(BADF)),
    ("fd_filestat_set_size", &[I32, I64], Does::Fail(BADF)),
    ("fd_filestat_set_times", &[I32, I64, I64, I32], Does::Fail(BADF)),
    ("fd_pread", &[I32, I32, I32, I64, I32], Does::Fail(BADF)),
    ("fd_prestat_dir_name", &[I32, I32, I32], Does::Fail(BADF)),
    ("fd_prestat_get", &[I32, I32], Does::Fail(BADF)),
    ("fd_pwrite", &[I32, I32, I32, I64, I32], Does::Fail(BADF)),
    ("fd_read", &[I32, I32, I32, I32], Does::Code(fd_read)),
    ("fd_readdir", &[I32, I32, I32, I64, I32], Does::Fail(BADF)),
    ("fd_renumber", &[I32, I32], Does::Fail(BADF)),
    ("fd_seek", &[I32, I64, I32, I32], Does::Code(fd_seek)),
    ("fd_sync", &[I32], Does::Fail(BADF)),
    ("fd_tell", &[I32, I32], Does::Code(fd_seek)),
    ("fd_write", &[I32, I32, I32, I32], Does::Code(fd_write)),
    ("path_create_directory", &[I32; 3], Does::Fail(BADF)),
    ("path_filestat_get", &[I32; 5], Does::Fail(BADF)),
    ("path_filestat_set_times", &[I32, I32, I32, I32, I64, I64, I32], Does::Fail(BADF)),
    ("path_link", &[I32; 7], Does::Fail(BADF)),
    ("path_open", &[I32, I32, I32, I32, I32, I64, I64, I32, I32], Does::Fail(BADF)),
    ("path_readlink", &[I32; 6], Does::Fail(BADF)),
    ("path_remove_directory", &[I32; 3], Does::Fail(BADF)),
    ("path_rename", &[I32; 6], Does::Fail(BADF)),
    ("path_symlink", &[I32; 5], Does::Fail(BADF)),
    ("path_unlink_file", &[I32; 3], Does::Fail(BADF)),
    ("poll_oneoff", &[I32; 4], Does::Fail(NOSYS)),
    ("proc_exit", &[I32], Does::Code(proc_exit)),
    ("proc_raise", &[I32], Does::Fail(NOSYS)),
    ("random_get", &[I32, I32], Does::Code(random_get)),
    ("sched_yield", &[], Does::Nothing),
    ("sock_accept", &[I32; 3], Does::Fail(NOSYS)),
    ("sock_recv", &[I32; 6], Does::Fail(NOSYS)),
    ("sock_send", &[I32; 5], Does::Fail(NOSYS)),
    ("sock_shutdown", &[I32; 2], Does::Fail(NOSYS)),
];

/// The adapter, with its metadata.
pub(crate) fn adapter() -> Result<Vec<u8>, ModuleError> {
    let failed = |error: String| ModuleError::Core(format!("{NAME}: {error}"));
    let mut resolve = Resolve::default();
    let package =
        resolve.push_str("wasi.wit", WIT).map_err(|error| failed(format!("{error:#}")))?;
    let world = resolve
        .select_world(&[package], Some("adapter"))
        .map_err(|error| failed(format!("{error:#}")))?;
    let mut module = code();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| failed(format!("{error:#}")))?;
    Ok(module)
}

fn code() -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    let mut imported: [(&str, &str, &[ValType], &[ValType]); 4] = [("", "", &[], &[]); 4];
    imported[WRITE as usize] = ("stdio", "write", &[I32, I32, I32], &[]);
    imported[NOW as usize] = ("clock", "now", &[I32], &[I64]);
    imported[NUMBER as usize] = ("random", "number", &[], &[I64]);
    imported[EXIT as usize] = ("process", "exit", &[I32], &[]);
    for (interface, name, params, results) in imported {
        imports.import(
            &format!("{PACKAGE}/{interface}@0.1.0"),
            name,
            EntityType::Function(types.len()),
        );
        types.ty().function(params.iter().copied(), results.iter().copied());
    }
    let memory = MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    imports.import("env", "memory", memory);
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    let mut code = CodeSection::new();
    let first = u32::try_from(imported.len()).unwrap_or_default();
    for (name, params, does) in FUNCTIONS {
        exports.export(name, ExportKind::Func, first + functions.len());
        functions.function(types.len());
        let results: &[ValType] = if name == "proc_exit" { &[] } else { &[I32] };
        types.ty().function(params.iter().copied(), results.iter().copied());
        // Two numbers for those who count something.
        let mut function = Function::new([(2, I32)]);
        let mut body = function.instructions();
        match does {
            Does::Fail(error) => {
                body.i32_const(error);
            }
            Does::Nothing => {
                body.i32_const(0);
            }
            Does::None => {
                body.local_get(0).i32_const(0).i32_store(WORD);
                body.local_get(1).i32_const(0).i32_store(WORD).i32_const(0);
            }
            Does::Code(write) => write(&mut body),
        }
        body.end();
        code.function(&function);
    }
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

const WORD: MemArg = MemArg { offset: 0, align: 2, memory_index: 0 };
const NEXT_WORD: MemArg = MemArg { offset: 4, align: 2, memory_index: 0 };
const LONG: MemArg = MemArg { offset: 0, align: 3, memory_index: 0 };
const BYTE: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

/// `return error` where what is on the stack is not zero.
fn fails_if(body: &mut InstructionSink<'_>, error: i32) {
    body.if_(BlockType::Empty).i32_const(error).return_().end();
}

/// Those of the three streams alone go on.
fn is_stream(body: &mut InstructionSink<'_>) {
    body.local_get(0).i32_const(2).i32_gt_u();
    fails_if(body, BADF);
}

/// There are two clocks: real time, and one that never goes back.
fn is_clock(body: &mut InstructionSink<'_>) {
    body.local_get(0).i32_const(1).i32_gt_u();
    fails_if(body, INVAL);
}

fn clock_res_get(body: &mut InstructionSink<'_>) {
    is_clock(body);
    body.local_get(1).i64_const(1).i64_store(LONG).i32_const(0);
}

fn clock_time_get(body: &mut InstructionSink<'_>) {
    is_clock(body);
    body.local_get(2).local_get(0).call(NOW).i64_store(LONG).i32_const(0);
}

fn fd_close(body: &mut InstructionSink<'_>) {
    is_stream(body);
    body.i32_const(0);
}

/// A character device that may be read or written, which is what libraries take for a terminal's.
fn fd_fdstat_get(body: &mut InstructionSink<'_>) {
    is_stream(body);
    let at = |offset| MemArg { offset, align: 3, memory_index: 0 };
    // The type in the first byte; read, write and poll among the rights.
    body.local_get(1).i64_const(2).i64_store(at(0));
    body.local_get(1).i64_const(1 << 1 | 1 << 6).i64_store(at(8));
    body.local_get(1).i64_const(0).i64_store(at(16)).i32_const(0);
}

/// Nothing comes from the standard input, and nothing ever will.
fn fd_read(body: &mut InstructionSink<'_>) {
    body.local_get(0);
    fails_if(body, BADF);
    body.local_get(3).i32_const(0).i32_store(WORD).i32_const(0);
}

fn fd_seek(body: &mut InstructionSink<'_>) {
    is_stream(body);
    body.i32_const(SPIPE);
}

/// Each of the pieces, and how many bytes they were.
fn fd_write(body: &mut InstructionSink<'_>) {
    const PIECES: u32 = 1;
    const LEFT: u32 = 2;
    const WRITTEN: u32 = 3;
    const TOTAL: u32 = 4;
    body.local_get(0).i32_const(1).i32_sub().i32_const(1).i32_gt_u();
    fails_if(body, BADF);
    body.block(BlockType::Empty).loop_(BlockType::Empty);
    body.local_get(LEFT).i32_eqz().br_if(1);
    body.local_get(0);
    body.local_get(PIECES).i32_load(WORD).local_get(PIECES).i32_load(NEXT_WORD).call(WRITE);
    body.local_get(TOTAL).local_get(PIECES).i32_load(NEXT_WORD).i32_add().local_set(TOTAL);
    body.local_get(PIECES).i32_const(8).i32_add().local_set(PIECES);
    body.local_get(LEFT).i32_const(1).i32_sub().local_set(LEFT);
    body.br(0).end().end();
    body.local_get(WRITTEN).local_get(TOTAL).i32_store(WORD).i32_const(0);
}

fn proc_exit(body: &mut InstructionSink<'_>) {
    body.local_get(0).call(EXIT).unreachable();
}

/// Eight bytes at a time, then one at a time.
fn random_get(body: &mut InstructionSink<'_>) {
    const AT: u32 = 0;
    const LEFT: u32 = 1;
    for (bytes, long) in [(8, true), (1, false)] {
        body.block(BlockType::Empty).loop_(BlockType::Empty);
        body.local_get(LEFT).i32_const(bytes).i32_lt_u().br_if(1);
        body.local_get(AT).call(NUMBER);
        if long {
            body.i64_store(MemArg { align: 0, ..LONG });
        } else {
            body.i64_store8(BYTE);
        }
        body.local_get(AT).i32_const(bytes).i32_add().local_set(AT);
        body.local_get(LEFT).i32_const(bytes).i32_sub().local_set(LEFT);
        body.br(0).end().end();
    }
    body.i32_const(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_module_that_keeps_nothing() {
        let module = adapter().unwrap();
        wasmparser::Validator::new().validate_all(&module).unwrap();
        for payload in wasmparser::Parser::new(0).parse_all(&module) {
            let kept = matches!(
                payload.unwrap(),
                wasmparser::Payload::GlobalSection(_)
                    | wasmparser::Payload::MemorySection(_)
                    | wasmparser::Payload::DataSection(_)
            );
            assert!(!kept);
        }
    }
}
