//! Releasing: load → compile → link → listen → start → live, or nothing at all.

use super::{
    controller::{Controller, lock},
    keep,
    link::Linked,
    make::Maker,
    plans::Switch,
    report::{Kept, Report},
};
use crate::{admin::AdminError, edge::ListenError, live::Serving};
use paifang_config::{
    compile::Stamp,
    diag::Diagnostics,
    diff::{self, Diff},
    release::{ReleaseStore, StoreError},
    snapshot::Snapshot,
    source::ParseCache,
};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

/// Why a release is made.
pub(crate) use paifang_config::snapshot::Cause;

/// What a release is to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// The files as they are now, for this reason.
    Files(Cause),
    /// The release of this number that was kept.
    Kept(u64),
    /// What the live release was made of, with another plan on or off.
    Switch(Switch),
}

impl Wish {
    fn cause(&self) -> Cause {
        match self {
            Self::Files(cause) => cause.clone(),
            Self::Kept(number) => Cause::Rollback(*number),
            Self::Switch(switch) => switch.cause(),
        }
    }

    fn is_of_files(&self) -> bool {
        !matches!(self, Self::Switch(_))
    }
}

/// How long a new upstream's names may take to be looked up before the release goes on without.
const WARM_UP: Duration = Duration::from_secs(2);

/// Why a release was not made. The one before goes on serving.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The config is wrong.
    #[error("the config is refused: {} {}", .0.as_slice().len(), if .0.as_slice().len() == 1 { "error" } else { "errors" })]
    Config(Diagnostics),
    /// A listener cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The admin API cannot listen where the config has it now.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A handler could not be started.
    #[error("{0}")]
    Handler(String),
    /// It is the oldest release that is kept.
    #[error("no release before release {number} is kept")]
    Oldest {
        /// Its number.
        number: u64,
    },
    /// There is no such release, or none are kept.
    #[error(
        "there is no release {number} to go back to; `paifang releases` lists those that are kept"
    )]
    Unknown {
        /// The number asked for.
        number: u64,
    },
    /// There is no such plan in the live release.
    #[error("the live release has no plan `{name}`; {help}")]
    UnknownPlan {
        /// The name asked for.
        name: String,
        /// The like that there is.
        help: String,
    },
    /// Releases cannot be read.
    #[error("releases cannot be read or written: {0}")]
    Store(#[from] StoreError),
    /// The directory of releases is another gateway's.
    #[error(
        "the release directory {} belongs to another gateway that runs; stop that one, or name another directory in `releases.directory` or with --releases",
        directory.display()
    )]
    DirectoryInUse {
        /// The directory.
        directory: PathBuf,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl ReleaseError {
    /// More, for people: every error of the config at its place.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Config(diagnostics) => Some(diagnostics.render()),
            _ => None,
        }
    }

    /// All that is known of it.
    pub(crate) fn told(&self) -> String {
        match self.details() {
            Some(details) => format!("{self}\n{details}"),
            None => self.to_string(),
        }
    }
}

