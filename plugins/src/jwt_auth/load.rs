//! From the config to what steps decide by, made once for all steps that have the same.

use super::{
    algorithm::Algorithms,
    claims::{self, Names, Rules},
    config::{self, Config, Jwks},
    jwks::{self, KeySet, Origin},
    key::{Key, Raw},
    pem,
    remote::{Counts, Remote, Source},
    token::{MAX_BYTES, MAX_ID_BYTES},
    verifier::{Group, Keys, Verifier},
};
use crate::known::Cache;
use http::{Uri, uri::PathAndQuery};
use paifang_pipeline::{
    Apps, BuildContext, ConfigError, Secret, SecretRef,
    ports::HttpOrigin,
    units::{ByteSize, HumanDuration},
};
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Weak},
    time::Duration,
};

const MAX_KEYS: usize = 16;
const MAX_CACHE: u32 = 1_000_000;
const MAX_PATH_BYTES: usize = 2_048;

/// What the steps of a gateway share.
#[derive(Default)]
pub(super) struct Made {
    pub(super) counts: Arc<Counts>,
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Sets that servers publish, kept over releases that keep them.
    remotes: HashMap<Source, Weak<Remote>>,
    /// Those of the latest snapshot, by all that they were made of.
    verifiers: HashMap<[u8; 32], Weak<Verifier>>,
    apps: Weak<Apps>,
}

impl Made {
    /// What a step with this config decides by.
    pub(super) fn verifier(
        &self,
        config: &Config,
        context: &BuildContext<'_>,
    ) -> Result<Arc<Verifier>, ConfigError> {
        let mut loading = Loading { context, made: self, digest: Context::new(&SHA256) };
        loading.part(format!("{config:?}").as_bytes());
        let verifier = loading.verifier(config)?;
        let mut digest = [0; 32];
        digest.copy_from_slice(loading.digest.finish().as_ref());

        let mut shared = self.shared.lock();
        let Shared { verifiers, apps, .. } = &mut *shared;
        // A weak pointer keeps the address from being used again, so equal pointers are equal apps.
        if !apps.ptr_eq(&Arc::downgrade(context.apps)) {
            *apps = Arc::downgrade(context.apps);
            verifiers.clear();
        }
        if let Some(known) = verifiers.get(&digest).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let verifier = Arc::new(verifier);
        forget_unused(verifiers);
        verifiers.insert(digest, Arc::downgrade(&verifier));
        Ok(verifier)
    }

    fn remote(&self, source: Source, context: &BuildContext<'_>) -> Arc<Remote> {
        let mut shared = self.shared.lock();
        if let Some(known) = shared.remotes.get(&source).and_then(Weak::upgrade) {
            return known;
        }
        let (http, clock) = (context.http.clone(), context.clock.clone());
        let remote = Arc::new(Remote::new(source.clone(), http, clock, self.counts.clone()));
        forget_unused(&mut shared.remotes);
        shared.remotes.insert(source, Arc::downgrade(&remote));
        remote
    }
}

/// Before a table grows.
fn forget_unused<K: Eq + std::hash::Hash, T>(known: &mut HashMap<K, Weak<T>>) {
    if known.len() == known.capacity() {
        known.retain(|_, value| value.strong_count() > 0);
    }
}

/// Reads a config, and digests the secrets that it names.
struct Loading<'a> {
    context: &'a BuildContext<'a>,
    made: &'a Made,
    digest: Context,
}

