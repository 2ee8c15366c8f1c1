//! Which lanes are down, so that calls do not each wait for a store that does not answer.
//!
//! A lane goes down after [`FAILURES`] failures with no success between them. Only a probe of the
//! keeper brings it up again, a write that has come through.

use super::super::failure::Failure;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Failures in a row that take a lane down.
const FAILURES: u32 = 2;

/// All lanes of a store.
pub(in super::super) struct Lanes(Box<[Lane]>);

#[derive(Default)]
struct Lane {
    down: AtomicBool,
    failures: AtomicU32,
}

impl Lanes {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Lane::default()).collect())
    }

    pub(in super::super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether commands of this lane are not even tried.
    pub(in super::super) fn is_down(&self, lane: usize) -> bool {
        self.0.get(lane).is_none_or(|lane| lane.down.load(Relaxed))
    }

    /// How many are up.
    pub(in super::super) fn up(&self) -> usize {
        self.0.iter().filter(|lane| !lane.down.load(Relaxed)).count()
    }

    /// Hears how a command went; true where that has taken the lane down.
    pub(super) fn note(&self, lane: usize, outcome: Option<&Failure>) -> bool {
        let Some(lane) = self.0.get(lane) else { return false };
        match outcome {
            Some(failure) if failure.is_away() => {
                let failures = lane.failures.fetch_add(1, Relaxed).saturating_add(1);
                failures >= FAILURES && !lane.down.swap(true, Relaxed)
            }
            Some(_) => false,
            None => {
                if lane.failures.load(Relaxed) != 0 {
                    lane.failures.store(0, Relaxed);
                }
                false
            }
        }
    }

    /// Takes a lane down; true where it was up.
    pub(super) fn fell(&self, lane: usize) -> bool {
        self.0.get(lane).is_some_and(|lane| !lane.down.swap(true, Relaxed))
    }

    /// A probe has come through; true where the lane was down.
    pub(super) fn rose(&self, lane: usize) -> bool {
        self.0.get(lane).is_some_and(|lane| {
            lane.failures.store(0, Relaxed);
            lane.down.swap(false, Relaxed)
        })
    }
}

#[cfg(test)]
mod tests {
    //! Down after failures in a row, up after a probe alone.
    use super::{super::super::failure::Failure, Lanes};

    #[test]
    fn a_lane_falls_alone_and_a_probe_raises_it() {
        let lanes = Lanes::new(2);
        let away = Failure::Away("x".to_owned());
        assert!(!lanes.note(0, Some(&away)));
        assert!(!lanes.note(0, None), "a success between them");
        assert!(!lanes.note(0, Some(&away)));
        assert!(!lanes.note(0, Some(&Failure::Key("x".to_owned()))), "that says nothing of it");
        assert!(lanes.note(0, Some(&away)));
        assert!(!lanes.note(0, Some(&away)), "told once");
        assert!(lanes.is_down(0) && !lanes.is_down(1));
        lanes.note(0, None);
        assert!(lanes.is_down(0), "what was on its way before proves nothing");
        assert!(lanes.rose(0) && !lanes.rose(0));
        assert_eq!(lanes.up(), 2);
        assert!(lanes.is_down(2), "there is no such lane");
    }
}
