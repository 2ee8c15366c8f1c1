//! A token's bytes: `family(16) expires(8) secret(16)`. Clients do not look into them.

use ring::{
    digest::{SHA256, digest},
    rand::SecureRandom,
};

/// The first half of a SHA-256.
pub(super) type Digest = [u8; 16];

/// Bytes of a token.
const LENGTH: usize = 40;

/// What a token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    /// The record that it names.
    pub(super) family: [u8; 16],
    /// Seconds since 1970.
    pub(super) expires: u64,
    /// Of all its bytes.
    pub(super) digest: Digest,
}

impl Parsed {
    /// `None`: it was not made here.
    pub(super) fn read(token: &[u8]) -> Option<Self> {
        let (family, rest) = token.split_first_chunk::<16>()?;
        let (expires, _) = rest.split_first_chunk::<8>()?;
        let parsed =
            Self { family: *family, expires: u64::from_be_bytes(*expires), digest: half(&[token]) };
        (token.len() == LENGTH).then_some(parsed)
    }
}

/// A new token; `None` when the system has no randomness.
pub(super) fn make(
    random: &dyn SecureRandom,
    family: &[u8; 16],
    expires: u64,
) -> Option<(Box<[u8]>, Digest)> {
    let mut secret = [0; 16];
    random.fill(&mut secret).ok()?;
    let token = [&family[..], &expires.to_be_bytes(), &secret].concat();
    let digest = half(&[&token]);
    Some((token.into(), digest))
}

/// The first half of the SHA-256 over these, each with its length before it.
pub(super) fn half(parts: &[&[u8]]) -> Digest {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    let mut first = Digest::default();
    first.copy_from_slice(&digest(&SHA256, &all).as_ref()[..16]);
    first
}
