//! The standard plugins, and configs compiled with them.

use std::{
    collections::BTreeMap,
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use paifang_config::{
    compile::{Context, Opening, Stamp, StoreHost, compile},
    schema,
    snapshot::{Cause, Snapshot},
    source::{FileSource, Origin, ParseCache, SecretSources, Stamp as FileStamp},
};
use paifang_pipeline::{
    Registry,
    ports::{Clock, HttpOut, NoHttpOut, Store, SystemClock},
};
use paifang_state::LocalStore;

/// What a gateway knows without plugins of its own.
///
/// # Panics
/// When two of them have one name.
#[must_use]
pub fn standard() -> Registry {
    let mut registry = Registry::default();
    match paifang_plugins::register(&mut registry) {
        Ok(()) => registry,
        Err(twice) => panic!("{twice}"),
    }
}

/// The JSON Schema of a config with the standard plugins.
#[must_use]
pub fn standard_schema() -> serde_json::Value {
    schema::with_plugins(&standard())
}

/// Opens stores that keep everything here: a release asks no server.
struct NoServers;

impl StoreHost for NoServers {
    fn open(&self, _: Opening<'_>) -> Arc<dyn Store> {
        Arc::new(LocalStore::new())
    }
}

/// Loads and compiles a config as a gateway does before it goes live. `environment` is all that
/// variables and secrets can be taken from.
///
/// # Errors
/// What `paifang check` would print.
pub fn compiled(
    root: &str,
    files: &dyn FileSource,
    environment: &BTreeMap<String, String>,
) -> Result<Snapshot, String> {
    let origin = Origin { root: root.into(), overlays: Vec::new() };
    let env = |name: &str| environment.get(name).cloned();
    let loaded = paifang_config::load(&origin, &env, files, &mut ParseCache::new())
        .map_err(|wrong| wrong.render())?;
    let registry = standard();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let http: Arc<dyn HttpOut> = Arc::new(NoHttpOut);
    let context = Context {
        registry: &registry,
        modules: None,
        stores: Some(&NoServers),
        store: &LocalStore::new(),
        clock: &clock,
        http: &http,
        secrets: SecretSources { env: &env, files },
        plans: &[],
        previous: None,
    };
    let stamp = Stamp { number: 1, time: SystemTime::UNIX_EPOCH, cause: Cause::Check };
    compile(loaded, stamp, &context).map_err(|wrong| wrong.render())
}

/// The variables that a config names and gives no default for, each with a value of its own that
/// is long enough for a secret.
#[must_use]
pub fn variables_of(config: &str) -> BTreeMap<String, String> {
    let filled = config.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    let filled = filled.map(|(name, _)| name).filter(|name| !name.contains(":-"));
    let word = |rest: &str| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    let secrets = config.split("env:").skip(1).map(|rest| word(rest.trim_start()));
    let names = filled.map(str::to_owned).chain(secrets).filter(|name| !name.is_empty());
    names.map(|name| (name.clone(), value_for(name))).collect()
}

fn value_for(name: impl Display) -> String {
    format!("{name}-0123456789abcdef0123456789abcdef")
}

/// One config as a file, and whatever other file it names: YAML files are empty, all others hold a
/// value of their own that can be a secret. Patterns match nothing.
#[derive(Debug)]
pub struct OneConfig {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl OneConfig {
    fn bytes(&self, path: &Path) -> Vec<u8> {
        if path == self.path {
            return self.text.clone().into_bytes();
        }
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if yaml { Vec::new() } else { value_for(path.display()).into_bytes() }
    }
}

impl FileSource for OneConfig {
    fn stamp(&self, path: &Path) -> io::Result<FileStamp> {
        let len = self.bytes(path).len() as u64;
        Ok(FileStamp { len, modified: None, taken: SystemTime::UNIX_EPOCH })
    }

    fn read(&self, path: &Path, _limit: u64) -> io::Result<Vec<u8>> {
        Ok(self.bytes(path))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::variables_of;

    #[test]
    fn variables_without_a_default_are_found() {
        let config = "a: ${ONE}\nb: \"x${TWO:-2}\"\nsecret: { env: THREE }\nother: { env:FOUR}";
        let names: Vec<String> = variables_of(config).into_keys().collect();
        assert_eq!(names, ["FOUR", "ONE", "THREE"]);
    }
}
