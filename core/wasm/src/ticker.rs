//! The epoch: a thread that counts milliseconds while handlers run, and sleeps while none do.
//!
//! Compiled code looks at the epoch at each loop and call, and traps when its deadline has passed.
//! That costs a load and a branch there, and nothing to the calls that are not running.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};
use wasmtime::Engine;

/// How long one tick is. A deadline is met within two.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the thread sleeps until one comes.
const IDLE_TICKS: u32 = 100;

/// The thread that moves an engine's epoch.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicU32,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (own, engine) = (shared.clone(), engine.weak());
        let handle = thread::Builder::new().name("paifang-epoch".to_owned()).spawn(move || {
            let mut idle = 0;
            while !own.over.load(Ordering::Acquire) {
                if own.running.load(Ordering::Acquire) == 0 {
                    idle += 1;
                } else {
                    idle = 0;
                }
                if idle > IDLE_TICKS {
                    own.asleep.store(true, Ordering::SeqCst);
                    // A call that began before it could see that would wait for ticks in vain.
                    if own.running.load(Ordering::SeqCst) == 0 && !own.over.load(Ordering::SeqCst) {
                        thread::park();
                    }
                    own.asleep.store(false, Ordering::SeqCst);
                    idle = 0;
                    continue;
                }
                // Woken early by a call that has just begun, it ticks early, which harms nobody.
                thread::park_timeout(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        let thread = handle.thread().clone();
        Ok(Self { shared, thread, handle: Mutex::new(Some(handle)) })
    }

    /// Ticks for as long as the guard lives.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Running(self)
    }

    /// The ticks that make at least this span; the one under way is lost.
    pub(crate) fn ticks(span: Duration) -> u64 {
        u64::try_from(span.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2) + 1
    }
}

/// A call is running.
pub(crate) struct Running<'a>(&'a Ticker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, Ordering::Release);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.lock().take() {
            // A panic in there has ended it as well.
            let _ = handle.join();
        }
    }
}
