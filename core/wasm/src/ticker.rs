//! The epoch: a thread that counts milliseconds while handlers run, and sleeps while none do.
//!
//! Compiled code looks at the epoch at each loop and call, and traps when its deadline has passed.
//! That costs a load and a branch there, and nothing to the calls that are not running. A call that
//! begins says how many ticks it counts on; while calls keep coming that is two loads, of lines that
//! hardly ever change.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};
use wasmtime::Engine;

/// How long one tick is. A deadline is met within two.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a call after which the thread sleeps until one comes, unless some call counted on more.
const LINGER: u64 = 100;

/// The thread that moves an engine's epoch.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// A call has counted on ticks since the thread last looked.
    wanted: AtomicBool,
    /// For how many ticks the thread goes on after that. No call counts on more.
    linger: AtomicU64,
    asleep: AtomicBool,
    over: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            wanted: AtomicBool::new(false),
            linger: AtomicU64::new(LINGER),
            asleep: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let (own, engine) = (shared.clone(), engine.weak());
        let handle = thread::Builder::new().name("paifang-epoch".to_owned()).spawn(move || {
            let mut idle = 0_u64;
            while !own.over.load(Ordering::Acquire) {
                if own.wanted.swap(false, Ordering::SeqCst) {
                    idle = 0;
                } else {
                    idle += 1;
                }
                if idle > own.linger.load(Ordering::SeqCst) {
                    own.asleep.store(true, Ordering::SeqCst);
                    // A call that began before it could see that would wait for ticks in vain.
                    if !own.wanted.load(Ordering::SeqCst) && !own.over.load(Ordering::SeqCst) {
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

    /// Sees to it that so many ticks come from now on.
    pub(crate) fn expect(&self, ticks: u64) {
        let shared = &self.shared;
        if shared.linger.load(Ordering::Relaxed) < ticks {
            shared.linger.fetch_max(ticks, Ordering::SeqCst);
        }
        if !shared.wanted.load(Ordering::Relaxed) {
            shared.wanted.store(true, Ordering::SeqCst);
            if shared.asleep.load(Ordering::SeqCst) {
                self.thread.unpark();
            }
        }
    }

    /// The ticks that make at least this span; the one under way is lost.
    pub(crate) fn ticks(span: Duration) -> u64 {
        u64::try_from(span.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2) + 1
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
