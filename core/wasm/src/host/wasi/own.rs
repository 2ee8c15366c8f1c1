//! What the adapter for preview 1 imports.

use super::{PACKAGE, stdio};
use crate::{
    env::Ctx,
    host::{misuse, random::number},
    settings::Grants,
};
use wasmtime::component::{Linker, WasmList};

pub(super) fn link(linker: &mut Linker<Ctx>, grants: &Grants) -> wasmtime::Result<()> {
    linker.instance(&format!("{PACKAGE}/stdio@0.1.0"))?.func_wrap(
        "write",
        |mut store, (to, bytes): (u32, WasmList<u8>)| {
            stdio::write_list(&mut store, to, &bytes);
            Ok(())
        },
    )?;
    linker
        .instance(&format!("{PACKAGE}/process@0.1.0"))?
        .func_wrap("exit", |_, (code,): (u32,)| misuse::<()>(format!("exit, with {code}")))?;
    if grants.clock {
        linker.instance(&format!("{PACKAGE}/clock@0.1.0"))?.func_wrap(
            "now",
            |store, (id,): (u32,)| {
                let clock = &store.data().env.clock;
                let nanos = match id {
                    0 => u64::try_from(clock.unix().as_nanos()).unwrap_or(u64::MAX),
                    _ => clock.now().0,
                };
                Ok((nanos,))
            },
        )?;
    }
    if grants.random {
        linker
            .instance(&format!("{PACKAGE}/random@0.1.0"))?
            .func_wrap("number", |_, (): ()| Ok((number()?,)))?;
    }
    Ok(())
}
