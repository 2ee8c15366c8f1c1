//! Reloading by itself when files change: for development, and only where the config says so.

use super::{Cause, Controller};
use notify::{RecursiveMode, Watcher};
use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::mpsc;

/// How often to look whether the config has begun or ceased to ask for watching.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// Watches the files of the live release and reloads when they have been quiet for the config's
/// `reload.debounce`. Ends with the controller.
pub(crate) async fn watch(controller: Weak<Controller>) {
    let (changed, mut changes) = mpsc::channel::<()>(1);
    let mut watcher: Option<(notify::RecommendedWatcher, Vec<PathBuf>)> = None;
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
        if watcher.is_none() {
            tokio::time::sleep(IDLE_LOOK).await;
            continue;
        }
        let news = tokio::time::timeout(IDLE_LOOK, changes.recv()).await;
        if !matches!(news, Ok(Some(()))) {
            continue;
        }
        // Quiet means: no news for the whole of `debounce`.
        while tokio::time::timeout(debounce, changes.recv()).await.is_ok() {}
        let Some(now) = controller.upgrade() else { return };
        now.files_changed().await;
    }
}

/// Watches folders, not files: editors replace files, and an include's pattern may match new ones.
fn open(
    folders: Vec<PathBuf>,
    changed: &mpsc::Sender<()>,
) -> Option<(notify::RecommendedWatcher, Vec<PathBuf>)> {
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

impl Controller {
    /// A watched file has changed: reload, unless a rollback has pinned its release.
    async fn files_changed(self: &Arc<Self>) {
        if let Some(pinned) = self.pinned() {
            tracing::warn!(
                release = pinned,
                "the files have changed; the gateway stays at the release that was rolled back to, until a reload"
            );
            return;
        }
        // A failure has been logged where it happened.
        let _ = self.reload(Cause::Watch).await;
    }
}
