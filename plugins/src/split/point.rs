//! Which variant has a caller's point.
//!
//! A variant has the points of a range with one fixed end: the first variant grows up from the
//! bottom, the second down from the top, further ones up from the end of the one before them on
//! that side. So a share that grows keeps whom it has, and with up to two variants takes only from
//! the rest.

use crate::points::POINTS;
use paifang_pipeline::units::Percent;
use std::ops::Range;

/// The points of each variant, in the order of the config.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ranges(Box<[Range<u32>]>);

impl Ranges {
    /// The index of the share with which they come to more than all.
    pub(super) fn new(shares: &[Percent]) -> Result<Self, usize> {
        let (mut low, mut high) = (0, POINTS);
        let mut ranges = Vec::with_capacity(shares.len());
        for (index, share) in shares.iter().enumerate() {
            let share = share.thousandths();
            if share > high - low {
                return Err(index);
            }
            ranges.push(if index == 1 {
                high -= share;
                high..high + share
            } else {
                low += share;
                low - share..low
            });
        }
        Ok(Self(ranges.into()))
    }

    /// The index of the variant that has a point; `None` for the rest.
    pub(super) fn find(&self, point: u32) -> Option<usize> {
        self.0.iter().position(|range| range.contains(&point))
    }
}
