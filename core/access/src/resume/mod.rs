//! Resume tokens: where a device's components went on, kept for its next connection (spec section 10).
//!
//! A token names a *record* in a [`Store`], which is this process's own or one that gateways share. The record says whose it is (device,
//! key, user), which tokens are good (the newest, and once more the one before it), and the cursors. Every step is a compare-and-swap,
//! so a token is good once, whoever shows it where. `docs/adr/0019-resume-tokens-are-records.md` says why.

mod owner;
mod record;
#[cfg(test)]
mod tests;
mod token;

use std::{
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use paifang_mmtp::greeting::{MAX_CURSOR, Resumed, Token};
use paifang_pipeline::ports::{Answer, Clock, Kv, KvError, KvSpec, StateKey, Store, StoreError};
use ring::rand::{SecureRandom, SystemRandom};

pub(crate) use owner::{Owner, is_proven, key_digest, user_digest};
use record::Record;
use token::{Digest, Parsed};

/// How long the store may take, in all, to look at a token or to make one. After that the connection goes on from the beginning.
const PATIENCE: Duration = Duration::from_secs(1);
/// Tries at a record that others change at the same time.
const TRIES: usize = 4;
/// Channels that cursors are kept for, of one device.
const MOST_CURSORS: usize = 16;
/// Parts of a store that records are spread over.
const KVS: usize = 16;
/// What is reckoned for a record, in bytes, its key included. One with all cursors is larger, most are smaller.
const RECORD: u32 = 512;

/// A channel's cursor.
pub(crate) type Cursor = (u8, Box<[u8]>);

/// Gives resume tokens and takes them back.
pub struct Tokens {
    /// A record lies in the one that its name says, so that they can lie in several nodes of a cluster.
    kvs: [Arc<dyn Kv>; KVS],
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    random: SystemRandom,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a connection knows of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    family: [u8; 16],
    /// Of the token that this connection was given.
    token: Digest,
    user: Digest,
}

impl Held {
    /// Whether this connection may still change the record. Cursors of a user who has gone are nobody's, and a connection that two
    /// newer ones have followed says nothing new.
    fn may_change(&self, record: &Record) -> Result<(), Resumed> {
        match record.user == self.user && record.knows(&self.token) {
            true => Ok(()),
            false => Err(Resumed::Used),
        }
    }
}

/// A token, and what its connection keeps.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) token: Token,
    pub(crate) held: Held,
}

/// What came of HELLO's token.
#[derive(Debug, Default)]
pub(crate) struct Resumption {
    /// `None`: it showed none.
    pub(crate) said: Option<Resumed>,
    pub(crate) cursors: Vec<Cursor>,
    /// The next token, where one can be given.
    pub(crate) grant: Option<Grant>,
}

impl Tokens {
    /// Tokens that live for `lifetime`, a second at least, with the records of so many devices in `store`. When that is full, devices
    /// that are new get no token.
    ///
    /// # Errors
    /// When the store cannot hold more of them.
    pub fn open(
        store: &dyn Store,
        devices: NonZeroU32,
        clock: Arc<dyn Clock>,
        lifetime: Duration,
    ) -> Result<Self, StoreError> {
        let key = StateKey::shared("#mmtp-resume");
        let spec = spec(devices);
        let kvs: Result<Vec<_>, _> =
            (0..KVS).map(|part| store.kv(&key.part(&part.to_string()), spec)).collect();
        let kvs = <[Arc<dyn Kv>; KVS]>::try_from(kvs?);
        let kvs = kvs.map_err(|_| StoreError("parts are missing".into()))?;
        Ok(Self::new(kvs, clock, lifetime))
    }

    fn new(kvs: [Arc<dyn Kv>; KVS], clock: Arc<dyn Clock>, lifetime: Duration) -> Self {
        let lifetime = lifetime.max(Duration::from_secs(1));
        Self { kvs, clock, lifetime, random: SystemRandom::new() }
    }

    /// Where a record lies.
    fn kv(&self, family: &[u8; 16]) -> &dyn Kv {
        &*self.kvs[usize::from(family[0]) % KVS]
    }

