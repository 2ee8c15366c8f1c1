//! What is kept for a token's device.
//!
//! ```text
//! 1  owner(16)  user(16)  current(16)  previous(16)  { channel(1) length(1) cursor }
//! ```

use paifang_mmtp::greeting::MAX_CURSOR;

use super::{Cursor, MOST_CURSORS, owner::Owner, set, token::Digest};

/// The form of records.
const VERSION: u8 = 1;
/// The most bytes of one.
pub(super) const LARGEST: usize = 1 + 4 * 16 + MOST_CURSORS * (2 + MAX_CURSOR);

/// See the module. Digests alone are kept, so who reads the store has no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    owner: Digest,
    pub(super) user: Digest,
    /// Of the newest token.
    current: Digest,
    /// Of the one before it, as long as it is good once more; zeros for none, which no token has.
    previous: Digest,
    pub(super) cursors: Vec<Cursor>,
}

impl Record {
    pub(super) fn new(owner: &Owner, current: Digest) -> Self {
        let (owner, user) = (owner.device, owner.user);
        Self { owner, user, current, previous: Digest::default(), cursors: Vec::new() }
    }

    /// Whether it is this device's, with this key, for this user.
    pub(super) fn is_of(&self, owner: &Owner) -> bool {
        self.owner == owner.device && self.user == owner.user
    }

    /// Whether the token with this digest is good. Digests of random bytes are compared: how long it takes tells nothing that helps to
    /// find a token.
    pub(super) fn knows(&self, token: &Digest) -> bool {
        self.current == *token || self.previous == *token
    }

    /// A good token was used: there is a newer one, and the newest so far is good once more, whichever was used. So of two
    /// connections that show the same token, each gets one that is good.
    pub(super) fn renew(&mut self, token: Digest) {
        self.previous = std::mem::replace(&mut self.current, token);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let digests = [self.owner, self.user, self.current, self.previous];
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(digests.as_flattened());
        for (channel, cursor) in &self.cursors {
            // None is longer than MAX_CURSOR.
            bytes.extend_from_slice(&[*channel, cursor.len() as u8]);
            bytes.extend_from_slice(cursor);
        }
        bytes
    }

    /// `None`: another version has written it, or it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, bytes) = bytes.split_first()? else { return None };
        let (digests, mut rest) = bytes.split_at_checked(64)?;
        let (digests, _) = digests.as_chunks::<16>();
        let [owner, user, current, previous] = *<&[Digest; 4]>::try_from(digests).ok()?;
        let mut record = Self { owner, user, current, previous, cursors: Vec::new() };
        while let [channel, length, behind @ ..] = rest {
            let (cursor, behind) = behind.split_at_checked(usize::from(*length))?;
            if !set(&mut record.cursors, *channel, cursor) {
                return None;
            }
            rest = behind;
        }
        rest.is_empty().then_some(record)
    }
}
