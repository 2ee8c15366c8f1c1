//! The keys of all apps, by their SHA-256.
//!
//! A key that is presented is hashed and the hash looked up. How long that takes depends on the
//! hash alone, of which a client cannot choose a prefix, so nothing about a key can be learnt by
//! measuring.

use paifang_pipeline::{App, Apps, ConfigError, Identity};
use ring::digest::{Digest, SHA256, digest};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

/// Longer keys are not looked up at all.
const MAX_KEY_BYTES: usize = 1_024;

type Sha256 = [u8; 32];

/// All keys.
pub(super) struct Index(HashMap<Sha256, Caller>);

/// Whom a key belongs to.
pub(super) struct Caller {
    pub(super) app: Arc<App>,
    pub(super) identity: Arc<Identity>,
}

impl Index {
    pub(super) fn new(apps: &Apps) -> Result<Self, ConfigError> {
        let mut keys = HashMap::new();
        for app in apps.iter() {
            for key in &app.keys {
                let secret = key.secret.expose();
                if secret.is_empty() || secret.len() > MAX_KEY_BYTES {
                    return Err(ConfigError::at(
                        "",
                        format!(
                            "key `{}` of app `{}` cannot be an API key: it has {} bytes, not 1 to {MAX_KEY_BYTES}",
                            key.id,
                            app.id,
                            secret.len()
                        ),
                    ));
                }
                let identity = Identity::new(key.id.clone(), Some(app.id.clone()), "key_auth");
                let caller = Caller { app: app.clone(), identity: Arc::new(identity) };
                match keys.entry(sha256(&digest(&SHA256, secret))) {
                    Entry::Vacant(place) => drop(place.insert(caller)),
                    Entry::Occupied(other) => {
                        let other: &Caller = other.get();
                        return Err(ConfigError::at(
                            "",
                            format!(
                                "key `{}` of app `{}` and key `{}` of app `{}` have the same secret",
                                other.identity.subject, other.app.id, key.id, app.id
                            ),
                        )
                        .help("an API key must say by itself whose it is: give each its own secret"));
                    }
                }
            }
        }
        if keys.is_empty() {
            return Err(ConfigError::at("", "no app has a key, so nobody could come in")
                .help("add apps with keys under `apps:` at the top of the config"));
        }
        Ok(Self(keys))
    }

    /// Whom the key belongs to.
    pub(super) fn find(&self, key: &[u8]) -> Option<&Caller> {
        if key.len() > MAX_KEY_BYTES {
            return None;
        }
        self.0.get(&sha256(&digest(&SHA256, key)))
    }
}

fn sha256(digest: &Digest) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
