//! When those who were refused should come again.
//!
//! A crowd that is sent away by a rate comes back as one crowd unless each of it is given a time of its own. So there is a queue in which nobody stands: every
//! refused client moves its end by the time that one connection takes at the rate, and is told to come back when it would be its turn. Thus they come
//! as fast as they can be let in. What the end is ahead of the clock is bounded; those beyond come at random.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SECOND: u64 = 1_000_000_000;
/// The most that the queue's end is ahead.
const LONGEST: u64 = 60 * SECOND;
/// Somebody beyond it waits half of it, and a random part of the other half.
const BEYOND: Turn = Turn { after: LONGEST / 2, jitter: LONGEST };
/// A client's jitter is this part of its wait, for clocks and networks differ; and at least so long.
const JITTER_PART: u64 = 8;
const LEAST_JITTER: u64 = SECOND / 4;

/// When to come back, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// At least so much later.
    pub(super) after: u64,
    /// And a random part of this.
    pub(super) jitter: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Nanoseconds of the guard's clock.
    end: AtomicU64,
}

impl Queue {
    /// The turn of one more client, where one is let in every `increment` nanoseconds.
    pub(super) fn turn(&self, increment: u64, now: u64) -> Turn {
        let moved = self.end.fetch_update(Relaxed, Relaxed, |end| {
            let next = end.max(now).saturating_add(increment);
            (next - now <= LONGEST).then_some(next)
        });
        match moved {
            Ok(before) => {
                let after = before.max(now).saturating_add(increment) - now;
                Turn { after, jitter: (after / JITTER_PART).max(LEAST_JITTER) }
            }
            Err(_) => BEYOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_spread_as_fast_as_it_can_be_let_in() {
        let queue = Queue::default();
        let now = 7 * SECOND;
        // 2,000 a second.
        let increment = SECOND / 2_000;
        let turns: Vec<Turn> = (0..18_000).map(|_| queue.turn(increment, now)).collect();
        for (index, turn) in turns.iter().enumerate() {
            assert_eq!(turn.after, (index as u64 + 1) * increment);
            assert!(turn.jitter >= LEAST_JITTER && turn.jitter >= turn.after / 8);
        }
        // In every second as many come as may.
        for second in 0..9 {
            let within = |turn: &&Turn| (turn.after - 1) / SECOND == second;
            assert_eq!(turns.iter().filter(within).count(), 2_000);
        }
        // When it is over the queue is empty again.
        assert_eq!(queue.turn(increment, now + 100 * SECOND).after, increment);
    }

    #[test]
    fn the_queue_has_an_end_and_slow_rates_overflow_nothing() {
        let queue = Queue::default();
        let turns: Vec<Turn> = (0..100).map(|_| queue.turn(SECOND, 0)).collect();
        assert_eq!(turns[59].after, LONGEST);
        assert!(turns[60..].iter().all(|turn| *turn == BEYOND));
        assert_eq!(Queue::default().turn(u64::MAX, u64::MAX - 5).after, 5);
        assert_eq!(Queue::default().turn(86_400 * SECOND, 0), BEYOND);
    }
}
