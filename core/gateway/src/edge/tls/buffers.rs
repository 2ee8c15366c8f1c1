//! Buffers that connections borrow while they read or write, so that none keeps one while it idles.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Bytes of a buffer: four records of 16 KiB with what TLS adds to each, and with room to spare.
pub(super) const SIZE: usize = 66 * 1024;
/// How many a thread keeps.
const KEPT: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of [`SIZE`] bytes with whatever the last one to use it left in it. It goes back when it is dropped.
pub(super) struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    pub(super) fn take() -> Self {
        let kept = POOL.with_borrow_mut(Vec::pop);
        Self(Some(kept.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(buffer) = self.0.take() else { return };
        // An error is a thread that ends: then the buffer goes, too.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(buffer);
            }
        });
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}