    /// Looks at the token of a device that has proven its key (`proven`), where it shows one, and gives the next one. It never fails:
    /// what cannot be found out in time is unknown, and what cannot be kept is not given.
    pub(crate) async fn resume(
        &self,
        shown: Option<&[u8]>,
        proven: bool,
        owner: &Owner,
    ) -> Resumption {
        let work = async {
            let (said, resumed) = match shown {
                None => (None, None),
                Some(_) if !proven => (Some(Resumed::Foreign), None),
                Some(shown) => match self.take_back(shown, owner).await {
                    Ok((cursors, grant)) => (Some(Resumed::Yes), Some((cursors, grant))),
                    Err(why) => (Some(why), None),
                },
            };
            match resumed {
                Some((cursors, grant)) => Resumption { said, cursors, grant: Some(grant) },
                None => Resumption { said, cursors: Vec::new(), grant: self.give(owner).await },
            }
        };
        let unknown =
            || Resumption { said: shown.map(|_| Resumed::Unknown), ..Resumption::default() };
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| unknown())
    }

    /// The first token of a new record.
    async fn give(&self, owner: &Owner) -> Option<Grant> {
        let mut family = [0; 16];
        self.random.fill(&mut family).ok()?;
        let made = self.make(family, owner.user)?;
        match self.swap(&family, None, &Record::new(owner, made.held.token)).await {
            Ok(stored) => stored.then_some(made),
            Err(why) => {
                tracing::debug!(%why, "no resume token can be given");
                None
            }
        }
    }

    /// Takes a token back: its cursors, and the next one.
    async fn take_back(
        &self,
        shown: &[u8],
        owner: &Owner,
    ) -> Result<(Vec<Cursor>, Grant), Resumed> {
        let Some(Parsed { family, expires, digest }) = Parsed::read(shown) else {
            return Err(Resumed::Unknown);
        };
        // Who has changed the time finds that the digest is another.
        if expires <= self.clock.unix().as_secs() {
            return Err(Resumed::Expired);
        }
        let next = self.make(family, owner.user).ok_or(Resumed::Unknown)?;
        let newest = next.held.token;
        let cursors = self.change(&family, |record| {
            if !record.is_of(owner) {
                return Err(Resumed::Foreign);
            }
            if !record.knows(&digest) {
                return Err(Resumed::Used);
            }
            record.renew(newest);
            Ok(record.cursors.clone())
        });
        Ok((cursors.await?, next))
    }

    /// The next token in place of one that grows old; none when the record is lost.
    pub(crate) async fn renew(&self, held: Held) -> Option<Grant> {
        self.rotate(held, held.user, |_| {}).await
    }

    /// The connection's user is another one: cursors were the old one's. The next token, or none where none can be given.
    pub(crate) async fn change_user(&self, held: Option<Held>, owner: &Owner) -> Option<Grant> {
        let rotated = match held {
            Some(held) => {
                let user = owner.user;
                self.rotate(held, user, |record| (record.user, record.cursors) = (user, Vec::new()))
                    .await
            }
            None => None,
        };
        match rotated {
            Some(grant) => Some(grant),
            // A newer connection has taken the record over, or there was none.
            None => tokio::time::timeout(PATIENCE, self.give(owner)).await.ok().flatten(),
        }
    }

    async fn rotate(
        &self,
        held: Held,
        user: Digest,
        change: impl Fn(&mut Record) + Send + Sync,
    ) -> Option<Grant> {
        let next = self.make(held.family, user)?;
        let newest = next.held.token;
        let work = self.change(&held.family, |record| {
            held.may_change(record)?;
            record.renew(newest);
            change(record);
            Ok(())
        });
        tokio::time::timeout(PATIENCE, work).await.ok()?.ok()?;
        Some(next)
    }

    /// Keeps cursors; false when they were not, for good.
    pub(crate) async fn keep(&self, held: Held, cursors: &[Cursor]) -> bool {
        let work = self.change(&held.family, |record| {
            held.may_change(record)?;
            for (channel, cursor) in cursors {
                set(&mut record.cursors, *channel, cursor);
            }
            Ok(())
        });
        matches!(tokio::time::timeout(PATIENCE, work).await, Ok(Ok(())))
    }

    /// A new token of a record; `None` when the system has no randomness.
    fn make(&self, family: [u8; 16], user: Digest) -> Option<Grant> {
        let expires = self.clock.unix().saturating_add(self.lifetime).as_secs();
        let (bytes, token) = token::make(&self.random, &family, expires)?;
        let lifetime = u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX);
        Some(Grant { token: Token { lifetime, bytes }, held: Held { family, token, user } })
    }

    /// How long a token lives.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Changes a record as one step, whoever else does. What cannot be found out is unknown.
    async fn change<T: Send>(
        &self,
        family: &[u8; 16],
        mut change: impl FnMut(&mut Record) -> Result<T, Resumed> + Send,
    ) -> Result<T, Resumed> {
        let away = |why: Away| {
            tracing::debug!(%why, "a resume token cannot be looked at");
            Resumed::Unknown
        };
        for _ in 0..TRIES {
            let found = self.read(family).await.map_err(away)?;
            let (before, mut record) = found.ok_or(Resumed::Unknown)?;
            let done = change(&mut record)?;
            // Where another connection was faster, what it has left is looked at anew.
            if self.swap(family, Some(&before), &record).await.map_err(away)? {
                return Ok(done);
            }
        }
        Err(Resumed::Unknown)
    }

    async fn read(&self, family: &[u8; 16]) -> Result<Option<(Bytes, Record)>, Away> {
        let found = settled(self.kv(family).get(family, self.clock.now())).await?;
        Ok(found.and_then(|bytes| Record::decode(&bytes).map(|record| (bytes, record))))
    }

    async fn swap(
        &self,
        family: &[u8; 16],
        before: Option<&[u8]>,
        record: &Record,
    ) -> Result<bool, Away> {
        let (value, ttl) = (record.encode().into(), Some(self.lifetime));
        settled(self.kv(family).compare_and_swap(family, before, value, ttl, self.clock.now()))
            .await
    }
}

/// What each part holds, of so many devices in all.
fn spec(devices: NonZeroU32) -> KvSpec {
    let least = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    let entries = least(devices.get().div_ceil(KVS as u32));
    KvSpec {
        entries,
        bytes: NonZeroU64::from(entries).saturating_mul(NonZeroU64::from(least(RECORD))),
        key_bytes: least(16),
        value_bytes: least(record::LARGEST as u32),
    }
}

/// Why the store does not do what it is asked.
#[derive(Debug, thiserror::Error)]
enum Away {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refused(#[from] KvError),
}

async fn settled<T>(answer: Answer<Result<T, KvError>>) -> Result<T, Away> {
    Ok(match answer {
        Answer::Now(answer) => answer?,
        Answer::Later(answer) => answer.await??,
    })
}

/// Sets a channel's cursor among these; false when it is too long or they are too many.
pub(crate) fn set(cursors: &mut Vec<Cursor>, channel: u8, cursor: &[u8]) -> bool {
    if cursor.len() > MAX_CURSOR {
        return false;
    }
    let place = match cursors.iter().position(|(own, _)| *own == channel) {
        Some(place) => place,
        None if cursors.len() >= MOST_CURSORS => return false,
        None => {
            cursors.push((channel, Box::default()));
            cursors.len() - 1
        }
    };
    cursors[place].1 = cursor.into();
    true
}
