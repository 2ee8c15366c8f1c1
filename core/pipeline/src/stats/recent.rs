//! What has become of an API's calls since somebody last took it out: times in fine buckets, and
//! how many of the calls failed or were refused.
//!
//! A call costs one addition, a failed or refused one two. Whoever takes the counts out, at
//! intervals, gets each call once; so there is no other copy to subtract from.

use crate::exchange::{Outcome, Termination};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How many buckets of times there are.
pub const TIMES: usize = 208;
/// The mark of calls that failed: a status of 500 and above, or an answer that broke off by the
/// upstream's or the gateway's fault.
pub const FAILED: u16 = TIMES as u16;
/// The mark of calls that were answered with a status of 400 to 499.
pub const REFUSED: u16 = FAILED + 1;
/// How many marks there are: each bucket of times is one.
pub const MARKS: usize = REFUSED as usize + 1;

/// Nanoseconds are counted in units of 2^10.
const UNIT: u32 = 10;
/// So many buckets to a doubling, as a power of two.
const STEPS: u32 = 3;

/// The counts of one API: 840 bytes.
///
/// Times have buckets of 1.024 µs up to 8.2 µs, and from there on eight to each doubling, so that a
/// bucket is at most an eighth of its lower bound wide; beyond 275 s all are one.
#[derive(Debug)]
pub(super) struct Recent([AtomicU32; MARKS]);

impl Default for Recent {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; MARKS])
    }
}

impl Recent {
    /// Counts a call that has ended.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.0[bucket(outcome.total_nanos)].fetch_add(1, Relaxed);
        if let Some(mark) = mark(outcome) {
            self.0[usize::from(mark)].fetch_add(1, Relaxed);
        }
    }

    /// Takes out what there is: each mark with its count.
    pub(super) fn take(&self, mut each: impl FnMut(u16, u32)) {
        for (mark, count) in (0u16..).zip(&self.0) {
            // Most are zero, and a look is cheaper than an exchange.
            if count.load(Relaxed) != 0 {
                each(mark, count.swap(0, Relaxed));
            }
        }
    }
}

/// Whether a call counts as failed or refused.
fn mark(outcome: &Outcome) -> Option<u16> {
    if matches!(outcome.termination, Termination::OriginBrokeOff | Termination::HandlerBrokeOff) {
        return Some(FAILED);
    }
    match outcome.status?.as_u16() {
        500.. => Some(FAILED),
        400.. => Some(REFUSED),
        _ => None,
    }
}

/// The bucket of a time.
fn bucket(nanos: u64) -> usize {
    let units = nanos >> UNIT;
    if units < 1 << STEPS {
        return units as usize;
    }
    let exponent = units.ilog2();
    let step = (units >> (exponent - STEPS)) as usize & ((1 << STEPS) - 1);
    let index = (((exponent - STEPS + 1) as usize) << STEPS) + step;
    index.min(TIMES - 1)
}

/// The bounds of a bucket of times in nanoseconds: from, and up to but not including. The last one
/// holds all that is longer, too.
#[must_use]
pub fn bounds(bucket: usize) -> (u64, u64) {
    let bucket = bucket.min(TIMES - 1) as u64;
    if bucket < 1 << STEPS {
        return (bucket << UNIT, (bucket + 1) << UNIT);
    }
    let shift = (bucket >> STEPS) - 1 + u64::from(UNIT);
    let step = (1 << STEPS) + (bucket & ((1 << STEPS) - 1));
    (step << shift, (step + 1) << shift)
}

#[cfg(test)]
mod tests {
    //! Where times land, and that each call is taken out once.
    use super::{FAILED, MARKS, REFUSED, Recent, TIMES, bounds, bucket};
    use crate::exchange::{Outcome, Termination};
    use http::StatusCode;

    #[test]
    fn buckets_follow_each_other_without_a_gap_and_are_narrow() {
        let mut expected = 0;
        for index in 0..TIMES {
            let (from, to) = bounds(index);
            assert_eq!(from, expected, "bucket {index}");
            assert_eq!((bucket(from), bucket(to - 1)), (index, index));
            assert!(index < 8 || (to - from) * 8 <= from, "bucket {index}: {from} to {to}");
            expected = to;
        }
        assert_eq!(expected, 1 << 38, "275 s");
        assert_eq!((bucket(1 << 38), bucket(u64::MAX)), (TIMES - 1, TIMES - 1));
        assert_eq!(size_of::<Recent>(), 4 * MARKS);
    }

    fn taken(recent: &Recent) -> Vec<(u16, u32)> {
        let mut all = Vec::new();
        recent.take(|mark, count| all.push((mark, count)));
        all
    }

    #[test]
    fn failures_and_refusals_are_told_apart_and_taken_once() {
        let recent = Recent::default();
        let count = |status: u16, termination| {
            recent.count(&Outcome {
                status: StatusCode::from_u16(status).ok(),
                termination,
                total_nanos: 3_000,
                ..Outcome::default()
            });
        };
        count(200, Termination::Completed);
        count(404, Termination::Completed);
        count(502, Termination::Completed);
        count(200, Termination::OriginBrokeOff);
        count(200, Termination::ClientGone);
        count(0, Termination::ClientGone);
        assert_eq!(taken(&recent), [(2, 6), (FAILED, 2), (REFUSED, 1)]);
        assert_eq!(taken(&recent), []);
    }
}
