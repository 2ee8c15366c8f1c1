//! The epoch: a thread that ticks while calls come, and sleeps while none do.
//!
//! Compiled code looks at the epoch at each loop and call; at the first tick that it sees it asks its
//! [budget](crate::budget) whether it may go on. Most calls are over long before: they cost a load
//! of a line that hardly ever changes. So the thread ticks seldom, until a call that has seen a tick
//! asks it to hurry.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};
use wasmtime::Engine;

/// Between two ticks while calls are short: how long a call may compute before it is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(4);

/// Between two ticks while a call computes for longer.
pub(crate) const HURRY: Duration = Duration::from_millis(1);

/// Ticks that nobody waited for after which the thread sleeps until a call comes.
const IDLE_TICKS: u32 = 25;

/// The thread that moves an engine's epoch.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// A call has begun since the last tick.
    begun: AtomicBool,
    /// A call has seen a tick and computes on.
    hurry: AtomicBool,
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
            while !own.over.load(Ordering::SeqCst) {
                let hurry = own.hurry.swap(false, Ordering::SeqCst);
                if own.begun.swap(false, Ordering::SeqCst) || hurry {
                    idle = 0;
                } else {
                    idle += 1;
                }
                if idle > IDLE_TICKS {
                    own.sleep();
                    idle = 0;
                    continue;
                }
                // Woken early it ticks early: who sees that looks at the time.
                thread::park_timeout(if hurry { HURRY } else { LOOK });
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        let thread = handle.thread().clone();
        Ok(Self { shared, thread, handle: Mutex::new(Some(handle)) })
    }

    /// A call begins: a tick comes within [`LOOK`].
    pub(crate) fn begin(&self) {
        if !self.shared.begun.load(Ordering::Relaxed) {
            self.shared.begun.store(true, Ordering::SeqCst);
            if self.shared.asleep.load(Ordering::SeqCst) {
                self.thread.unpark();
            }
        }
    }

    /// A call that has seen a tick goes on: the next one comes within [`HURRY`].
    pub(crate) fn hurry(&self) {
        if !self.shared.hurry.swap(true, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Shared {
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        // A call that began before it could see that would wait for ticks in vain.
        let wanted = [&self.begun, &self.hurry, &self.over];
        if !wanted.iter().any(|wanted| wanted.load(Ordering::SeqCst)) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
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
