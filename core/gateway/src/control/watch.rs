//! Reloading by itself when files change: for development, and only where the config says so.

use super::{Cause, controller::Controller};
use notify::{RecursiveMode, Watcher};
use paifang_config::watch::watched;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch as channel},
    time::{Instant, timeout, timeout_at},
};

/// Folders with a log in them are never quiet: after this many times `reload.debounce` the files
/// are looked at nonetheless.
const PATIENCE: u32 = 20;

/// Watches the files of the live release and reloads when they have been quiet for the config's
/// `reload.debounce`. Ends with the controller.
pub(crate) async fn watch(controller: Weak<Controller>, mut released: channel::Receiver<u64>) {
    let (changed, mut changes) = mpsc::channel::<()>(1);
    let mut watcher: Option<(notify::RecommendedWatcher, BTreeSet<PathBuf>)> = None;
    loop {
        let Some(now) = controller.upgrade() else { return };
        let wanted = now.watched();
        let debounce = now.debounce();
        drop(now);
        if watcher.as_ref().map(|(_, folders)| folders) != wanted.as_ref() {
            watcher = wanted.and_then(|folders| open(folders, &changed));
            // What changed before the watch began is looked at once.
            if watcher.is_some() {
                let _ = changed.try_send(());
            }
        }
        tokio::select! {
            release = released.changed() => {
                // Another release may ask for other folders. No sender: no controller.
                if release.is_err() {
                    return;
                }
            }
            _ = changes.recv(), if watcher.is_some() => {
                quiet(&mut changes, debounce).await;
                let Some(now) = controller.upgrade() else { return };
                now.files_changed().await;
            }
        }
    }
}

/// Waits until nothing has been heard for the whole of `debounce`, within bounds.
async fn quiet(changes: &mut mpsc::Receiver<()>, debounce: Duration) {
    let end = Instant::now() + debounce * PATIENCE;
    let hear = async { while timeout(debounce, changes.recv()).await.is_ok() {} };
    // Noise to the end is as good as quiet.
    let _ = timeout_at(end, hear).await;
}

/// Watches folders, not files: editors replace files, and an include's pattern may match new ones.
fn open(
    folders: BTreeSet<PathBuf>,
    changed: &mpsc::Sender<()>,
) -> Option<(notify::RecommendedWatcher, BTreeSet<PathBuf>)> {
    let changed = changed.clone();
    let notice = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A full channel has news in it already.
            let _ = changed.try_send(());
        }
    };
    let mut watcher = match notify::recommended_watcher(notice) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched; reload by command");
            return None;
        }
    };
    for folder in &folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched");
        }
    }
    Some((watcher, folders))
}

/// The folders of everything that a snapshot was made of.
fn folders(watched: paifang_config::watch::Watched) -> BTreeSet<PathBuf> {
    let parent = |file: &PathBuf| file.parent().map(Path::to_path_buf);
    let files: Vec<PathBuf> = watched.files.iter().filter_map(parent).collect();
    let here = |folder: PathBuf| if folder.as_os_str().is_empty() { ".".into() } else { folder };
    files.into_iter().chain(watched.directories).map(here).collect()
}

impl Controller {
    /// The folders to watch; `None` where the config doesn't ask for it.
    fn watched(&self) -> Option<BTreeSet<PathBuf>> {
        let snapshot = self.live.load().snapshot.clone();
        snapshot.config().reload.watch.then(|| folders(watched(&snapshot)))
    }

    fn debounce(&self) -> Duration {
        self.live.load().snapshot.config().reload.debounce.get()
    }

    /// A watched file has changed: reload, unless a rollback has pinned its release.
    async fn files_changed(self: &Arc<Self>) {
        // Another process serves, and watches for itself.
        if !self.releases_here() {
            return;
        }
        if let Some(pinned) = self.pinned() {
            return self.tell_drift(pinned).await;
        }
        // A failure has been logged where it happened.
        let _ = self.reload(Cause::Watch).await;
    }

    /// Says whether the files differ from the release that was gone back to.
    async fn tell_drift(self: &Arc<Self>, pinned: u64) {
        let stays = "the gateway stays at the release that was rolled back to, until a reload";
        match self.diff().await {
            Ok(diff) if diff.changes.is_empty() => tracing::debug!(
                "files were touched; nothing in them differs from the release that was gone back to"
            ),
            Ok(diff) => {
                let changes = diff.changes.len();
                tracing::warn!(release = pinned, changes, "the files have changed; {stays}");
            }
            Err(failed) => {
                let why = failed.told();
                tracing::warn!(
                    release = pinned,
                    "the files have changed, and could not be released; {stays}: {why}"
                );
            }
        }
    }
}
