//! `access_log`: one JSON line a call, written off the hot path.
//!
//! A line is begun when the call comes to the step, before anything below changes the request, and
//! ended at the `log` stage, in a buffer that is used again for other calls. Then it is queued for
//! the one writer of its destination. Nothing here waits: where the writer cannot keep up, lines
//! are lost and counted.

mod config;
mod line;
mod record;
mod redact;
mod sink;
#[cfg(test)]
mod tests;

pub use config::{AccessLogConfig, Always, Destination, Field, LoggedHeaders, Redact};

use line::Line;
use paifang_pipeline::{
    BuildContext, Built, ConfigError, Exchange, Handler, LogCall, Outcome, Plugin, PluginCounter,
    RequestCall, ResponseCall, ResponseVerdict, Stages, Termination, Verdict, mix, ports::Spawn,
    units::Percent,
};
use record::Record;
use sink::{Sink, Sinks};
use std::sync::Arc;

/// Makes every step's sample the same calls, and other dice than those of `when: share`.
const SAMPLE_SALT: u64 = 0x6163_6365_7373_6c6f;
/// What the step notes of a call that is not to be logged.
const SKIPPED: u64 = 1;

/// The plugin. Docs: `docs/plugins/access_log.md`. It holds the gateway's sinks, so that steps,
/// also of older and newer releases, share them.
#[derive(Default)]
pub struct AccessLog {
    sinks: Sinks,
}

impl Plugin for AccessLog {
    type Config = AccessLogConfig;

    fn kind(&self) -> &'static str {
        "access_log"
    }

    fn counters(&self) -> Vec<PluginCounter> {
        self.sinks.counters()
    }

    fn protects(&self) -> bool {
        false
    }

    fn build(
        &self,
        config: AccessLogConfig,
        context: &BuildContext<'_>,
    ) -> Result<Built, ConfigError> {
        if config.sink == Destination::File(std::path::PathBuf::new()) {
            return Err(ConfigError::at("/sink/file", "a file without a name"));
        }
        Ok(Built::new(Logger {
            record: Record::new(&config, context.api)?,
            sample: config.sample,
            errors: config.always.errors,
            slower_than: config
                .always
                .slower_than
                .map(|limit| u64::try_from(limit.get().as_nanos()).unwrap_or(u64::MAX)),
            sink: self.sinks.get(&config.sink, context.clock),
        }))
    }
}

/// A step that logs.
struct Logger {
    record: Record,
    sample: Percent,
    errors: bool,
    /// In nanoseconds.
    slower_than: Option<u64>,
    sink: Arc<Sink>,
}

impl Handler for Logger {
    fn stages(&self) -> Stages {
        let stages = Stages::REQUEST.and(Stages::LOG);
        if self.record.wants_response() { stages.and(Stages::RESPONSE) } else { stages }
    }

    fn request(&self, call: &mut RequestCall<'_>) -> Verdict {
        match self.begin(call) {
            Some(line) => call.keep_boxed(line),
            None => *call.word() = SKIPPED,
        }
        Verdict::Continue
    }

    fn response(&self, call: &mut ResponseCall<'_>) -> ResponseVerdict {
        if let Some(mut line) = call.take_kept::<Line>() {
            self.record.response(&mut line, &call.response().headers);
            call.keep_boxed(line);
        }
        ResponseVerdict::Continue
    }

    fn log(&self, call: &mut LogCall<'_>) {
        let line = match call.take_kept::<Line>() {
            Some(line) => line,
            None if *call.word() == SKIPPED => return,
            // A step above has answered: the call never came here.
            None => match self.begin(call) {
                Some(line) => line,
                None => return,
            },
        };
        self.end(line, call);
    }

    fn start(&self, _: &Arc<dyn Spawn>) -> Result<(), String> {
        self.sink.start()
    }
}

impl Logger {
    /// A line with what is known so far; `None` where the call is not logged, whatever comes of it.
    fn begin(&self, call: &Exchange) -> Option<Box<Line>> {
        let sampled = self.sample.includes(mix(call.facts().entropy, SAMPLE_SALT));
        if !sampled && !self.errors && self.slower_than.is_none() {
            return None;
        }
        let mut line = self.sink.line();
        line.sampled = sampled;
        self.record.arrival(&mut line, call);
        Some(line)
    }

    /// Ends the line and sends it off, or drops it.
    fn end(&self, mut line: Box<Line>, call: &Exchange) {
        let outcome = call.outcome();
        let slow = self.slower_than.is_some_and(|limit| outcome.total_nanos > limit);
        let wanted = line.sampled || slow || (self.errors && is_error(outcome));
        if !wanted {
            self.sink.discard(line);
            return;
        }
        self.record.outcome(&mut line, call);
        self.sink.push(line);
    }
}

/// Whether the gateway or the upstream is at fault.
fn is_error(outcome: &Outcome) -> bool {
    let broke_off = match outcome.termination {
        Termination::Completed | Termination::ClientGone => false,
        Termination::OriginBrokeOff
        | Termination::HandlerBrokeOff
        | Termination::Superseded
        | Termination::Dropped => true,
    };
    broke_off || outcome.status.is_some_and(|status| status.is_server_error())
}
