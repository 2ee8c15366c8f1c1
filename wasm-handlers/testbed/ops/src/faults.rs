//! Ends that no handler should come to. None of them returns.

use std::{
    hint::{black_box, spin_loop},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Computes forever.
pub(crate) fn endless() -> ! {
    loop {
        spin_loop();
    }
}

/// Calls itself until the host's stack ends. What it counts lies in a static, so that its frames
/// take nothing of the guest's own stack.
#[inline(never)]
pub(crate) fn recurse(seed: u32) -> u32 {
    static DEPTH: AtomicU32 = AtomicU32::new(0);
    let depth = DEPTH.fetch_add(1, Relaxed);
    if depth == u32::MAX {
        return seed;
    }
    // Something is left to do after the call, so that it cannot become a loop.
    recurse(seed ^ depth).wrapping_mul(3).wrapping_add(DEPTH.load(Relaxed))
}

/// Calls itself until the guest's stack ends.
#[inline(never)]
pub(crate) fn recurse_wide(seed: u32) -> u32 {
    let frame = black_box([seed; 256]);
    if frame[0] == u32::MAX {
        return seed;
    }
    recurse_wide(seed + 1).wrapping_add(black_box(frame)[255])
}

/// Allocates and keeps until nothing is left; then the allocator gives up.
pub(crate) fn exhaust() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 64 << 10]));
    }
}

/// An instruction that traps.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("there is no such instruction here");
}
