//! `clock`: the gateway's clocks.

use super::Mode;
use crate::env::Ctx;
use wasmtime::component::LinkerInstance;

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, _: Mode) -> wasmtime::Result<()> {
    to.func_wrap("unix-nanos", |store, (): ()| {
        let nanos = store.data().env.clock.unix().as_nanos();
        Ok((u64::try_from(nanos).unwrap_or(u64::MAX),))
    })?;
    to.func_wrap("monotonic-nanos", |store, (): ()| Ok((store.data().env.clock.now().0,)))
}
