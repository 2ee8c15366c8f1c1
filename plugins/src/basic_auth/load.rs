//! From the config to users, and one making for all steps that have the same.

use super::{
    config::{self, Config},
    credentials::{MAX_NAME_BYTES, MAX_PASSWORD_BYTES},
    stored::Stored,
    users::{User, Users},
};
use paifang_pipeline::{App, Apps, BuildContext, ConfigError, Identity};
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Weak},
};

const MAX_USERS: usize = 10_000;
const MAX_CLAIMS: usize = 16;
const MAX_CLAIM_BYTES: usize = 1_024;
const MAX_HTPASSWD_BYTES: usize = 4 * 1024 * 1024;

const HASH: &[u8] = b"hash";
const PLAIN: &[u8] = b"plain";

type Digest = [u8; 32];

/// The users of the latest snapshot, by all that they were made of. A gateway with 10,000 APIs
/// behind one chain has them once, and remembers their passwords once.
#[derive(Default)]
pub(super) struct Made(Mutex<Latest>);

#[derive(Default)]
struct Latest {
    apps: Weak<Apps>,
    known: HashMap<Digest, Weak<Users>>,
}

/// Collects users and digests what they are made of.
struct Loading<'a> {
    context: &'a BuildContext<'a>,
    names: HashSet<String>,
    users: Vec<User>,
    digest: Context,
}

impl Made {
    /// The users of a step's config.
    pub(super) fn users(
        &self,
        config: &Config,
        context: &BuildContext<'_>,
    ) -> Result<Arc<Users>, ConfigError> {
        let mut loading = Loading {
            context,
            names: HashSet::new(),
            users: Vec::new(),
            digest: Context::new(&SHA256),
        };
        for (index, user) in config.users.iter().enumerate() {
            loading.user(&format!("/users/{index}"), user)?;
        }
        loading.htpasswd(config)?;
        if loading.users.is_empty() {
            return Err(ConfigError::at("", "there are no users, so nobody could come in")
                .help("list them under `users`, or name a file under `htpasswd`"));
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(loading.digest.finish().as_ref());

        let mut made = self.0.lock();
        let Latest { apps, known } = &mut *made;
        // A weak pointer keeps the address from being used again, so equal pointers are equal apps.
        if !apps.ptr_eq(&Arc::downgrade(context.apps)) {
            *apps = Arc::downgrade(context.apps);
            known.clear();
        }
        if let Some(users) = known.get(&digest).and_then(Weak::upgrade) {
            return Ok(users);
        }
        let users = Users::new(loading.users)
            .map_err(|_| ConfigError::at("", "the system gives no random numbers"))?;
        let users = Arc::new(users);
        if known.len() == known.capacity() {
            known.retain(|_, users| users.strong_count() > 0);
        }
        known.insert(digest, Arc::downgrade(&users));
        Ok(users)
    }
}

#[cfg(test)]
impl Made {
    /// How many lists are in use.
    pub(super) fn count(&self) -> usize {
        self.0.lock().known.values().filter(|users| users.strong_count() > 0).count()
    }
}

impl Loading<'_> {
    fn user(&mut self, at: &str, user: &config::User) -> Result<(), ConfigError> {
        let config::User { name, hash, password, app, claims } = user;
        let stored = match (hash, password) {
            (Some(hash), None) => {
                self.kept(HASH, hash.as_bytes());
                self.hash(hash)
                    .map_err(|error| ConfigError::at(format!("{at}/hash"), error).help(HASHES))?
            }
            (None, Some(reference)) => {
                let at = format!("{at}/password");
                let password = self.context.secret(reference, &at)?;
                let password = password.expose();
                if !(1..=MAX_PASSWORD_BYTES).contains(&password.len()) {
                    let message = format!(
                        "the password has {} bytes, not 1 to {MAX_PASSWORD_BYTES}",
                        password.len()
                    );
                    return Err(ConfigError::at(at, message));
                }
                if password.iter().any(u8::is_ascii_control) {
                    return Err(ConfigError::at(at, "the password has a control character"));
                }
                self.kept(PLAIN, password);
                Stored::plain(password)
            }
            _ => {
                return Err(ConfigError::at(at, "a user has one of `hash` and `password`"));
            }
        };
        let app = match app {
            None => None,
            Some(id) => Some(self.context.apps.get(id).cloned().ok_or_else(|| {
                ConfigError::at(format!("{at}/app"), format!("there is no app `{id}`"))
                    .help("apps stand under `apps:` at the top of the config")
            })?),
        };
        check_claims(&format!("{at}/claims"), claims)?;
        self.add(name, stored, app, claims)
            .map_err(|error| ConfigError::at(format!("{at}/name"), error))
    }

