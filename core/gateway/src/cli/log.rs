//! The gateway's own log: to standard error, with a level that can be changed while it runs.

use super::args::LogFormat;
use crate::control::LogControl;
use std::io::IsTerminal;
use tracing_subscriber::{
    EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// What is logged where nothing else is said.
const DEFAULT: &str = "info";

/// Installs the process's log. `RUST_LOG` rules over the config where it is set.
pub(super) fn install(format: LogFormat) -> Result<Handle, String> {
    let from_environment = std::env::var("RUST_LOG").ok();
    let text = from_environment.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&text).map_err(|why| format!("RUST_LOG: {why}"))?;
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    installed.map_err(|why| why.to_string())?;
    Ok(Handle { handle, pinned: from_environment.is_some() })
}

/// Changes the level of the process's log.
pub(super) struct Handle {
    handle: reload::Handle<EnvFilter, Registry>,
    /// The environment has said what to log; the config does not change it.
    pinned: bool,
}

impl LogControl for Handle {
    fn level(&self) -> String {
        self.handle.with_current(ToString::to_string).unwrap_or_default()
    }

    fn set_level(&self, level: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(level).map_err(|why| why.to_string())?;
        self.handle.reload(filter).map_err(|why| why.to_string())
    }

    fn configure(&self, level: &str) -> Result<(), String> {
        if self.pinned { Ok(()) } else { self.set_level(level) }
    }
}
