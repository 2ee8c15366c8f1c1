//! Subjects as fixed-size keys: a 128-bit hash under a key that nobody outside knows.
//!
//! Subjects come from clients (addresses, header values), so a hash that can be computed outside
//! would let a client choose whom it collides with. SipHash-1-3 with 128 bits of output and a key
//! drawn per store is a pseudorandom function: two of 2^32 subjects collide with a chance below
//! 2^-64, and no subject can be chosen to do so.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// A subject's place in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubjectKey {
    high: u64,
    low: u64,
}

impl SubjectKey {
    /// Spreads evenly over any power of two; independent of where a map puts the key.
    pub(crate) const fn shard(self, mask: usize) -> usize {
        self.low as usize & mask
    }

    pub(crate) const fn to_u128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }

    pub(crate) const fn from_u128(value: u128) -> Self {
        Self { high: (value >> 64) as u64, low: value as u64 }
    }
}

impl Hash for SubjectKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.high);
    }
}

/// The secret of one store.
#[derive(Clone)]
pub(crate) struct SubjectHash(SipHasher13);

impl SubjectHash {
    /// Draws a secret from the operating system's randomness, by way of the standard library.
    pub(crate) fn random() -> Self {
        let secret = RandomState::new();
        Self(SipHasher13::new_with_keys(secret.hash_one(0_u64), secret.hash_one(1_u64)))
    }

    pub(crate) fn of(&self, subject: &[u8]) -> SubjectKey {
        Self::finish(self.0, subject)
    }

    /// The like, in one of several spaces that share a table.
    pub(crate) fn of_space(&self, space: u8, subject: &[u8]) -> SubjectKey {
        let mut hasher = self.0;
        hasher.write_u8(space);
        Self::finish(hasher, subject)
    }

    fn finish(mut hasher: SipHasher13, subject: &[u8]) -> SubjectKey {
        hasher.write(subject);
        let hash = hasher.finish128();
        SubjectKey { high: hash.h1, low: hash.h2 }
    }
}

/// Takes a [`SubjectKey`] as it is: it is a hash already.
#[derive(Clone, Copy, Default)]
pub(crate) struct AsIs;

/// The hasher of [`AsIs`].
#[derive(Default)]
pub(crate) struct AsIsHasher(u64);

impl BuildHasher for AsIs {
    type Hasher = AsIsHasher;

    fn build_hasher(&self) -> AsIsHasher {
        AsIsHasher::default()
    }
}

impl Hasher for AsIsHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Never used by `SubjectKey`; still a hash, so that nobody is surprised.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    //! Keys are stable within a store, differ between stores, and survive the way through a permit.
    use super::{SubjectHash, SubjectKey};

    #[test]
    fn a_store_agrees_with_itself_and_with_no_other() {
        let (one, other) = (SubjectHash::random(), SubjectHash::random());
        assert_eq!(one.of(b"10.0.0.1"), one.clone().of(b"10.0.0.1"));
        assert_ne!(one.of(b"10.0.0.1"), one.of(b"10.0.0.2"));
        assert_ne!(one.of(b"10.0.0.1"), other.of(b"10.0.0.1"));
    }

    #[test]
    fn a_key_survives_as_a_number() {
        let key = SubjectHash::random().of(b"x");
        assert_eq!(SubjectKey::from_u128(key.to_u128()), key);
    }
}
