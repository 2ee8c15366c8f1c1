//! `wasi:cli`: no arguments, no variables, no terminal; three streams, and an end that is a trap.

use super::{
    handles::{InputStream, OutputStream, TerminalInput, TerminalOutput},
    io::resource,
};
use crate::{env::Ctx, host::misuse};
use wasmtime::{
    StoreContextMut,
    component::{Linker, Resource},
};

type Store<'a> = StoreContextMut<'a, Ctx>;

pub(super) fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.0")?;
    environment.func_wrap("get-environment", |_, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    environment.func_wrap("get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    environment.func_wrap("initial-cwd", |_, (): ()| Ok((None::<String>,)))?;
    let mut exit = linker.instance("wasi:cli/exit@0.2.0")?;
    exit.func_wrap("exit", |_, (status,): (Result<(), ()>,)| {
        misuse::<()>(format!("exit, with {}", u8::from(status.is_err())))
    })?;
    exit.func_wrap("exit-with-code", |_, (code,): (u8,)| {
        misuse::<()>(format!("exit, with {code}"))
    })?;
    linker
        .instance("wasi:cli/stdin@0.2.0")?
        .func_wrap("get-stdin", |mut store: Store<'_>, (): ()| {
            Ok((store.data_mut().own::<InputStream>(0)?,))
        })?;
    for (name, function, number) in
        [("stdout", "get-stdout", 1), ("stderr", "get-stderr", super::stdio::STDERR)]
    {
        linker.instance(&format!("wasi:cli/{name}@0.2.0"))?.func_wrap(
            function,
            move |mut store: Store<'_>, (): ()| {
                Ok((store.data_mut().own::<OutputStream>(number)?,))
            },
        )?;
    }
    resource::<TerminalInput>(
        &mut linker.instance("wasi:cli/terminal-input@0.2.0")?,
        "terminal-input",
    )?;
    resource::<TerminalOutput>(
        &mut linker.instance("wasi:cli/terminal-output@0.2.0")?,
        "terminal-output",
    )?;
    linker
        .instance("wasi:cli/terminal-stdin@0.2.0")?
        .func_wrap("get-terminal-stdin", |_, (): ()| Ok((None::<Resource<TerminalInput>>,)))?;
    for name in ["stdout", "stderr"] {
        linker
            .instance(&format!("wasi:cli/terminal-{name}@0.2.0"))?
            .func_wrap(&format!("get-terminal-{name}"), |_, (): ()| {
                Ok((None::<Resource<TerminalOutput>>,))
            })?;
    }
    Ok(())
}
