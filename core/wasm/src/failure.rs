//! Why a call of a handler came to nothing, and what the chain is told.

use crate::{env::Ctx, host::Misuse, settings::Spec, stats::Stats};
use paifang_pipeline::Failure;
use std::{borrow::Cow, sync::atomic::Ordering::Relaxed};
use wasmtime::Trap;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It computed longer than it may.
    #[error("cut after computing for {0:?}")]
    Timeout(std::time::Duration),
    /// It waited longer than it may.
    #[error("cut after {0:?} in all")]
    WallTimeout(std::time::Duration),
    /// It wanted more than it may have.
    #[error("wanted more {what} than its limit of {limit}")]
    Overrun {
        /// Of what.
        what: &'static str,
        /// How much it may have.
        limit: usize,
    },
    /// It trapped: a panic, a bad access, its stack used up, a misuse of the host.
    #[error("trapped: {0}")]
    Trap(String),
    /// It said `fail`.
    #[error("{0}")]
    Said(String),
    /// What it said cannot be done.
    #[error("said what no chain may follow: {0}")]
    Illegal(Cow<'static, str>),
    /// A body is larger than it may be given.
    #[error("a body of {0} bytes, more than its limit")]
    Body(usize),
    /// As many instances run as may.
    #[error("{0} instances are running, as many as may")]
    Crowded(u32),
    /// It has failed too often lately.
    #[error("left alone for a while, for it kept failing")]
    Broken,
}

impl CallError {
    /// Whether it is the handler that is broken, so that its breaker counts the call.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_)
                | Self::WallTimeout(_)
                | Self::Overrun { .. }
                | Self::Trap(_)
                | Self::Illegal(_)
        )
    }

    /// Counts it.
    pub(crate) fn count(&self, stats: &Stats) {
        let counter = match self {
            Self::Timeout(_) => &stats.timeouts,
            Self::WallTimeout(_) => &stats.wall_timeouts,
            Self::Overrun { .. } => &stats.overruns,
            Self::Trap(_) => &stats.traps,
            Self::Illegal(_) => &stats.illegal,
            Self::Crowded(_) => &stats.crowded,
            Self::Broken => &stats.broken,
            Self::Said(_) | Self::Body(_) => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// What ended a call of compiled code.
    pub(crate) fn of(error: &wasmtime::Error, ctx: &Ctx) -> Self {
        if let Some(Trap::Interrupt) = error.downcast_ref::<Trap>() {
            return Self::Timeout(ctx.budget.limit());
        }
        // A guest whose memory may not grow gives up by a trap of its own.
        if let Some(what) = ctx.memory.exceeded {
            return Self::overrun(what, &ctx.env.spec);
        }
        let text = if let Some(misuse) = error.downcast_ref::<Misuse>() {
            misuse.to_string()
        } else if let Some(trap) = error.downcast_ref::<Trap>() {
            trap.to_string()
        } else {
            without_backtrace(error)
        };
        // The engine has no type for it that could be asked for.
        if text.contains("fuel allocated for hostcalls") {
            let most = ctx.env.spec.limits.handed_bytes();
            return Self::Trap(format!("handed over more than {most} bytes at once"));
        }
        Self::Trap(text)
    }

    pub(crate) fn overrun(what: &'static str, spec: &Spec) -> Self {
        let limit = match what {
            "table" => spec.limits.table_elements,
            _ => spec.limits.memory_bytes,
        };
        Self::Overrun { what, limit }
    }

    /// What `on_failure` judges.
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Trap(_) | Self::Said(_) | Self::Illegal(_) => Failure::failed(self.to_string()),
            _ => Failure::unavailable(self.to_string()),
        }
    }
}

/// The root of an error; the frames above it say where, which is of no use without symbols.
fn without_backtrace(error: &wasmtime::Error) -> String {
    error.chain().last().map(ToString::to_string).unwrap_or_default()
}