impl Loading<'_> {
    fn verifier(&mut self, config: &Config) -> Result<Verifier, ConfigError> {
        let rules = Rules::new(config, self.context.apps)?;
        if !(1..=MAX_KEYS).contains(&config.keys.len()) {
            let message = format!("expected 1 to {MAX_KEYS} entries, found {}", config.keys.len());
            return Err(ConfigError::at("/keys", message));
        }
        let groups: Result<Box<[_]>, _> =
            config.keys.iter().enumerate().map(|(at, key)| self.group(config, at, key)).collect();
        let taken = match config.algorithms.as_deref() {
            Some([]) => {
                return Err(ConfigError::at("/algorithms", "an empty list would let nobody in"));
            }
            Some(list) => Some(Algorithms::of(list)),
            None => None,
        };
        if config.max_size.as_usize() > MAX_BYTES || config.max_size == ByteSize::new(0) {
            let message = format!("expected 1B to 16KiB, found `{}`", config.max_size);
            return Err(ConfigError::at("/max_size", message));
        }
        if config.cache > MAX_CACHE {
            let message = format!("expected 0 to {MAX_CACHE}, found `{}`", config.cache);
            return Err(ConfigError::at("/cache", message));
        }
        Ok(Verifier {
            groups: groups?,
            rules,
            taken,
            max_bytes: config.max_size.as_usize(),
            cache: (config.cache > 0).then(|| Cache::new(config.cache)),
            clock: self.context.clock.clone(),
        })
    }

    fn group(
        &mut self,
        config: &Config,
        index: usize,
        key: &config::Key,
    ) -> Result<Group, ConfigError> {
        let at = format!("/keys/{index}");
        let issuers = issuers(config, &at, key)?;
        let id = key.id.as_deref();
        if id.is_some_and(|id| !(1..=MAX_ID_BYTES).contains(&id.len())) {
            let message = format!("an id has 1 to {MAX_ID_BYTES} bytes");
            return Err(ConfigError::at(format!("{at}/id"), message));
        }
        let keys = match (&key.secret, &key.pem, &key.jwks) {
            (Some(reference), None, None) => {
                let at = format!("{at}/secret");
                let secret = self.secret(reference, &at)?;
                let made = Key::new(id, key.algorithm, &Raw::Secret(secret.expose()));
                Keys::Fixed(one(made, at)?)
            }
            (None, Some(reference), None) => {
                let at = format!("{at}/pem");
                let text = self.secret(reference, &at)?;
                Keys::Fixed(one(pem::read(id, key.algorithm, text.expose()), at)?)
            }
            (None, None, Some(jwks)) => {
                if id.is_some() {
                    let message = "the keys of a set have ids of their own";
                    return Err(ConfigError::at(format!("{at}/id"), message));
                }
                if key.algorithm.is_some() {
                    let message = "the keys of a set say themselves what they are for";
                    return Err(ConfigError::at(format!("{at}/algorithm"), message)
                        .help("write `algorithms` beside `keys`"));
                }
                self.set(&format!("{at}/jwks"), jwks)?
            }
            _ => {
                let message = "an entry has one of `secret`, `pem` and `jwks`";
                return Err(ConfigError::at(at, message));
            }
        };
        Ok(Group { keys, issuers })
    }

    fn set(&mut self, at: &str, jwks: &Jwks) -> Result<Keys, ConfigError> {
        let reference = match (&jwks.file, &jwks.env, &jwks.upstream, &jwks.url) {
            (Some(file), None, None, None) => SecretRef::File(file.clone()),
            (None, Some(name), None, None) => SecretRef::Env(name.clone()),
            (None, None, Some(upstream), None) => {
                self.context.known_upstream(upstream, &format!("{at}/upstream"))?;
                let path = jwks.path.as_deref().unwrap_or("/.well-known/jwks.json");
                let is_path = path.len() <= MAX_PATH_BYTES
                    && path.starts_with('/')
                    && path.parse::<PathAndQuery>().is_ok_and(|read| read.as_str() == path);
                if !is_path {
                    let message =
                        format!("expected a path that begins with `/`, found `{path:.100}`");
                    return Err(ConfigError::at(format!("{at}/path"), message));
                }
                let source = source(at, upstream.clone(), path.to_owned(), jwks)?;
                return Ok(Keys::Remote(self.made.remote(source, self.context)));
            }
            (None, None, None, Some(url)) => {
                if jwks.path.is_some() {
                    let message = "the path stands in the `url`";
                    return Err(ConfigError::at(format!("{at}/path"), message));
                }
                let (upstream, path) = self.url(&format!("{at}/url"), url)?;
                let source = source(at, upstream, path, jwks)?;
                return Ok(Keys::Remote(self.made.remote(source, self.context)));
            }
            _ => {
                let message = "a set has one of `file`, `env`, `url` and `upstream`";
                return Err(ConfigError::at(at, message));
            }
        };
        let Jwks { path, refresh, stale_if_error, timeout, .. } = jwks;
        if path.is_some() || [refresh, stale_if_error, timeout].iter().any(|span| span.is_some()) {
            let message =
                "`path`, `refresh`, `stale_if_error` and `timeout` are of a `url` or an `upstream`";
            return Err(ConfigError::at(at, message));
        }
        let text = self.secret(&reference, at)?;
        let wrong = |why: String| ConfigError::at(at, format!("no set of keys: {why}"));
        let set = jwks::read(text.expose(), Origin::Config).map_err(wrong)?;
        for why in &set.skipped {
            tracing::warn!(api = %self.context.api, step = %self.context.step, "a key is not used: {why}");
        }
        Ok(Keys::Fixed(set))
    }

    /// The upstream and the path that a URL stands for.
    fn url(&self, at: &str, url: &str) -> Result<(String, String), ConfigError> {
        let uri = url.parse::<Uri>().ok().filter(|_| url.len() <= MAX_PATH_BYTES);
        let origin = uri.as_ref().and_then(HttpOrigin::of);
        let (Some(uri), Some(origin)) = (uri, origin) else {
            let message = format!("`{url:.100}` is no URL of a server");
            return Err(
                ConfigError::at(at, message).help("write `https://idp.example.com/jwks.json`")
            );
        };
        // Whoever stands between could put keys of their own into what is not encrypted.
        let here = origin.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !origin.tls && !here && origin.host != "localhost" {
            return Err(ConfigError::at(at, "keys are fetched by `https`")
                .help("for a network that is trusted, name an `upstream`"));
        }
        let upstream = self.context.http.origin(&origin).ok_or_else(|| {
            ConfigError::at(at, "this gateway makes no calls by URL")
                .help("name an `upstream` that leads there")
        })?;
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Ok((upstream, path.to_owned()))
    }

    fn secret(&mut self, reference: &SecretRef, at: &str) -> Result<Secret, ConfigError> {
        let secret = self.context.secret(reference, at)?;
        self.part(secret.expose());
        Ok(secret)
    }

    /// Digests a part with its length, so that no two configs have the same bytes.
    fn part(&mut self, bytes: &[u8]) {
        self.digest.update(&(bytes.len() as u64).to_be_bytes());
        self.digest.update(bytes);
    }
}

