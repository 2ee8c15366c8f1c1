//! The users of a step, and what is remembered of each.

use super::{credentials::Presented, stored::Stored};
use arc_swap::ArcSwapOption;
use paifang_pipeline::{App, Identity, ports::Nanos};
use ring::{digest::SHA256_OUTPUT_LEN, error::Unspecified, hmac, rand::SystemRandom};
use std::{collections::HashMap, sync::Arc};
use subtle::ConstantTimeEq;

/// Stands for a name with a password. Made with a key that nobody knows and that is gone when the
/// process ends.
pub(super) type Mark = [u8; SHA256_OUTPUT_LEN];

/// One user.
pub(super) struct User {
    pub(super) stored: Stored,
    pub(super) identity: Arc<Identity>,
    pub(super) app: Option<Arc<App>>,
    /// The password that was right last, and when. No more than one can be right.
    remembered: ArcSwapOption<(Mark, Nanos)>,
}

impl User {
    pub(super) fn new(stored: Stored, identity: Identity, app: Option<Arc<App>>) -> Self {
        Self { stored, identity: Arc::new(identity), app, remembered: ArcSwapOption::empty() }
    }

    /// Whether this was the right password less than `nanos` ago.
    pub(super) fn remembers(&self, mark: &Mark, now: Nanos, nanos: u64) -> bool {
        let remembered = self.remembered.load();
        let Some((known, when)) = remembered.as_deref() else { return false };
        now.since(*when) < nanos && known.ct_eq(mark).into()
    }

    pub(super) fn remember(&self, mark: Mark, now: Nanos) {
        self.remembered.store(Some(Arc::new((mark, now))));
    }
}

/// All users.
pub(super) struct Users {
    by_name: HashMap<Box<[u8]>, usize>,
    all: Box<[User]>,
    longest: usize,
    key: hmac::Key,
}

/// Against whose password a presented one is checked.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) index: usize,
    /// Not so for a user who does not exist: another one is checked in their place, so that it
    /// takes as long as for one who does, and whatever comes out is wrong.
    pub(super) exists: bool,
}

impl Users {
    /// The users, who have different names; at least one.
    pub(super) fn new(all: Vec<User>) -> Result<Self, Unspecified> {
        let by_name = all.iter().enumerate();
        let by_name = by_name.map(|(index, user)| (user.identity.subject.as_bytes().into(), index));
        Ok(Self {
            by_name: by_name.collect(),
            longest: all.iter().map(|user| user.stored.longest()).min().unwrap_or(0),
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            all: all.into(),
        })
    }

    /// The longest password that is looked at, whoever's it is.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Always the same for the same name.
    pub(super) fn candidate(&self, name: &[u8]) -> Candidate {
        // Made for names that are there too, whose passwords may need no more time than this.
        let tag = hmac::sign(&self.key, name);
        let number = tag.as_ref().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
        let other = usize::try_from(number % self.all.len().max(1) as u64).unwrap_or(0);
        let known = self.by_name.get(name).copied();
        Candidate { index: known.unwrap_or(other), exists: known.is_some() }
    }

    /// The user with this index; indexes come from [`Users::candidate`].
    pub(super) fn get(&self, index: usize) -> &User {
        &self.all[index]
    }

    pub(super) fn mark(&self, presented: &Presented<'_>) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        // A length before the name: no two pairs have the same bytes.
        context.update(&(presented.name.len() as u64).to_be_bytes());
        context.update(presented.name);
        context.update(presented.password);
        let mut mark = Mark::default();
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }
}
