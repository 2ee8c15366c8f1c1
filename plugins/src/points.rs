//! Where a caller stands among a hundred thousand points.
//!
//! A caller's point is a keyed hash of what it is known by, so it is the same on every gateway and
//! after every restart.

use paifang_pipeline::units::Percent;
use ring::digest::{SHA256, digest};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// How many points there are: a thousandth of a percent each.
pub(crate) const POINTS: u32 = Percent::ALL.thousandths();

/// Puts subjects on points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points(SipHasher13);

impl Points {
    /// Keyed with the first half of the salt's SHA-256.
    pub(crate) fn new(salt: &str) -> Self {
        let mut key = [0; 16];
        let whole = digest(&SHA256, salt.as_bytes());
        key.copy_from_slice(&whole.as_ref()[..16]);
        Self(SipHasher13::new_with_key(&key))
    }

    /// A hash of the parts; `["ab"]` and `["a", "b"]` differ.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.0;
        for part in parts {
            hasher.write(part);
            hasher.write(&(part.len() as u64).to_le_bytes());
        }
        hasher.finish()
    }

    /// The point of a subject, below [`POINTS`].
    pub(crate) fn of(&self, parts: &[&[u8]]) -> u32 {
        // The high half of the product spreads the hash evenly without a division.
        ((u128::from(self.hash(parts)) * u128::from(POINTS)) >> 64) as u32
    }
}
