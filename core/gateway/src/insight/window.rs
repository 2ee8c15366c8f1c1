//! A minute of an API's counts, and what they come to.

use paifang_pipeline::stats::recent::{FAILED, MARKS, REFUSED, TIMES, bounds};
use std::collections::VecDeque;

/// Ticks that are kept.
pub(super) const KEPT: u16 = 30;

/// A mark's count in one tick: 8 bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The number of the tick, which begins anew after the last.
    tick: u16,
    mark: u16,
    count: u32,
}

/// The counts of the last [`KEPT`] ticks, for marks that were counted; ordered by tick.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Entry>);

impl Window {
    /// Adds what was counted until `tick`.
    pub(super) fn add(&mut self, tick: u16, mark: u16, count: u32) {
        self.0.push_back(Entry { tick, mark, count });
    }

    /// Forgets what is older than [`KEPT`] ticks. Says whether anything is left.
    pub(super) fn expire(&mut self, tick: u16) -> bool {
        while self.0.front().is_some_and(|entry| tick.wrapping_sub(entry.tick) >= KEPT) {
            self.0.pop_front();
        }
        // A burst does not hold its memory for ever.
        if self.0.capacity() > 64 && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
        !self.0.is_empty()
    }

    /// The sum of the last `ticks` up to `tick`.
    pub(super) fn sum(&self, tick: u16, ticks: u16) -> Sum {
        let mut sum = Sum::default();
        let fits = |entry: &&Entry| tick.wrapping_sub(entry.tick) < ticks;
        self.0.iter().rev().take_while(fits).for_each(|entry| {
            if let Some(count) = sum.0.get_mut(usize::from(entry.mark)) {
                *count += u64::from(entry.count);
            }
        });
        sum
    }
}

/// Counts by mark.
#[derive(Debug, Clone)]
pub(super) struct Sum([u64; MARKS]);

impl Default for Sum {
    fn default() -> Self {
        Self([0; MARKS])
    }
}

impl Sum {
    /// Calls that ended.
    pub(super) fn calls(&self) -> u64 {
        self.0[..TIMES].iter().sum()
    }

    /// Calls that failed.
    pub(super) fn failed(&self) -> u64 {
        self.0[usize::from(FAILED)]
    }

    /// Calls that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.0[usize::from(REFUSED)]
    }

    /// The time that a share of the calls did not exceed, in nanoseconds: the middle of its bucket,
    /// so up to a sixteenth too high or too low. None without calls.
    pub(super) fn quantile(&self, share: f64) -> Option<u64> {
        let calls = self.calls();
        // The smallest rank that covers the share, from 1 on.
        let rank = ((calls as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.0[..TIMES].iter().enumerate() {
            seen += count;
            if seen >= rank {
                let (from, to) = bounds(bucket);
                return Some(from.midpoint(to));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    //! What is summed, what is forgotten, and where percentiles are.
    #![allow(clippy::unwrap_used)]
    use super::{FAILED, KEPT, Sum, Window};

    #[test]
    fn ticks_pass_out_of_the_window_also_where_their_numbers_begin_anew() {
        let mut window = Window::default();
        let first = u16::MAX - 2;
        for age in 0..KEPT {
            window.add(first.wrapping_add(age), 5, 1);
            window.add(first.wrapping_add(age), FAILED, 1);
        }
        let last = first.wrapping_add(KEPT - 1);
        assert!(window.expire(last));
        let (few, all) = (window.sum(last, 5), window.sum(last, KEPT));
        assert_eq!((few.calls(), few.failed(), few.refused()), (5, 5, 0));
        assert_eq!((all.calls(), all.failed()), (30, 30));
        assert!(window.expire(last.wrapping_add(KEPT - 1)));
        assert_eq!(window.sum(last.wrapping_add(KEPT - 1), KEPT).calls(), 1);
        assert!(!window.expire(last.wrapping_add(KEPT)));
    }

    #[test]
    fn a_percentile_is_within_a_sixteenth_of_the_true_one() {
        assert_eq!(Sum::default().quantile(0.5), None);
        let stats = paifang_pipeline::stats::recent::bounds;
        let mut window = Window::default();
        // 1000 calls, of 1 to 1000 ms.
        for millis in 1..=1000u64 {
            let nanos = millis * 1_000_000;
            let bucket = (0..).find(|index| stats(*index).1 > nanos).unwrap();
            window.add(0, u16::try_from(bucket).unwrap(), 1);
        }
        let sum = window.sum(0, 1);
        for (share, millis) in [(0.001, 1u64), (0.5, 500), (0.9, 900), (0.99, 990), (1.0, 1000)] {
            let told = sum.quantile(share).unwrap();
            assert!(told.abs_diff(millis * 1_000_000) * 16 <= told, "{share}: {told}");
        }
    }
}
