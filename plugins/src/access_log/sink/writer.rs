//! The writer's thread: takes lines from the queue and writes them in batches.

use super::{output::Output, shared::Shared};
use paifang_pipeline::ports::Clock;
use std::{io::Write as _, sync::atomic::Ordering::Relaxed, time::UNIX_EPOCH};

/// About how many bytes are written at once.
const BATCH: usize = 64 << 10;

/// Runs until the sink is dropped and the queue is empty.
pub(super) fn run(shared: &Shared, output: Output, clock: &dyn Clock) {
    let _end = End(shared);
    let mut writer = Writer { shared, output, clock, batch: Vec::new(), told: shared.lost_before };
    loop {
        let (ticket, stopping) = shared.asked();
        let busy = writer.empty_queue();
        shared.written(ticket);
        if stopping {
            return;
        }
        shared.rest(busy);
    }
}

/// Says that the writer has ended, also when it panics.
struct End<'a>(&'a Shared);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ended();
    }
}

struct Writer<'a> {
    shared: &'a Shared,
    output: Output,
    clock: &'a dyn Clock,
    batch: Vec<u8>,
    /// How many lost lines the log itself has told of.
    told: u64,
}

impl Writer<'_> {
    /// Writes all that is queued. Says whether there was something.
    fn empty_queue(&mut self) -> bool {
        let mut busy = false;
        loop {
            self.batch.clear();
            let mut lines = 0;
            while self.batch.len() < BATCH
                && let Some(line) = self.shared.pop()
            {
                self.batch.extend_from_slice(line.text());
                self.shared.give_spare(line);
                lines += 1;
            }
            let lost = self.shared.counts.lost.load(Relaxed);
            self.tell_lost(lost);
            if self.batch.is_empty() {
                return busy;
            }
            busy = true;
            let counts = &self.shared.counts;
            if self.output.write(&self.batch) {
                counts.written.fetch_add(lines, Relaxed);
                self.told = lost;
            } else {
                counts.lost.fetch_add(lines, Relaxed);
            }
            if lines == 0 {
                return busy;
            }
        }
    }

    /// Adds a line that tells of lost ones.
    fn tell_lost(&mut self, lost: u64) {
        if lost == self.told {
            return;
        }
        let time = humantime::format_rfc3339_millis(UNIX_EPOCH + self.clock.unix());
        let more = lost - self.told;
        // Writing to memory cannot fail.
        let _ = writeln!(
            self.batch,
            r#"{{"time":"{time}","event":"lines_lost","lost":{more},"lost_total":{lost}}}"#
        );
    }
}
