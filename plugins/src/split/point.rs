//! Where a caller stands among a hundred thousand points, and which variant has that point.
//!
//! A caller's point is a keyed hash of what it is known by, so it is the same on every gateway and
//! after every restart. A variant has the points of a range with one fixed end: the first variant
//! grows up from the bottom, the second down from the top, further ones up from the end of the one
//! before them on that side. So a share that grows keeps whom it has, and with up to two variants
//! takes only from the rest.

use paifang_pipeline::units::Percent;
use ring::digest::{SHA256, digest};
use siphasher::sip::SipHasher13;
use std::{hash::Hasher, ops::Range};

/// How many points there are: a thousandth of a percent each.
const POINTS: u32 = Percent::ALL.thousandths();

/// Puts subjects on points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points(SipHasher13);

impl Points {
    /// Keyed with the first half of the salt's SHA-256.
    pub(super) fn new(salt: &str) -> Self {
        let mut key = [0; 16];
        let whole = digest(&SHA256, salt.as_bytes());
        key.copy_from_slice(&whole.as_ref()[..16]);
        Self(SipHasher13::new_with_key(&key))
    }

    /// A hash of the parts; `["ab"]` and `["a", "b"]` differ.
    pub(super) fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.0;
        for part in parts {
            hasher.write(part);
            hasher.write(&(part.len() as u64).to_le_bytes());
        }
        hasher.finish()
    }

    /// The point of a subject, below [`POINTS`].
    pub(super) fn of(&self, parts: &[&[u8]]) -> u32 {
        // The high half of the product spreads the hash evenly without a division.
        ((u128::from(self.hash(parts)) * u128::from(POINTS)) >> 64) as u32
    }
}

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
