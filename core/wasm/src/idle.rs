//! Instances between two calls, where a handler lets them serve more than one.
//!
//! Each thread has a shelf that it takes from and puts on, the last one first: the instance whose
//! memory is still in this core's cache. Others' shelves are looked at only where one's own is
//! empty, before a new instance would be made.

use crate::instance::Instance;
use parking_lot::Mutex;
use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Threads beyond this share shelves.
const SHELVES: usize = 8;

/// A shelf, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
// Boxed, for taking and putting should move a pointer.
#[allow(clippy::vec_box)]
struct Shelf(Mutex<Vec<Box<Instance>>>);

/// Instances that wait for their next call.
#[derive(Default)]
pub(crate) struct Idle {
    shelves: [Shelf; SHELVES],
}

impl Idle {
    /// One that waits, if there is any.
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let own = own();
        (0..SHELVES).find_map(|more| self.shelves[(own + more) % SHELVES].0.lock().pop())
    }

    /// Puts one back. There are never more than have run at once, for none is made while one waits.
    pub(crate) fn put(&self, instance: Box<Instance>) {
        self.shelves[own()].0.lock().push(instance);
    }
}

/// This thread's shelf.
fn own() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let next = THREADS.fetch_add(1, Relaxed) % SHELVES;
            own.set(Some(next));
            next
        })
    })
}
