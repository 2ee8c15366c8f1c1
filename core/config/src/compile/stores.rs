//! Stores that gateways share: from their entries to what steps are built with, by a host that this
//! crate does not know.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use paifang_pipeline::ports::{Store, Stores};
use paifang_pipeline::{Secret, Secrets};

use super::{Context, SecretCache, SecretUse};
use crate::diag::{Problem, Problems};
use crate::model::{Config, Named, Redis, RedisTls, SharedStore};
use crate::source::SourceMap;
use crate::yaml::{Digest, Located};

#[cfg(test)]
mod tests;

/// The largest file with certificates or a key, in bytes.
const LARGEST_PEM: u64 = 1 << 20;

/// Opens stores. The port to whatever speaks with them.
pub trait StoreHost: Send + Sync {
    /// Opens a store. Nothing is connected until [`Store::start`], and a store whose servers are
    /// away is a store all the same.
    fn open(&self, opening: Opening<'_>) -> Arc<dyn Store>;
}

/// A store that is to be opened.
pub struct Opening<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its entry, checked.
    pub entry: &'a Redis,
    /// The password.
    pub password: Option<Secret>,
    /// Certificates to trust, in PEM.
    pub ca: Option<Vec<u8>>,
    /// Certificate and key to show, in PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// A store of a snapshot.
pub(crate) struct ServedStore {
    pub(crate) store: Arc<dyn Store>,
    /// Digest of all that it was opened with, what its files and secrets hold included.
    pub(crate) key: Digest,
    /// Files with secrets that it was opened with.
    pub(crate) secret_files: Vec<PathBuf>,
}

impl std::fmt::Debug for ServedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServedStore")
    }
}

/// The stores of a snapshot, by name.
pub(crate) type ServedStores = IndexMap<Arc<str>, Arc<ServedStore>>;

/// Opens every store, or takes it over from the previous snapshot. What cannot be opened is missing
/// in the answer, and told.
pub(super) fn build(
    config: &Config,
    sources: &SourceMap,
    cache: &SecretCache<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> ServedStores {
    let mut all = ServedStores::with_capacity(config.stores.len());
    for (name, entry) in &config.stores {
        let mut opener = Opener { sources, cache, context, problems };
        if let Some(store) = opener.one(name, entry) {
            all.insert(name.as_arc().clone(), store);
        }
    }
    all
}

/// What steps find them by.
pub(super) fn by_name(all: &ServedStores) -> Stores {
    Stores::new(all.iter().map(|(name, served)| (name.clone(), served.store.clone())))
}

/// Digest over all of them.
pub(super) fn digest(all: &ServedStores) -> Digest {
    let digests: Vec<Digest> = all
        .iter()
        .flat_map(|(name, served)| [Digest::of_bytes(name.as_bytes()), served.key])
        .collect();
    Digest::all(&digests)
}

struct Opener<'a> {
    sources: &'a SourceMap,
    cache: &'a SecretCache<'a>,
    context: &'a Context<'a>,
    problems: &'a mut Problems,
}

impl Opener<'_> {
    fn one(&mut self, name: &str, entry: &Named<SharedStore>) -> Option<Arc<ServedStore>> {
        let Some(host) = self.context.stores else {
            let message = format!("the store `{name}` cannot be had: this build has no stores");
            let help = "remove the entry, and `store` from the steps that use it";
            self.problems.push(Problem::new(entry.span, message).help(help));
            return None;
        };
        let redis = &entry.redis;
        let before = self.problems.len();
        let (password, secret_files) = self.password(redis);
        let none = RedisTls::default();
        let tls = redis.tls.as_ref().unwrap_or(&none);
        let ca = self.pem(tls.ca.as_ref());
        let cert = self.pem(tls.client_cert.as_ref());
        let key = self.pem(tls.client_key.as_ref());
        if self.problems.len() > before {
            return None;
        }
        let part = |bytes: Option<&[u8]>| bytes.map_or(Digest::default(), Digest::of_bytes);
        let digest = Digest::all([
            &entry.digest(),
            &part(password.as_ref().map(Secret::expose)),
            &part(ca.as_deref()),
            &part(cert.as_deref()),
            &part(key.as_deref()),
        ]);
        let known = self.context.previous.and_then(|previous| previous.stores.get(name));
        if let Some(known) = known.filter(|known| known.key == digest) {
            return Some(known.clone());
        }
        let opening = Opening { name, entry: redis, password, ca, identity: cert.zip(key) };
        Some(Arc::new(ServedStore { store: host.open(opening), key: digest, secret_files }))
    }

    fn password(&mut self, redis: &Redis) -> (Option<Secret>, Vec<PathBuf>) {
        let Some(reference) = &redis.password else { return (None, Vec::new()) };
        let within = self.cache.within(self.sources.directory(reference.span()));
        let password = within
            .resolve(&reference.value().0)
            .map_err(|message| self.problems.push(Problem::new(reference.span(), message)))
            .ok();
        (password, within.into_used().iter().filter_map(SecretUse::file).collect())
    }

    fn pem(&mut self, path: Option<&Located<PathBuf>>) -> Option<Vec<u8>> {
        let path = path?;
        let resolved = self.sources.resolve(path);
        let message = match self.context.secrets.files.read(&resolved, LARGEST_PEM) {
            Ok(bytes) if bytes.len() as u64 <= LARGEST_PEM => return Some(bytes),
            Ok(_) => format!("{} has more than 1 MiB; is it a PEM file?", resolved.display()),
            Err(error) => format!("cannot read {}: {error}", resolved.display()),
        };
        self.problems.push(Problem::new(path.span(), message));
        None
    }
}
