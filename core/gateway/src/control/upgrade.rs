//! Having another process take this one's place: what only the controller knows of it.

use super::controller::{ADMIN_MOVES, Controller, lock};
use crate::{
    edge::Handed,
    upgrade::{Attempt, Manifest, Successor, UpgradeError},
};
use serde_json::{Value, json};
use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::sync::watch;

impl Controller {
    /// Starts the program anew and hands everything over to it. Until it serves, nothing changes here.
    ///
    /// # Errors
    /// Why this process goes on serving.
    pub(crate) async fn upgrade(self: &Arc<Self>) -> Result<Value, UpgradeError> {
        // A task of its own: it goes through to its end even when whoever asked has gone away. Stopping
        // ends it.
        let task = {
            let mut upgrade = lock(&self.upgrade);
            if upgrade.as_ref().is_some_and(|running| !running.is_finished()) {
                return Err(UpgradeError::UnderWay);
            }
            let this = self.clone();
            let task = tokio::spawn(async move {
                let done = this.hand_over().await;
                this.tell_upgrade(&done);
                done
            });
            *upgrade = Some(task.abort_handle());
            task
        };
        task.await.unwrap_or_else(|ended| match ended.is_cancelled() {
            true => Err(UpgradeError::Stopping),
            false => Err(UpgradeError::HandOver(io::Error::other(ended.to_string()))),
        })
    }

    fn tell_upgrade(&self, done: &Result<Value, UpgradeError>) {
        match done {
            Ok(_) => self.upgrade_failure.store(None),
            Err(failed) => {
                self.counters.upgrades_failed.fetch_add(1, Relaxed);
                let told = failed.told();
                tracing::error!("not upgraded, this process goes on serving: {told}");
                self.upgrade_failure.store(Some(Arc::new(told)));
            }
        }
    }

    async fn hand_over(self: &Arc<Self>) -> Result<Value, UpgradeError> {
        let began = Instant::now();
        let program = self.program.clone().ok_or(UpgradeError::NoProcess)?;
        if std::process::id() == 1 {
            return Err(UpgradeError::FirstProcess);
        }
        // No release meanwhile: the new process reads the files, and writes where releases are kept.
        let mut transaction = self.transaction.lock().await;
        if !self.releases_here() {
            return Err(UpgradeError::Stopping);
        }
        let handed = self.sockets_to_hand_over().await.map_err(UpgradeError::HandOver)?;
        let keeping = transaction.keeping.as_ref();
        let held: Option<(PathBuf, File)> = keeping.and_then(|keeping| keeping.lock_to_hand_over());
        let manifest = Manifest::new(transaction.number, self.live.load().snapshot.plans());
        let attempt = tokio::task::spawn_blocking(move || Attempt::begin(&program)).await;
        let attempt = attempt.map_err(|panic| UpgradeError::HandOver(io::Error::other(panic)))?;
        let successor = match attempt?.finish(manifest, handed, held).await {
            Ok(successor) => Arc::new(successor),
            Err(failed) => {
                // The new process may have kept a release already.
                let next = keeping.and_then(|keeping| keeping.store().next_number().ok());
                transaction.number = next.map_or(transaction.number, |next| {
                    transaction.number.max(next.saturating_sub(1))
                });
                return Err(failed);
            }
        };
        // The directory is the new one's.
        transaction.keeping = None;
        // Whoever is told that another process serves asks that one from then on.
        let admin = lock(&self.admin).take();
        if let Some(mut admin) = admin {
            admin.begin_to_leave(ADMIN_MOVES).await;
            *lock(&self.admin) = Some(admin);
        }
        let report = report(&successor, self.patience(), began.elapsed());
        self.successor.send_replace(Some(successor));
        Ok(report)
    }

    async fn sockets_to_hand_over(&self) -> io::Result<Vec<Handed>> {
        let mut handed = self.edge.hand_over().await?;
        if let Some(admin) = &*lock(&self.admin) {
            handed.push(admin.hand_over()?);
        }
        self.sockets.hand_over(&mut handed)?;
        Ok(handed)
    }

    /// The process that takes our place, when it does.
    pub(crate) fn succeeded(&self) -> watch::Receiver<Option<Arc<Successor>>> {
        self.successor.subscribe()
    }

    /// How long the config gives connections after an upgrade.
    pub(crate) fn patience(&self) -> Duration {
        self.live.load().snapshot.config().shutdown.after_upgrade.get()
    }

    /// Connections that have not ended yet.
    pub(crate) fn connections(&self) -> u64 {
        self.edge.listeners().iter().map(|listener| u64::from(listener.active)).sum()
    }
}

fn report(successor: &Successor, patience: Duration, took: Duration) -> Value {
    let Successor { pid, version, release, .. } = successor;
    let (old, millis) = (std::process::id(), took.as_millis());
    let text = format!(
        "process {pid}, version {version}, serves release {release}: {millis} ms\n\
         process {old} lets its connections end, for up to {} s\n",
        patience.as_secs()
    );
    json!({
        "pid": pid,
        "version": version,
        "release": release,
        "before": old,
        "millis": u64::try_from(millis).unwrap_or(u64::MAX),
        "text": text,
    })
}
