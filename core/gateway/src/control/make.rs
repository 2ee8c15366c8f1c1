//! Making releases: from files, or from those kept on disk, to what is ready to serve.

use super::{
    ReleaseError,
    keep::Keeping,
    link::{self, Linked},
};
use crate::{
    builder::Sources,
    cache::Cache,
    handlers::Handlers,
    live::Serving,
    outbound::{Outbound, Outlets},
    stores::SharedStores,
    upgrade::Takeover,
    upstream::Deps,
};
use paifang_config::{
    compile::{self, Context, Stamp},
    diag::Diagnostics,
    load,
    release::{ReleaseFiles, ReleaseStore, StoreError},
    snapshot::{Cause, PlanOn},
    source::{FileSource, Origin, ParseCache, SecretSources, load_tree},
    yaml::Budget,
};
use paifang_pipeline::{
    Registry,
    ports::{HttpOut, Store},
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// What releases are made with.
pub(super) struct Maker<'a> {
    pub(super) registry: &'a Registry,
    pub(super) sources: &'a Sources,
    pub(super) store: &'a dyn Store,
    pub(super) stores: &'a SharedStores,
    pub(super) deps: &'a Deps,
    pub(super) outlets: &'a Arc<Outlets>,
    pub(super) handlers: &'a Handlers,
    pub(super) cache: &'a Arc<Cache>,
}

/// The first release of a process, and what was found beside it.
pub(super) struct First {
    pub(super) linked: Linked,
    /// The directory of kept releases, where there is one.
    pub(super) keeping: Option<Keeping>,
    /// The release that stays until an explicit reload.
    pub(super) pinned: Option<u64>,
    /// What is wrong with the files, where this release is not theirs for that reason.
    pub(super) failure: Option<String>,
}

