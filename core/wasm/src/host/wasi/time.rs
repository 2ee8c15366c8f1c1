//! `wasi:clocks` and `wasi:random`: the gateway's clocks and the system's generator, where granted.

// The derived traits say how the records are laid out.
#![allow(unsafe_code)]

use crate::{
    env::Ctx,
    host::{
        misuse,
        random::{fill, number},
    },
    settings::Grants,
};
use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Linker, Lower},
};

/// The most random bytes at once.
const MOST: u64 = 64 << 10;

/// Since the Unix epoch.
#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Store<'a> = StoreContextMut<'a, Ctx>;

pub(super) fn link(linker: &mut Linker<Ctx>, grants: &Grants) -> wasmtime::Result<()> {
    if grants.clock {
        clocks(linker)?;
    }
    if grants.random {
        random(linker)?;
    }
    Ok(())
}

fn clocks(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    let mut wall = linker.instance("wasi:clocks/wall-clock@0.2.0")?;
    wall.func_wrap("now", |store: Store<'_>, (): ()| {
        let now = store.data().env.clock.unix();
        Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
    })?;
    wall.func_wrap("resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))?;
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.0")?;
    monotonic.func_wrap("now", |store: Store<'_>, (): ()| Ok((store.data().env.clock.now().0,)))?;
    monotonic.func_wrap("resolution", |_, (): ()| Ok((1_u64,)))?;
    monotonic.func_wrap("subscribe-instant", |mut store: Store<'_>, (at,): (u64,)| {
        Ok((store.data_mut().due_at(at)?,))
    })?;
    monotonic.func_wrap("subscribe-duration", |mut store: Store<'_>, (span,): (u64,)| {
        let now = store.data().env.clock.now().0;
        Ok((store.data_mut().due_at(now.saturating_add(span))?,))
    })
}

fn random(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    // What WASI calls insecure may be as good as the other.
    for (interface, name) in [("random", "random"), ("insecure", "insecure-random")] {
        let mut to = linker.instance(&format!("wasi:random/{interface}@0.2.0"))?;
        to.func_wrap(&format!("get-{name}-bytes"), |_, (count,): (u64,)| {
            if count > MOST {
                return misuse(format!("random bytes: {count} at once, at most {MOST}"));
            }
            let mut bytes = vec![0; usize::try_from(count)?];
            fill(&mut bytes)?;
            Ok((bytes,))
        })?;
        to.func_wrap(&format!("get-{name}-u64"), |_, (): ()| Ok((number()?,)))?;
    }
    linker
        .instance("wasi:random/insecure-seed@0.2.0")?
        .func_wrap("insecure-seed", |_, (): ()| Ok(((number()?, number()?),)))
}
