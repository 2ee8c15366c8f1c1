//! What callers and the writer share: the queue, used lines, and who sleeps.
//!
//! A caller wakes the writer only where the writer has said that it sleeps, so a busy log costs its
//! callers no system call.

use super::{super::line::Line, Counts};
use crossbeam_queue::ArrayQueue;
use parking_lot::{Condvar, Mutex};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How many used lines are kept.
const SPARES: usize = 1024;
/// How long the writer lets lines gather after it wrote some, before it looks again.
const GATHER: Duration = Duration::from_millis(10);

pub(super) struct Shared {
    queue: ArrayQueue<Box<Line>>,
    spares: ArrayQueue<Box<Line>>,
    pub(super) counts: Arc<Counts>,
    /// How many lines earlier sinks of the destination have lost.
    pub(super) lost_before: u64,
    writer: OnceLock<Thread>,
    /// The writer sleeps until it is woken.
    asleep: AtomicBool,
    stopping: AtomicBool,
    progress: Mutex<Progress>,
    moved: Condvar,
}

/// How far the writer has come.
#[derive(Default)]
struct Progress {
    /// Tickets given to those who wait for their lines.
    asked: u64,
    /// The last ticket whose lines are written.
    done: u64,
    /// The writer has ended.
    ended: bool,
}

impl Shared {
    pub(super) fn new(queue: usize, counts: Arc<Counts>) -> Self {
        Self {
            queue: ArrayQueue::new(queue.max(1)),
            spares: ArrayQueue::new(SPARES),
            lost_before: counts.lost.load(Relaxed),
            counts,
            writer: OnceLock::new(),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            progress: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    pub(super) fn set_writer(&self, writer: Thread) {
        // A sink starts its writer once.
        let _ = self.writer.set(writer);
    }

    pub(super) fn take_spare(&self) -> Box<Line> {
        self.spares.pop().unwrap_or_default()
    }

    pub(super) fn give_spare(&self, line: Box<Line>) {
        if line.is_worth_keeping() {
            // Beyond what is kept, the line is freed.
            let _ = self.spares.push(line);
        }
    }

    pub(super) fn push(&self, line: Box<Line>) {
        if let Err(line) = self.queue.push(line) {
            self.counts.lost.fetch_add(1, Relaxed);
            self.give_spare(line);
            return;
        }
        // Pairs with the fence in `rest`: either this sees that the writer sleeps, or the writer
        // sees the line before it does.
        fence(SeqCst);
        if self.asleep.load(Relaxed) && self.asleep.swap(false, Relaxed) {
            self.wake();
        }
    }

    pub(super) fn pop(&self) -> Option<Box<Line>> {
        self.queue.pop()
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// The latest ticket, and whether the sink is being dropped. The writer asks before it empties
    /// the queue, so that what was queued before either is in what it then takes.
    pub(super) fn asked(&self) -> (u64, bool) {
        let stopping = self.stopping.load(Acquire);
        (self.progress.lock().asked, stopping)
    }

    /// The queue has been emptied since `ticket` was given.
    pub(super) fn written(&self, ticket: u64) {
        let mut progress = self.progress.lock();
        if progress.done != ticket {
            progress.done = ticket;
            self.moved.notify_all();
        }
    }

    /// The writer has ended, one way or other.
    pub(super) fn ended(&self) {
        self.progress.lock().ended = true;
        self.moved.notify_all();
    }

    /// The writer rests: a moment where it was busy, else until it is woken.
    pub(super) fn rest(&self, busy: bool) {
        if busy {
            thread::park_timeout(GATHER);
            return;
        }
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
        let (asked, stopping) = self.asked();
        if self.queue.is_empty() && !stopping && self.progress.lock().done == asked {
            thread::park();
        }
        self.asleep.store(false, Relaxed);
    }

    /// Waits until what is queued is written, or the writer has ended.
    #[cfg(test)]
    pub(super) fn flush(&self, within: Duration) -> bool {
        let ticket = {
            let mut progress = self.progress.lock();
            progress.asked += 1;
            progress.asked
        };
        self.wake();
        self.wait(within, |progress| progress.done >= ticket || progress.ended)
    }

    /// Tells the writer to end and waits for it.
    pub(super) fn stop(&self, within: Duration) -> bool {
        self.stopping.store(true, Release);
        self.wake();
        self.wait(within, |progress| progress.ended)
    }

    fn wait(&self, within: Duration, until: impl Fn(&Progress) -> bool) -> bool {
        let deadline = Instant::now() + within;
        let mut progress = self.progress.lock();
        while !until(&progress) {
            if self.moved.wait_until(&mut progress, deadline).timed_out() {
                return until(&progress);
            }
        }
        true
    }
}
