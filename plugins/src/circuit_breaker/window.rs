//! Calls of the latest time, counted in tenths of it.
//!
//! A tenth is one word: when it is from, and its calls, failures and slow calls. So a call is counted
//! by one exchange of a word, and one that finds an old tenth in its place begins a new one with the
//! same exchange.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many parts the window has.
const PARTS: u64 = 10;
/// A part's number and each of its counts have so many bits.
const BITS: u32 = 16;
const MASK: u64 = (1 << BITS) - 1;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
}

impl Counts {
    fn of(word: u64) -> Self {
        let at = |place: u32| word >> (place * BITS) & MASK;
        Self { calls: at(2), failed: at(1), slow: at(0) }
    }

    fn to_word(self, part: u64) -> u64 {
        // A part that is full counts every second call from then on: shares stay what they are.
        let full = [self.calls, self.failed, self.slow].iter().any(|count| *count > MASK);
        let half = |count: u64| if full { count / 2 } else { count };
        (part & MASK) << (3 * BITS)
            | half(self.calls) << (2 * BITS)
            | half(self.failed) << BITS
            | half(self.slow)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            failed: self.failed + other.failed,
            slow: self.slow + other.slow,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    part_nanos: u64,
    /// The number of the latest part that has a call.
    latest: AtomicU64,
    parts: [AtomicU64; PARTS as usize],
}

impl Window {
    pub(super) fn new(nanos: u64) -> Self {
        let part_nanos = (nanos / PARTS).max(1);
        Self { part_nanos, latest: AtomicU64::new(0), parts: Default::default() }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.parts.iter().for_each(|part| part.store(0, Relaxed));
    }

    /// Counts at `now`, in nanoseconds of a clock that does not go back.
    pub(super) fn add(&self, now: u64, counts: Counts) {
        let number = now / self.part_nanos;
        let latest = self.latest.load(Relaxed);
        if number > latest {
            self.latest.store(number, Relaxed);
            // Parts are told apart by the low bits of their numbers, which come again.
            if number - latest >= PARTS {
                self.clear();
            }
        }
        let place = &self.parts[(number % PARTS) as usize];
        // Never refuses, so there is nothing to handle.
        let _ = place.fetch_update(Relaxed, Relaxed, |word| {
            let old = if word >> (3 * BITS) == number & MASK {
                Counts::of(word)
            } else {
                Counts::default()
            };
            Some(old.plus(counts).to_word(number))
        });
    }

    /// What the window that ends at `now` has counted.
    pub(super) fn sum(&self, now: u64) -> Counts {
        let number = now / self.part_nanos;
        self.parts
            .iter()
            .map(|part| part.load(Relaxed))
            .filter(|word| number.wrapping_sub(word >> (3 * BITS)) & MASK < PARTS)
            .fold(Counts::default(), |sum, word| sum.plus(Counts::of(word)))
    }
}

#[cfg(test)]
mod tests {
    //! What leaves the window, and what a full part does.
    use super::{Counts, PARTS, Window};

    const FAILED: Counts = Counts { calls: 1, failed: 1, slow: 0 };

    #[test]
    fn calls_leave_a_tenth_at_a_time() {
        let window = Window::new(1000);
        for at in [0, 99, 100, 950] {
            window.add(at, FAILED);
        }
        for (now, calls) in [(999, 4), (1000, 2), (1099, 2), (1100, 1), (1899, 1), (1900, 0)] {
            assert_eq!(window.sum(now).calls, calls, "{now}");
        }
    }

    #[test]
    fn a_part_with_the_same_low_bits_is_another() {
        let window = Window::new(PARTS);
        window.add(3, FAILED);
        // 5 * 65536 parts later both its place and its low bits are the same.
        let later = 3 + 5 * 65_536;
        window.add(later, FAILED);
        assert_eq!(window.sum(later).calls, 1);
        window.clear();
        assert_eq!(window.sum(later), Counts::default());
    }

    #[test]
    fn a_full_part_keeps_its_shares() {
        let window = Window::new(1000);
        for call in 0..200_000_u64 {
            window.add(5, Counts { calls: 1, failed: u64::from(call % 4 == 0), slow: call % 2 });
        }
        let Counts { calls, failed, slow } = window.sum(5);
        assert!(calls > 30_000, "{calls}");
        let share = |count: u64| count * 1000 / calls;
        assert!((245..=255).contains(&share(failed)) && (495..=505).contains(&share(slow)));
    }
}
