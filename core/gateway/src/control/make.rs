//! Making releases: from files, or from those kept on disk, to what is ready to serve.

use super::{
    ReleaseError,
    link::{self, Linked},
};
use crate::{builder::Sources, live::Serving, upstream::Deps};
use paifang_config::{
    compile::{self, Context, Stamp},
    diag::Diagnostics,
    load,
    release::{ReleaseStore, StoreError},
    snapshot::Cause,
    source::{FileSource, Origin, ParseCache, SecretSources, load_tree},
    yaml::Budget,
};
use paifang_pipeline::{Registry, ports::Store};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// What releases are made with.
pub(super) struct Maker<'a> {
    pub(super) registry: &'a Registry,
    pub(super) sources: &'a Sources,
    pub(super) store: &'a dyn Store,
    pub(super) deps: &'a Deps,
}

impl Maker<'_> {
    /// The first release of a process: the pinned one, else that of the files, or, when they are
    /// broken, the last good one that was kept.
    pub(super) fn first(
        &self,
        cache: &mut ParseCache,
        releases: Option<&PathBuf>,
    ) -> Result<Linked, ReleaseError> {
        let candidates = self.release_directories(releases);
        let store = candidates.iter().find_map(|directory| {
            directory.exists().then(|| ReleaseStore::open(directory).ok())?
        });
        let number = store.as_ref().and_then(|store| store.next_number().ok()).unwrap_or(1);
        let stamp = |cause| Stamp { number, time: SystemTime::now(), cause };
        // A release that was gone back to stays until an explicit reload, restarts included.
        let pinned = store.as_ref().and_then(|store| store.pinned().ok()?);
        if let (Some(store), Some(pinned)) = (&store, pinned) {
            match self.from_store(store, pinned, stamp(Cause::Rollback(pinned)), None) {
                Ok(made) => {
                    tracing::warn!(
                        release = pinned,
                        "serving the release that was gone back to; `paifang reload` takes the files"
                    );
                    return Ok(made);
                }
                Err(failed) => {
                    tracing::error!(release = pinned, error = %failed, "the pinned release cannot be served");
                }
            }
        }
        let broken = match self.from_files(cache, stamp(Cause::Start), None) {
            Ok(made) => return Ok(made),
            Err(broken) => broken,
        };
        let Some(store) = store else { return Err(ReleaseError::Config(broken)) };
        let Ok(Some(good)) = store.last_good() else { return Err(ReleaseError::Config(broken)) };
        tracing::error!(
            "THE CONFIG IS BROKEN. Serving release {good}, the last good one, instead. What is wrong:\n{}",
            broken.render()
        );
        self.from_store(&store, good, stamp(Cause::Recovery), None).map_err(|failed| {
            tracing::error!(release = good, error = %failed, "the last good release cannot be served either");
            ReleaseError::Config(broken)
        })
    }

    /// A release of the files as they are now.
    pub(super) fn from_files(
        &self,
        cache: &mut ParseCache,
        stamp: Stamp,
        previous: Option<&Serving>,
    ) -> Result<Linked, Diagnostics> {
        self.make(&self.sources.origin, &*self.sources.files, cache, stamp, previous)
    }

    /// A release that was kept. Secrets and certificates are today's.
    pub(super) fn from_store(
        &self,
        store: &ReleaseStore,
        number: u64,
        stamp: Stamp,
        previous: Option<&Serving>,
    ) -> Result<Linked, ReleaseError> {
        let release = match store.load(number) {
            Ok(release) => release,
            Err(StoreError::Missing(number)) => return Err(ReleaseError::Unknown { number }),
            Err(other) => return Err(other.into()),
        };
        let files = release.files(&*self.sources.files);
        let origin = release.manifest().origin();
        self.make(&origin, &files, &mut ParseCache::new(), stamp, previous)
            .map_err(ReleaseError::Config)
    }

    fn make(
        &self,
        origin: &Origin,
        files: &dyn FileSource,
        cache: &mut ParseCache,
        stamp: Stamp,
        previous: Option<&Serving>,
    ) -> Result<Linked, Diagnostics> {
        let environment = &*self.sources.environment;
        let env = &|name: &str| environment(name);
        let loaded = load(origin, env, files, cache)?;
        let context = Context {
            registry: self.registry,
            store: self.store,
            clock: &self.deps.clock,
            secrets: SecretSources { env, files },
            previous: previous.map(|serving| &*serving.snapshot),
        };
        let snapshot = Arc::new(compile::compile(loaded, stamp, &context)?);
        link::link(snapshot, previous, files, self.deps)
    }

    /// Where releases may be kept, for a config that may be broken: as the caller says, as the
    /// config says as far as it can be read, `releases` beside the config.
    fn release_directories(&self, releases: Option<&PathBuf>) -> Vec<PathBuf> {
        let environment = &*self.sources.environment;
        let env = &|name: &str| environment(name);
        let origin = &self.sources.origin;
        let beside = origin.root.parent().unwrap_or(Path::new("")).join("releases");
        let mut cache = ParseCache::new();
        let configured =
            load_tree(origin, env, &*self.sources.files, &mut cache, &Budget::default())
                .ok()
                .and_then(|tree| {
                    let directory = tree.root.get("releases")?.get("directory")?;
                    Some(tree.sources.directory(directory.span).join(directory.as_text()?))
                });
        releases.cloned().into_iter().chain(configured).chain([beside]).collect()
    }
}
