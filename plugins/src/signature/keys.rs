//! The keys of all apps, ready to verify with.

use super::credentials::is_key_id;
use paifang_pipeline::{App, Apps, ConfigError, Identity};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use std::{collections::HashMap, sync::Arc};

/// All keys, by id.
pub(super) struct Keys {
    by_id: HashMap<Arc<str>, Signer>,
    /// Verifies for ids that nobody has, so that they take the time of those that someone has.
    nobody: hmac::Key,
}

/// Whom a key belongs to.
pub(super) struct Signer {
    key: hmac::Key,
    pub(super) app: Arc<App>,
    pub(super) identity: Arc<Identity>,
}

impl Keys {
    pub(super) fn new(apps: &Apps) -> Result<Self, ConfigError> {
        let mut by_id = HashMap::new();
        for app in apps.iter() {
            for key in &app.keys {
                let problem = |message: &str| {
                    let message = format!("key `{}` of app `{}` {message}", key.id, app.id);
                    Err(ConfigError::at("", message))
                };
                if !is_key_id(&key.id) {
                    return problem(
                        "cannot be named in a signature: an id has 1 to 128 letters, digits, `.`, `_` or `-`",
                    );
                }
                if key.secret.expose().is_empty() {
                    return problem("has an empty secret");
                }
                let identity = Identity::new(key.id.clone(), Some(app.id.clone()), "signature");
                let signer = Signer {
                    key: hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose()),
                    app: app.clone(),
                    identity: Arc::new(identity),
                };
                if by_id.insert(key.id.clone(), signer).is_some() {
                    return problem("has the id of another key");
                }
            }
        }
        if by_id.is_empty() {
            return Err(ConfigError::at("", "no app has a key, so nobody could sign")
                .help("add apps with keys under `apps:` at the top of the config"));
        }
        let mut secret = [0; 32];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| ConfigError::at("", "the operating system gives no randomness"))?;
        Ok(Self { by_id, nobody: hmac::Key::new(hmac::HMAC_SHA256, &secret) })
    }

    /// Who has signed `text`; `None` when it is nobody, or somebody else than `key_id` says.
    pub(super) fn verify(
        &self,
        key_id: &str,
        text: &[u8],
        signature: &[u8; 32],
    ) -> Option<&Signer> {
        let signer = self.by_id.get(key_id);
        let key = signer.map_or(&self.nobody, |signer| &signer.key);
        // Compares in constant time.
        let valid = hmac::verify(key, text, signature).is_ok();
        signer.filter(|_| valid)
    }
}
