//! The gateway's own log: to standard error, with a level that can be changed while it runs.

use super::args::LogFormat;
use crate::control::LogControl;
use paifang_config::model;
use std::{
    fmt,
    io::IsTerminal,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Json, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

/// What is logged where nothing else is said.
const DEFAULT: &str = "info";

/// The target of traced calls. Somebody asked for each of their lines: they are not held back by a
/// level that says nothing of them.
const TRACES: &str = "paifang::call_trace";

/// Installs the process's log. `RUST_LOG` rules over the config's level where it is set, `format`
/// over the config's format.
pub(super) fn install(format: Option<LogFormat>) -> Result<Handle, String> {
    let from_environment = std::env::var("RUST_LOG").ok();
    let level = from_environment.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let (filter, handle) =
        reload::Layer::new(filter(&level).map_err(|why| format!("RUST_LOG: {why}"))?);
    let json = Arc::new(AtomicBool::new(format == Some(LogFormat::Json)));
    let lines = Lines {
        json: json.clone(),
        as_text: tracing_subscriber::fmt::format(),
        as_json: tracing_subscriber::fmt::format().json().flatten_event(true),
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(lines);
    let installed = tracing_subscriber::registry().with(filter).with(layer).try_init();
    installed.map_err(|why| why.to_string())?;
    Ok(Handle {
        handle,
        level: Mutex::new(level),
        json,
        level_is_pinned: from_environment.is_some(),
        format_is_pinned: format.is_some(),
    })
}

/// A level, or levels by target, as a filter.
fn filter(level: &str) -> Result<EnvFilter, String> {
    let traces = if level.contains(TRACES) { String::new() } else { format!(",{TRACES}=info") };
    EnvFilter::try_new(format!("{level}{traces}")).map_err(|why| why.to_string())
}

/// A line as text or as JSON, as the config has it at the time.
struct Lines {
    json: Arc<AtomicBool>,
    as_text: Format<Full>,
    as_json: Format<Json>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.json.load(Relaxed) {
            // Colours are for people.
            let mut line = String::with_capacity(256);
            self.as_json.format_event(context, Writer::new(&mut line), event)?;
            writer.write_str(&line)
        } else {
            self.as_text.format_event(context, writer, event)
        }
    }
}

/// Changes the level and the format of the process's log.
pub(super) struct Handle {
    handle: reload::Handle<EnvFilter, Registry>,
    /// As it was set, for those who ask.
    level: Mutex<String>,
    json: Arc<AtomicBool>,
    /// The environment has said what to log; the config does not change it.
    level_is_pinned: bool,
    /// The command line has said how.
    format_is_pinned: bool,
}

impl LogControl for Handle {
    fn level(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_level(&self, level: &str) -> Result<(), String> {
        self.handle.reload(filter(level)?).map_err(|why| why.to_string())?;
        level.clone_into(&mut self.level.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn configure(&self, log: &model::Log) -> Result<(), String> {
        if !self.format_is_pinned {
            self.json.store(log.format == model::LogFormat::Json, Relaxed);
        }
        if self.level_is_pinned { Ok(()) } else { self.set_level(log.level.value()) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::filter;

    #[test]
    fn traced_calls_are_told_at_every_level_that_says_nothing_of_them() {
        let told = |level: &str| filter(level).unwrap().to_string();
        assert!(told("error").contains("paifang::call_trace=info"));
        assert!(told("warn,paifang::call_trace=off").contains("paifang::call_trace=off"));
        assert!(!told("warn,paifang::call_trace=off").contains("paifang::call_trace=info"));
        assert!(filter("paifang=loud").is_err());
    }
}