impl Maker<'_> {
    /// The first release of a process: the pinned one, else that of the files, or, when they are
    /// broken, the last good one that was kept. A process that takes another's place makes no such
    /// concession: the other one serves. Blocks.
    pub(super) fn first(
        &self,
        cache: &mut ParseCache,
        releases: Option<&PathBuf>,
        takeover: Option<&Takeover>,
    ) -> Result<First, ReleaseError> {
        let lock = takeover.and_then(|takeover| takeover.lock.as_ref()).map(|(_, lock)| lock);
        let keeping = self.kept_before(releases, lock)?;
        let store = keeping.as_ref().map(Keeping::store);
        let number = store.and_then(|store| store.next_number().ok()).unwrap_or(1);
        let number = takeover.map_or(number, |takeover| number.max(takeover.release + 1));
        let stamp = |cause| Stamp { number, time: SystemTime::now(), cause };
        let plans = match takeover {
            Some(takeover) => takeover.plans.clone(),
            None => store.map(plans_before).unwrap_or_default(),
        };
        // A release that was gone back to stays until an explicit reload, restarts included.
        let pinned = store.and_then(|store| store.pinned().ok()?);
        if let (Some(store), Some(pinned)) = (store, pinned) {
            match self.release_of_store(store, pinned, stamp(Cause::Rollback(pinned)), None) {
                Ok(linked) => {
                    tracing::warn!(
                        release = pinned,
                        "serving the release that was gone back to; `paifang reload` takes the files"
                    );
                    return Ok(First { linked, keeping, pinned: Some(pinned), failure: None });
                }
                Err(failed) if takeover.is_some() => return Err(failed),
                Err(failed) => {
                    tracing::error!(
                        release = pinned,
                        "the pinned release cannot be served, the files are taken instead: {}",
                        failed.told()
                    );
                }
            }
        }
        let broken = match self.release_of_files(cache, stamp(Cause::Start), &plans, None) {
            Ok(linked) => return Ok(First { linked, keeping, pinned: None, failure: None }),
            Err(broken) => broken,
        };
        let store = store.filter(|_| takeover.is_none());
        let Some(store) = store else { return Err(ReleaseError::Config(broken)) };
        let Ok(Some(good)) = store.last_good() else { return Err(ReleaseError::Config(broken)) };
        let failure = broken.render();
        tracing::error!(
            "THE CONFIG IS BROKEN. Serving release {good}, the last good one, instead. What is wrong:\n{failure}"
        );
        match self.release_of_store(store, good, stamp(Cause::Recovery), None) {
            Ok(linked) => Ok(First { linked, keeping, pinned: None, failure: Some(failure) }),
            Err(failed) => {
                tracing::error!(
                    release = good,
                    "the last good release cannot be served either: {}",
                    failed.told()
                );
                Err(ReleaseError::Config(broken))
            }
        }
    }

    /// A release of the files as they are now, with these plans on.
    pub(super) fn release_of_files(
        &self,
        cache: &mut ParseCache,
        stamp: Stamp,
        plans: &[PlanOn],
        previous: Option<&Serving>,
    ) -> Result<Linked, Diagnostics> {
        let from = (&self.sources.origin, &*self.sources.files);
        self.make(from, cache, stamp, plans, previous)
    }

    /// A release of what the live one was made of, with these plans on, whatever the files say by
    /// now. Secrets and certificates are today's.
    pub(super) fn release_of_live(
        &self,
        cache: &mut ParseCache,
        stamp: Stamp,
        plans: &[PlanOn],
        live: &Serving,
    ) -> Result<Linked, Diagnostics> {
        let files = ReleaseFiles::of(&live.snapshot, &*self.sources.files);
        self.make((&live.snapshot.tree().origin, &files), cache, stamp, plans, Some(live))
    }

    /// A release that was kept, with the plans that were on in it. Secrets and certificates are
    /// today's.
    pub(super) fn release_of_store(
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
        let plans = &release.manifest().plans;
        self.make((&origin, &files), &mut ParseCache::new(), stamp, plans, previous)
            .map_err(ReleaseError::Config)
    }

    fn make(
        &self,
        (origin, files): (&Origin, &dyn FileSource),
        cache: &mut ParseCache,
        stamp: Stamp,
        plans: &[PlanOn],
        previous: Option<&Serving>,
    ) -> Result<Linked, Diagnostics> {
        let environment = &*self.sources.environment;
        let env = &|name: &str| environment(name);
        let loaded = load(origin, env, files, cache)?;
        let outbound = Arc::new(Outbound::new(self.outlets.clone()));
        let http: Arc<dyn HttpOut> = outbound.clone();
        let context = Context {
            registry: self.registry,
            modules: Some(self.handlers),
            store: self.store,
            stores: Some(self.stores),
            clock: &self.deps.clock,
            http: &http,
            secrets: SecretSources { env, files },
            plans,
            previous: previous.map(|serving| &*serving.snapshot),
        };
        let snapshot = Arc::new(compile::compile(loaded, stamp, &context)?);
        link::link(snapshot, previous, outbound, files, (self.deps, self.cache))
    }

    /// The directory in which an earlier run has kept its releases.
    fn kept_before(
        &self,
        releases: Option<&PathBuf>,
        lock: Option<&File>,
    ) -> Result<Option<Keeping>, ReleaseError> {
        let (directory, sure) = match (releases, self.configured_directory()) {
            (Some(told), _) => (told.clone(), true),
            (None, Ok(Some(configured))) => (configured, true),
            // The config can be read, and wants none to be kept.
            (None, Ok(None)) => return Ok(None),
            // It cannot: `releases` beside it is where they would be by habit.
            (None, Err(beside)) => (beside, false),
        };
        if !directory.exists() {
            return Ok(None);
        }
        match Keeping::open(&directory, lock) {
            Ok(keeping) => Ok(Some(keeping)),
            Err(in_use @ ReleaseError::DirectoryInUse { .. }) if sure => Err(in_use),
            Err(failed) => {
                // The files may be whole, so that nothing is needed from there.
                tracing::error!("releases kept before are out of reach: {failed}");
                Ok(None)
            }
        }
    }

    /// `releases.directory`, as far as the config can be read; where it cannot, a guess.
    fn configured_directory(&self) -> Result<Option<PathBuf>, PathBuf> {
        let environment = &*self.sources.environment;
        let env = &|name: &str| environment(name);
        let origin = &self.sources.origin;
        let (files, mut cache) = (&*self.sources.files, ParseCache::new());
        match load_tree(origin, env, files, &mut cache, &Budget::default()) {
            Ok(tree) => {
                let releases = tree.root.get("releases");
                let directory = releases.and_then(|releases| releases.get("directory"));
                Ok(directory.and_then(|directory| {
                    Some(tree.sources.directory(directory.span).join(directory.as_text()?))
                }))
            }
            Err(_) => Err(origin.root.parent().unwrap_or(Path::new("")).join("releases")),
        }
    }
}

/// The plans that were on in the release that served last.
fn plans_before(store: &ReleaseStore) -> Vec<PlanOn> {
    let plans = store.last_good().and_then(|good| match good {
        Some(good) => store.plans(good),
        None => Ok(Vec::new()),
    });
    plans.unwrap_or_else(|error| {
        tracing::error!("WHICH PLANS WERE ON CANNOT BE READ; none is: {error}");
        Vec::new()
    })
}
