//! `metrics`: numbers of the handler's own.

use super::{Mode, misuse};
use crate::env::{Ctx, Phase};
use wasmtime::component::LinkerInstance;

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, _: Mode) -> wasmtime::Result<()> {
    to.func_wrap("count", |store, (name, by): (String, u64)| {
        let ctx = store.data();
        known(ctx.phase == Phase::Configure || ctx.env.stats.count(&name, by), &name)
    })?;
    to.func_wrap("observe", |store, (name, value): (String, u64)| {
        let ctx = store.data();
        known(ctx.phase == Phase::Configure || ctx.env.stats.observe(&name, value), &name)
    })
}

fn known(known: bool, name: &str) -> wasmtime::Result<()> {
    if known {
        return Ok(());
    }
    let name: String = name.chars().take(64).collect();
    misuse(format!(
        "metric `{name}`: names are `[a-z][a-z0-9_]*` of at most 64 bytes, at most 32 of them, \
         each either a counter or a histogram"
    ))
}
