//! `logging`: lines in the gateway's log.

// The derived traits say how the contract's records are laid out.
#![allow(unsafe_code)]
// Variants are made by lifting, not by name.
#![allow(dead_code)]

use super::Mode;
use crate::env::{Ctx, Env};
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::component::{ComponentType, Lift, LinkerInstance};

/// The longest line, in bytes; what is beyond is cut.
pub(super) const LONGEST: usize = 4 * 1024;

#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

pub(super) fn link(to: &mut LinkerInstance<'_, Ctx>, _: Mode) -> wasmtime::Result<()> {
    to.func_wrap("write", |store, (level, message): (Level, String)| {
        write(&store.data().env, level, &message);
        Ok(())
    })
}

/// Writes a line, if the rate lets it.
pub(super) fn write(env: &Env, level: Level, message: &str) {
    if !env.stats.log.admit(env.clock.unix(), env.spec.limits.log_per_second) {
        env.stats.log_dropped.fetch_add(1, Relaxed);
        return;
    }
    let message = &message[..message.floor_char_boundary(LONGEST)];
    let handler = &*env.spec.name;
    match level {
        Level::Trace => tracing::trace!(target: "paifang::handler", handler, "{message}"),
        Level::Debug => tracing::debug!(target: "paifang::handler", handler, "{message}"),
        Level::Info => tracing::info!(target: "paifang::handler", handler, "{message}"),
        Level::Warn => tracing::warn!(target: "paifang::handler", handler, "{message}"),
        Level::Error => tracing::error!(target: "paifang::handler", handler, "{message}"),
    }
}
