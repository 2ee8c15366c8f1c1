//! Where lines go: a bounded queue that callers never wait for, and one thread behind it that
//! writes. A file that is slow, full or gone costs lines, which are counted, never calls.

mod output;
mod shared;
#[cfg(test)]
mod tests;
mod writer;

use super::{config::Destination, line::Line};
use output::Output;
use paifang_pipeline::{PluginCounter, ports::Clock};
use parking_lot::Mutex;
use shared::Shared;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How many lines may wait for the writer. At some 500 bytes a line these are 4 MiB.
const QUEUE: usize = 8192;
/// How long dropping a sink waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What was written and lost at one destination, over all its sinks.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) written: AtomicU64,
    pub(super) lost: AtomicU64,
}

/// How a sink behaves; tests have their own ways.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    /// How many lines may wait.
    pub(super) queue: usize,
    /// How often it is looked whether the file was moved away.
    pub(super) check: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { queue: QUEUE, check: Duration::from_secs(1) }
    }
}

/// The sinks of one gateway: steps with the same destination share one, also across reloads.
#[derive(Default)]
pub(super) struct Sinks {
    options: Options,
    known: Mutex<BTreeMap<Destination, Known>>,
}

struct Known {
    counts: Arc<Counts>,
    sink: Weak<Sink>,
}

impl Sinks {
    #[cfg(test)]
    pub(super) fn with_options(options: Options) -> Self {
        Self { options, known: Mutex::default() }
    }

    /// The sink of a destination. Nothing is opened here.
    pub(super) fn get(&self, destination: &Destination, clock: &Arc<dyn Clock>) -> Arc<Sink> {
        let mut known = self.known.lock();
        let entry = known
            .entry(destination.clone())
            .or_insert_with(|| Known { counts: Arc::default(), sink: Weak::new() });
        if let Some(sink) = entry.sink.upgrade() {
            return sink;
        }
        let sink = Arc::new(Sink {
            destination: destination.clone(),
            options: self.options,
            clock: clock.clone(),
            shared: Arc::new(Shared::new(self.options.queue, entry.counts.clone())),
            thread: Mutex::new(None),
        });
        entry.sink = Arc::downgrade(&sink);
        sink
    }

    /// The counts of every destination there has been.
    pub(super) fn counters(&self) -> Vec<PluginCounter> {
        let counter = |name, help, sink: &Destination, count: &AtomicU64| PluginCounter {
            name,
            help,
            label: Some(("sink", sink.to_string())),
            value: count.load(Relaxed),
        };
        let known = self.known.lock();
        let written = known.iter().map(|(sink, entry)| {
            let help = "Lines of the access log that were written.";
            counter("paifang_access_log_lines_total", help, sink, &entry.counts.written)
        });
        let lost = known.iter().map(|(sink, entry)| {
            let help =
                "Lines of the access log that were lost: the queue was full, or writing failed.";
            counter("paifang_access_log_lost_lines_total", help, sink, &entry.counts.lost)
        });
        written.chain(lost).collect()
    }
}

/// One destination's queue and writer. Dropping the last reference writes what is queued.
pub(super) struct Sink {
    destination: Destination,
    options: Options,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sink {
    /// Opens the destination and starts the writer, the first time.
    ///
    /// # Errors
    /// A sentence, when the file cannot be opened or the thread not started.
    pub(super) fn start(&self) -> Result<(), String> {
        let mut thread = self.thread.lock();
        if thread.is_some() {
            return Ok(());
        }
        let output = Output::open(&self.destination, self.options.check)
            .map_err(|error| format!("cannot open the access log {}: {error}", self.destination))?;
        let (shared, clock) = (self.shared.clone(), self.clock.clone());
        let started = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer::run(&shared, output, &*clock));
        let handle = started.map_err(|error| format!("cannot start a writer: {error}"))?;
        self.shared.set_writer(handle.thread().clone());
        *thread = Some(handle);
        Ok(())
    }

    /// An empty line, used before where possible.
    pub(super) fn line(&self) -> Box<Line> {
        self.shared.take_spare()
    }

    /// Gives a line back unwritten.
    pub(super) fn discard(&self, line: Box<Line>) {
        self.shared.give_spare(line);
    }

    /// Queues a line; counts it as lost where the queue is full. Never waits.
    pub(super) fn push(&self, line: Box<Line>) {
        self.shared.push(line);
    }

    /// Waits until what has been queued so far is written. Says whether it was in time.
    #[cfg(test)]
    pub(super) fn flush(&self, within: Duration) -> bool {
        self.shared.flush(within)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let Some(thread) = self.thread.get_mut().take() else { return };
        if !self.shared.stop(LAST_LINES) {
            tracing::warn!(sink = %self.destination, "the access log's last lines are not written yet");
        } else if thread.join().is_err() {
            tracing::error!(sink = %self.destination, "the access log's writer panicked");
        }
    }
}