    fn htpasswd(&mut self, config: &Config) -> Result<(), ConfigError> {
        let Some(reference) = &config.htpasswd else { return Ok(()) };
        let secret = self.context.secret(reference, "/htpasswd")?;
        let wrong = |message: String| ConfigError::at("/htpasswd", message);
        if secret.expose().len() > MAX_HTPASSWD_BYTES {
            let message = format!("{} bytes of users, not 4 MiB at most", secret.expose().len());
            return Err(wrong(message));
        }
        let text = std::str::from_utf8(secret.expose())
            .map_err(|_| wrong("the users are not in UTF-8".to_owned()))?;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // Lines may hold what nobody should read, so errors only count them.
            let (name, hash) = line
                .split_once(':')
                .ok_or_else(|| wrong(format!("line {number}: not `name:hash`")))?;
            self.kept(HASH, hash.as_bytes());
            let stored = self
                .hash(hash)
                .map_err(|error| wrong(format!("line {number}: {error}")).help(HASHES))?;
            self.add(name, stored, None, &BTreeMap::new())
                .map_err(|error| wrong(format!("line {number}: {error}")))?;
        }
        Ok(())
    }

    fn hash(&self, text: &str) -> Result<Stored, String> {
        Stored::hash(text).map_err(|error| format!("no hash that is taken here: {error}"))
    }

    fn add(
        &mut self,
        name: &str,
        stored: Stored,
        app: Option<Arc<App>>,
        claims: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            return Err(format!("a name has 1 to {MAX_NAME_BYTES} bytes, not {}", name.len()));
        }
        if name.bytes().any(|byte| byte == b':' || byte.is_ascii_control()) {
            return Err("a name has no colons and no control characters".to_owned());
        }
        if self.users.len() >= MAX_USERS {
            return Err(format!("more than {MAX_USERS} users"));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(format!("the user `{name}` is there twice"));
        }
        self.part(name.as_bytes());
        self.part(app.as_ref().map_or(b"", |app| app.id.as_bytes()));
        for (claim, value) in claims {
            self.part(claim.as_bytes());
            self.part(value.as_bytes());
        }
        self.part(b"");
        let app_id = app.as_ref().map(|app| app.id.clone());
        let mut identity = Identity::new(name.into(), app_id, "basic_auth");
        identity.claims.clone_from(claims);
        self.users.push(User::new(stored, identity, app));
        Ok(())
    }

    /// Digests how a password is kept: a text may be the one or the other.
    fn kept(&mut self, how: &[u8], bytes: &[u8]) {
        self.part(how);
        self.part(bytes);
    }

    /// Digests a part with its length, so that no two lists have the same bytes.
    fn part(&mut self, bytes: &[u8]) {
        self.digest.update(&(bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
    }
}

const HASHES: &str = "`htpasswd -nB NAME` makes bcrypt, `argon2 SALT -id -e` makes Argon2id";

fn check_claims(at: &str, claims: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    if claims.len() > MAX_CLAIMS {
        let message = format!("expected at most {MAX_CLAIMS} claims, found {}", claims.len());
        return Err(ConfigError::at(at, message));
    }
    for (name, value) in claims {
        if name.is_empty() || name.len().max(value.len()) > MAX_CLAIM_BYTES {
            let message = format!("a claim's name and value have at most {MAX_CLAIM_BYTES} bytes");
            return Err(ConfigError::at(crate::fields::pointer(at, name), message));
        }
    }
    Ok(())
}
