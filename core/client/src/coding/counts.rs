//! How many messages were compressed, and what it came to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Messages that went compressed, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compressed {
    /// How many.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What was sent for them, in bytes.
    pub wire_bytes: u64,
}

/// The same, counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
    wire_bytes: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, bytes: usize, wire_bytes: usize) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.wire_bytes.fetch_add(wire_bytes as u64, Relaxed);
    }

    pub(super) fn read(&self) -> Compressed {
        Compressed {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            wire_bytes: self.wire_bytes.load(Relaxed),
        }
    }
}