impl Controller {
    /// Reads the files again and makes them the live release. Plans that are on stay on.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub(crate) async fn reload(self: &Arc<Self>, cause: Cause) -> Result<Report, ReleaseError> {
        self.release(Wish::Files(cause)).await
    }

    /// Makes an earlier release live again, with the plans that were on in it, and pins it.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub(crate) async fn rollback(self: &Arc<Self>, number: u64) -> Result<Report, ReleaseError> {
        self.release(Wish::Kept(number)).await
    }

    pub(super) async fn release(self: &Arc<Self>, wish: Wish) -> Result<Report, ReleaseError> {
        // A task of its own: the transaction goes through to its end even when whoever asked for
        // it has gone away meanwhile.
        let (this, of_files) = (self.clone(), wish.is_of_files());
        let task = tokio::spawn(async move {
            let done = this.transact(&wish).await;
            this.tell(&done, of_files);
            done
        });
        task.await.unwrap_or_else(|panic| {
            let failed = Err(ReleaseError::Handler(format!("the release ended early: {panic}")));
            self.tell(&failed, of_files);
            failed
        })
    }

    /// What became of a release. How the files are only a release of files can tell.
    fn tell(&self, done: &Result<Report, ReleaseError>, of_files: bool) {
        match done {
            Ok(report) => {
                if of_files {
                    self.last_failure.store(None);
                }
                if report.unchanged {
                    tracing::debug!("there was nothing to release");
                } else {
                    tracing::info!(release = report.release, built = report.apis_built, "released");
                }
            }
            Err(failed) => {
                self.counters.failed.fetch_add(1, Relaxed);
                let told = failed.told();
                tracing::error!("not released, the release before goes on serving: {told}");
                if of_files {
                    self.last_failure.store(Some(Arc::new(told)));
                }
            }
        }
    }

    /// load → compile → link → listen → start → live.
    async fn transact(self: &Arc<Self>, wish: &Wish) -> Result<Report, ReleaseError> {
        let mut transaction = self.transaction.lock().await;
        if !self.releases_here() {
            return Err(ReleaseError::Stopping);
        }
        let began = Instant::now();
        let number = transaction.number + 1;
        let old = self.live.load_full();

        if let Wish::Switch(switch) = wish {
            switch.check(&old.snapshot)?;
            if switch.is_done(&old.snapshot) {
                return Ok(Report::unchanged(&old.snapshot, began.elapsed()));
            }
        }

        // Compiling takes processor time: off the threads that serve.
        let (this, before, wished) = (self.clone(), old.clone(), wish.clone());
        let mut cache = std::mem::take(&mut transaction.cache);
        let store = transaction.keeping.as_ref().map(|keeping| keeping.store().clone());
        let compiled = tokio::task::spawn_blocking(move || {
            let stamp = Stamp { number, time: SystemTime::now(), cause: wished.cause() };
            let made = this.make(stamp, &wished, store.as_ref(), &before, &mut cache);
            (made, cache)
        });
        let (made, cache) = compiled
            .await
            .map_err(|panic| ReleaseError::Handler(format!("compiling ended early: {panic}")))?;
        transaction.cache = cache;
        let Linked { serving, listeners } = made?;
        if *wish == Wish::Files(Cause::Watch) && serving.is_like(&old) {
            return Ok(Report::unchanged(&old.snapshot, began.elapsed()));
        }

        let snapshot = serving.snapshot.clone();
        let admin = self.prepare_admin(&snapshot).await?;
        let prepared = self.edge.prepare(listeners).await?;
        snapshot.start(Some(&old.snapshot), &self.deps.spawn).map_err(ReleaseError::Handler)?;
        let serving = Arc::new(serving);
        self.warm(&serving).await;

        // From here on nothing can fail.
        self.live.store(serving.clone());
        self.held.replaced(&old, &serving);
        serving.outbound.go_live();
        prepared.commit(snapshot.config().shutdown.grace.get()).await;
        self.commit_admin(admin, &snapshot);
        old.snapshot.drain(Some(&snapshot));
        old.upstreams.retire_all_but(&serving.upstreams);
        transaction.number = number;
        {
            let mut pinned = lock(&self.pinned);
            *pinned = match wish {
                Wish::Files(_) => None,
                Wish::Kept(earlier) => Some(*earlier),
                // What was gone back to stays, with other plans on.
                Wish::Switch(_) => pinned.map(|_| number),
            };
        }
        let kept = self.went_live(&mut transaction, &snapshot).await;
        self.released.send_replace(number);

        let told = snapshot.clone();
        let diff = tokio::task::spawn_blocking(move || diff::diff(&old.snapshot, &told)).await;
        Ok(Report::new(&snapshot, began.elapsed(), kept, diff.ok().as_ref()))
    }

    /// Loads, compiles and links; blocks.
    pub(super) fn make(
        &self,
        stamp: Stamp,
        wish: &Wish,
        store: Option<&ReleaseStore>,
        old: &Serving,
        cache: &mut ParseCache,
    ) -> Result<Linked, ReleaseError> {
        let maker = Maker {
            registry: &self.registry,
            sources: &self.sources,
            store: &*self.store,
            stores: &self.stores,
            deps: &self.deps,
            outlets: &self.outlets,
            handlers: &self.handlers,
            cache: &self.answers,
        };
        let plans = old.snapshot.plans();
        match wish {
            Wish::Files(_) => {
                maker.release_of_files(cache, stamp, plans, Some(old)).map_err(ReleaseError::Config)
            }
            Wish::Kept(wanted) => {
                let store = store.ok_or(ReleaseError::Unknown { number: *wanted })?;
                maker.release_of_store(store, *wanted, stamp, Some(old))
            }
            Wish::Switch(switch) => {
                let plans = switch.applied_to(plans, stamp.time);
                maker.release_of_live(cache, stamp, &plans, old).map_err(ReleaseError::Config)
            }
        }
    }

    /// What reloading now would change; changes nothing.
    pub(crate) async fn diff(self: &Arc<Self>) -> Result<Diff, ReleaseError> {
        self.tried(Wish::Files(Cause::Check), |old, linked| {
            diff::diff(&old.snapshot, &linked.serving.snapshot)
        })
        .await
    }

    /// Makes a release that will not be served, and looks at it beside the live one.
    pub(super) async fn tried<T: Send + 'static>(
        self: &Arc<Self>,
        wish: Wish,
        look: impl FnOnce(&Serving, &Linked) -> T + Send + 'static,
    ) -> Result<T, ReleaseError> {
        let this = self.clone();
        let compared = tokio::task::spawn_blocking(move || {
            let old = this.live.load_full();
            if let Wish::Switch(switch) = &wish {
                switch.check(&old.snapshot)?;
            }
            let number = old.snapshot.number() + 1;
            let stamp = Stamp { number, time: SystemTime::now(), cause: Cause::Check };
            let mut cache = ParseCache::new();
            let linked = this.make(stamp, &wish, None, &old, &mut cache)?;
            Ok(look(&old, &linked))
        });
        compared.await.unwrap_or_else(|panic| {
            Err(ReleaseError::Handler(format!("comparing ended early: {panic}")))
        })
    }

    /// Starts the upstreams, and gives their names a moment to be looked up.
    pub(super) async fn warm(&self, serving: &Serving) {
        serving.upstreams.start();
        serving.tracer.iter().for_each(|tracer| tracer.start(&self.deps.spawn));
        if tokio::time::timeout(WARM_UP, serving.upstreams.warmed()).await.is_err() {
            tracing::warn!(
                "some upstreams' names are not looked up yet; their calls fail until they are"
            );
        }
    }

    /// Notes a release that has gone live: log level, disk, counters.
    pub(super) async fn went_live(
        self: &Arc<Self>,
        transaction: &mut super::controller::Transaction,
        snapshot: &Arc<Snapshot>,
    ) -> Kept {
        self.counters.released.fetch_add(1, Relaxed);
        let log = &snapshot.config().log;
        let [step, call] =
            [&log.slow_step, &log.slow_call].map(|slow| slow.as_ref().map(|at| at.get()));
        self.slow.set(step, call);
        if let Some(log) = &self.log
            && let Err(why) = log.configure(&snapshot.config().log)
        {
            tracing::warn!(%why, "`log` is not taken over");
        }
        self.answers.resize(snapshot.config().cache.memory.bytes());
        transaction.number = transaction.number.max(snapshot.number());
        // Files are flushed to disk: off the threads that serve.
        let (this, snapshot) = (self.clone(), snapshot.clone());
        let (held, pinned) = (transaction.keeping.take(), *lock(&self.pinned));
        let done = tokio::task::spawn_blocking(move || {
            let directory = keep::directory(this.releases.as_ref(), &snapshot);
            keep::keep(held, &snapshot, directory, pinned)
        });
        let (keeping, kept) = done.await.unwrap_or_else(|panic| {
            (None, Err(ReleaseError::Handler(format!("keeping ended early: {panic}"))))
        });
        // A directory that was used before has numbers of its own.
        if let Some(next) = keeping.as_ref().and_then(|keeping| keeping.store().next_number().ok())
        {
            transaction.number = transaction.number.max(next - 1);
        }
        transaction.keeping = keeping;
        self.not_kept.store(kept.as_ref().err().map(|failed| Arc::new(failed.to_string())));
        kept.unwrap_or_else(|failed| {
            tracing::error!(
                "the release is live but not kept; after a restart with broken files it cannot be gone back to: {failed}"
            );
            Kept::Failed(failed.to_string())
        })
    }

    /// All releases that are kept, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<paifang_config::release::Listed>, ReleaseError> {
        let keeping = &self.transaction.lock().await.keeping;
        let Some(store) = keeping.as_ref().map(|keeping| keeping.store().clone()) else {
            return Ok(Vec::new());
        };
        let listed = tokio::task::spawn_blocking(move || store.list()).await;
        let listed = listed
            .map_err(|panic| ReleaseError::Handler(format!("listing ended early: {panic}")))?;
        Ok(listed?)
    }
}
