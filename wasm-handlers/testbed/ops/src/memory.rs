//! Memory: taking it, leaving something behind in it, looking for what should be gone from it.

use std::{
    hint::black_box,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What `remember` has put there. It outlives a call exactly where its instance does.
static REMEMBERED: Mutex<String> = Mutex::new(String::new());
/// What `hold` keeps.
static HELD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a text in place of the former one, and gives that.
pub(crate) fn remember(text: &str) -> String {
    mem::replace(&mut *locked(&REMEMBERED), text.to_owned())
}

fn allocated(bytes: usize) -> Option<Vec<u8>> {
    let mut taken = Vec::new();
    taken.try_reserve_exact(bytes).ok()?;
    taken.resize(bytes, 0xa5);
    Some(black_box(taken))
}

/// Whether so many bytes could be had.
pub(crate) fn allocate(bytes: usize) -> bool {
    allocated(bytes).is_some()
}

/// Keeps so many bytes more; how many it keeps then.
pub(crate) fn hold(bytes: usize) -> Option<usize> {
    let taken = allocated(bytes)?;
    let mut held = locked(&HELD);
    held.push(taken);
    Some(held.iter().map(Vec::len).sum())
}

/// Leaves a text behind, over and over, in memory that is given back and on the stack.
pub(crate) fn litter(text: &str, bytes: usize) {
    if text.is_empty() {
        return;
    }
    let heap: Vec<u8> = text.bytes().cycle().take(bytes).collect();
    drop(black_box(heap));
    let mut stack = [0; 4 << 10];
    for (byte, letter) in stack.iter_mut().zip(text.bytes().cycle()) {
        *byte = letter;
    }
    black_box(stack);
}

/// How many bytes of memory there are.
#[cfg(target_arch = "wasm32")]
pub(crate) fn size() -> usize {
    core::arch::wasm32::memory_size::<0>() << 16
}

/// How often a text, given backwards, stands in all of the memory: in what is in use, in what was
/// given back, and in the stack.
#[cfg(target_arch = "wasm32")]
pub(crate) fn look_for(backwards: &str) -> usize {
    let text = backwards.as_bytes();
    let Some(last) = text.len().checked_sub(1) else { return 0 };
    // Address 0 is a place like any other, but no Rust pointer may read it.
    let places = 1..=size() - text.len();
    let stands_at = |at: usize| (0..text.len()).all(|n| byte(at + n) == text[last - n]);
    places.filter(|at| stands_at(*at)).count()
}

/// The byte at an address below the memory's size.
#[cfg(target_arch = "wasm32")]
fn byte(address: usize) -> u8 {
    let place = std::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: every address below the size can be read, and nothing else runs in this memory. What
    // it holds may be no live value, so it is read as it is there and nothing concluded from it.
    unsafe { place.read_volatile() }
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn size() -> usize {
    0
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn look_for(_: &str) -> usize {
    0
}
