//! Whether a token is to be believed.

use super::{
    algorithm::Algorithms,
    claims::{Names, Rules, Wrong},
    jwks::KeySet,
    key::Key,
    remote::{Remote, Waiter},
    token::{Token, TokenError},
};
use crate::known::{Cache, Digest};
use paifang_pipeline::{
    App, Identity,
    ports::{Clock, Nanos},
};
use serde_json::Value;
use std::sync::Arc;

/// How many keys are tried for a token that does not say which is meant.
const MAX_TRIES: usize = 8;

/// What a step decides by; one for all steps with the same config.
pub(super) struct Verifier {
    pub(super) groups: Box<[Group]>,
    pub(super) rules: Rules,
    /// Absent: those that the keys are for.
    pub(super) taken: Option<Algorithms>,
    pub(super) max_bytes: usize,
    pub(super) cache: Option<Cache<Verified>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Keys that came together.
pub(super) struct Group {
    pub(super) keys: Keys,
    /// Whose they are; absent: of all issuers of the step.
    pub(super) issuers: Option<Names>,
}

pub(super) enum Keys {
    Fixed(KeySet),
    Remote(Arc<Remote>),
}

/// Who calls.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) identity: Arc<Identity>,
    pub(super) app: Option<Arc<App>>,
    /// The group whose key it was.
    group: usize,
}

/// What becomes of a token.
pub(super) enum Outcome {
    Pass(Verified),
    Refused(Refusal),
    /// Its key may be among those that are about to come.
    Wait(Waiter),
    /// Its key may be among those that cannot be had.
    Away,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("longer than `max_size`")]
    TooLong,
    #[error(transparent)]
    Malformed(#[from] TokenError),
    #[error("no such key")]
    Key,
    #[error("the key is not for this algorithm")]
    Algorithm,
    #[error("the signature is not the key's")]
    Signature,
    #[error(transparent)]
    Wrong(#[from] Wrong),
}

/// What was found out about a token's key.
#[derive(Default)]
struct Search {
    /// A key of the very name is there.
    named: bool,
    /// How many keys have been tried.
    tried: usize,
    /// Some keys cannot be had.
    away: bool,
}

impl Verifier {
    /// Decides about a token. `waits` says how many times more the call may wait for keys.
    pub(super) fn check(&self, text: &[u8], waits: usize) -> Outcome {
        if text.len() > self.max_bytes {
            return Outcome::Refused(Refusal::TooLong);
        }
        let (now, unix) = (self.clock.now(), self.clock.unix().as_secs());
        let generation = self.generation();
        let cached = self.cache.as_ref().map(|cache| (cache, Digest::of(text)));
        if let Some((cache, digest)) = &cached
            && let Some(known) = cache.get(digest, generation, unix)
            && self.groups[known.group].counts(now)
        {
            return Outcome::Pass(known);
        }
        let token = match Token::parse(text) {
            Ok(token) => token,
            Err(error) => return Outcome::Refused(error.into()),
        };
        let mut search = Search::default();
        let found = self
            .groups
            .iter()
            .position(|group| group.read(now, |keys| search.verifies(keys, &token, self.taken)));
        let Some(group) = found else { return self.unverified(&token, &search, waits) };
        let claims = Value::Object(token.claims);
        let issuers = self.groups[group].issuers.as_ref();
        match self.rules.caller(token.kind.as_deref(), &claims, issuers, unix) {
            Err(wrong) => Outcome::Refused(wrong.into()),
            Ok(caller) => {
                let identity = Arc::new(caller.identity);
                let verified = Verified { identity, app: caller.app, group };
                if let Some((cache, digest)) = cached {
                    // By the generation from before: keys that came meanwhile make it void.
                    cache.put(digest, generation, caller.until, verified.clone());
                }
                Outcome::Pass(verified)
            }
        }
    }

    fn unverified(&self, token: &Token<'_>, search: &Search, waits: usize) -> Outcome {
        let is_taken = self.taken.is_none_or(|taken| taken.has(token.algorithm));
        // What is known is known, and servers publish no secrets.
        if search.named || !is_taken || Algorithms::HMAC.has(token.algorithm) {
            return Outcome::Refused(match search {
                Search { tried: 1.., .. } => Refusal::Signature,
                Search { named: true, .. } => Refusal::Algorithm,
                _ => Refusal::Key,
            });
        }
        if waits > 0
            && let Some(waiter) = self.remotes().find_map(Remote::ask)
        {
            return Outcome::Wait(waiter);
        }
        match search {
            Search { away: true, .. } => Outcome::Away,
            Search { tried: 1.., .. } => Outcome::Refused(Refusal::Signature),
            _ => Outcome::Refused(Refusal::Key),
        }
    }

    /// Changes with any key.
    fn generation(&self) -> u64 {
        // Each only grows, so no two states have one sum.
        self.remotes().map(|remote| remote.loaded().generation).sum()
    }

    /// Sets that servers publish.
    pub(super) fn remotes(&self) -> impl Iterator<Item = &Arc<Remote>> {
        self.groups.iter().filter_map(|group| match &group.keys {
            Keys::Remote(remote) => Some(remote),
            Keys::Fixed(_) => None,
        })
    }
}

impl Group {
    /// What `f` makes of the keys; of none where they cannot be had.
    fn read<T>(&self, now: Nanos, f: impl FnOnce(Option<&[Key]>) -> T) -> T {
        match &self.keys {
            Keys::Fixed(set) => f(Some(&set.keys)),
            Keys::Remote(remote) => f(remote.loaded().keys(now).map(|set| &*set.keys)),
        }
    }

    fn counts(&self, now: Nanos) -> bool {
        self.read(now, |keys| keys.is_some())
    }
}

impl Search {
    /// Whether one of these keys has signed the token.
    fn verifies(
        &mut self,
        keys: Option<&[Key]>,
        token: &Token<'_>,
        taken: Option<Algorithms>,
    ) -> bool {
        let Some(keys) = keys else {
            self.away = true;
            return false;
        };
        let Token { algorithm, signed, signature, .. } = token;
        let id = token.key.as_deref();
        for key in keys.iter().filter(|key| key.is_called(id)) {
            self.named |= id.is_some() && key.id.is_some();
            if !key.is_for(*algorithm, taken) || self.tried == MAX_TRIES {
                continue;
            }
            self.tried += 1;
            if key.verifies(*algorithm, signed, signature) {
                return true;
            }
        }
        false
    }
}
