//! What handlers may call: a file for each interface that the contract imports.
//!
//! Only what is granted is linked, so that an import without its grant cannot even be instantiated.
//! A misuse that a handler could have avoided traps; what the world does to it is a result.

mod clock;
mod crypto;
pub(crate) mod http;
mod kv;
mod logging;
mod metrics;
mod random;
pub(crate) mod wasi;

use crate::{
    budget::Budget,
    contract::{PACKAGE, VERSION},
    env::Ctx,
    settings::Grants,
};
use std::{future::Future, time::Instant};
use wasmtime::{
    StoreContextMut,
    component::{Linker, LinkerInstance},
};

/// Whether handlers may wait, in which case they run on a stack of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All imports answer at once.
    Sync,
    /// Some may take their time.
    Async,
}

/// Links what is granted.
pub(crate) fn link(linker: &mut Linker<Ctx>, grants: &Grants, mode: Mode) -> wasmtime::Result<()> {
    type Part = fn(&mut LinkerInstance<'_, Ctx>, Mode) -> wasmtime::Result<()>;
    let parts: [(&str, Part); 7] = [
        ("logging", logging::link),
        ("clock", clock::link),
        ("random", random::link),
        ("kv", kv::link),
        ("crypto", crypto::link),
        ("metrics", metrics::link),
        ("http", http::link),
    ];
    for (name, part) in parts {
        if grants.has(name) {
            part(&mut linker.instance(&format!("{PACKAGE}/{name}@{VERSION}"))?, mode)?;
        }
    }
    wasi::link(linker, grants)
}

/// Waits for a future. Waiting is no computing: afterwards the call may compute as long as at first,
/// and how long it may take in all is bounded elsewhere.
async fn waited<T>(mut store: StoreContextMut<'_, Ctx>, future: impl Future<Output = T>) -> T {
    let value = future.await;
    let ctx = store.data_mut();
    ctx.budget = Budget::new(ctx.budget.limit(), Instant::now());
    ctx.env.ticker.begin();
    store.set_epoch_deadline(1);
    value
}

/// A misuse of the host: the call traps with this.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misuse(pub(crate) String);

/// Ends a call for a misuse.
pub(crate) fn misuse<T>(message: impl Into<String>) -> wasmtime::Result<T> {
    Err(wasmtime::Error::new(Misuse(message.into())))
}
