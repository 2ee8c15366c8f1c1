//! Ending the calls that hold old releases beyond what the config allows.

use super::Controller;
use crate::live::Bounds;
use std::{future::pending, sync::Weak};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Looks after every release, and whenever one that is held has had its time. Ends with the
/// controller.
pub(crate) async fn recall(controller: Weak<Controller>, mut released: watch::Receiver<u64>) {
    loop {
        let Some(now) = controller.upgrade() else { return };
        let next = now.recall_overdue();
        drop(now);
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            // No sender: no controller.
            release = released.changed() => if release.is_err() { return },
            () = due => {}
        }
    }
}

impl Controller {
    /// Says when there may be more to do, unless a release goes live before.
    fn recall_overdue(&self) -> Option<Instant> {
        let bounds = {
            let live = self.live.load();
            let config = live.snapshot.config();
            Bounds {
                keep: *config.reload.keep_old as usize,
                drain: config.reload.drain.get(),
                grace: config.shutdown.grace.get(),
            }
        };
        let (recalled, next) = self.held.enforce(&bounds, Instant::now());
        for old in recalled {
            tracing::warn!(
                release = old.release,
                calls = old.calls,
                replaced_seconds_ago = old.age.as_secs(),
                "calls held an old release beyond `reload.keep_old` or `reload.drain`; they are ended"
            );
        }
        next
    }
}