fn source(at: &str, upstream: String, path: String, jwks: &Jwks) -> Result<Source, ConfigError> {
    let span = |name: &str, given: Option<HumanDuration>, default, least: HumanDuration, most| {
        let given = given.unwrap_or(HumanDuration::from_secs(default));
        if (least..=most).contains(&given) {
            return Ok(given.get());
        }
        let message = format!("expected {least} to {most}, found `{given}`");
        Err(ConfigError::at(format!("{at}/{name}"), message))
    };
    let seconds = HumanDuration::from_secs;
    let refresh = span("refresh", jwks.refresh, 300, seconds(10), seconds(86_400))?;
    let stale = span("stale_if_error", jwks.stale_if_error, 3_600, seconds(0), seconds(604_800))?;
    let least = HumanDuration::new(Duration::from_millis(100));
    let timeout = span("timeout", jwks.timeout, 5, least, seconds(30))?;
    Ok(Source { upstream, path, refresh, stale, timeout })
}

fn one(key: Result<Key, String>, at: String) -> Result<KeySet, ConfigError> {
    let key = key.map_err(|why| ConfigError::at(at, why))?;
    Ok(KeySet { keys: vec![key], skipped: Vec::new() })
}

/// Whose keys these are. With several issuers that share no keys, one must not sign for another
/// (RFC 8725 section 3.8).
fn issuers(config: &Config, at: &str, key: &config::Key) -> Result<Option<Names>, ConfigError> {
    let all = config.issuer.as_ref().map_or(&[][..], config::OneOrMany::as_slice);
    let Some(own) = &key.issuer else {
        if all.len() > 1 && config.keys.len() > 1 {
            return Err(ConfigError::at(at, "whose keys these are must be said")
                .help("with several issuers, write `issuer` into each entry of `keys`"));
        }
        return Ok(None);
    };
    let own = claims::names(&format!("{at}/issuer"), own.as_slice(), 1)?;
    if let Some(other) = own.iter().find(|name| !all.iter().any(|known| **known == ***name)) {
        let message = format!("`{other}` is no `issuer` of this step");
        return Err(ConfigError::at(format!("{at}/issuer"), message));
    }
    Ok(Some(own))
}
