//! What differs between releases that are kept, and from the one that serves.

use super::{Cause, Controller, ReleaseError, release::Wish, report::told};
use crate::live::Serving;
use paifang_config::{
    compile::Stamp,
    diff::{self, Diff},
    release::ReleaseStore,
    snapshot::Snapshot,
    source::ParseCache,
};
use serde_json::Value;
use std::{sync::Arc, time::SystemTime};

/// What a kept release is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// The one kept before it: what it brought.
    Before,
    /// The one that serves: what going back to it would bring.
    Live,
    /// This one: from it to the release.
    Number(u64),
}

impl Controller {
    /// What a kept release has changed against another. Secrets and certificates are today's on both
    /// sides, and are not told.
    ///
    /// # Errors
    /// When one of them is not kept, or cannot be made of what is there today.
    pub(crate) async fn told_release_diff(
        self: &Arc<Self>,
        number: u64,
        against: Against,
    ) -> Result<Value, ReleaseError> {
        let keeping = &self.transaction.lock().await.keeping;
        let store = keeping.as_ref().map(|keeping| keeping.store().clone());
        let store = store.ok_or(ReleaseError::Unknown { number })?;
        let this = self.clone();
        // Two releases are compiled: off the threads that serve.
        let compared =
            tokio::task::spawn_blocking(move || this.compare(&store, number, against)).await;
        let diff = compared.unwrap_or_else(|panic| {
            Err(ReleaseError::Handler(format!("comparing ended early: {panic}")))
        })?;
        let text = diff.to_string();
        Ok(told(diff, text))
    }

    fn compare(
        &self,
        store: &ReleaseStore,
        number: u64,
        against: Against,
    ) -> Result<Diff, ReleaseError> {
        let live = self.live.load_full();
        let to = self.kept(store, number, &live)?;
        let from = match against {
            Against::Live => live.snapshot.clone(),
            Against::Number(other) => self.kept(store, other, &live)?,
            Against::Before => {
                let numbers = store.list()?.into_iter().map(|listed| listed.number);
                let before = numbers.filter(|other| *other < number).max();
                self.kept(store, before.ok_or(ReleaseError::Oldest { number })?, &live)?
            }
        };
        Ok(diff::diff(&from, &to))
    }

    /// A kept release as it would be made today; it goes nowhere.
    fn kept(
        &self,
        store: &ReleaseStore,
        number: u64,
        live: &Serving,
    ) -> Result<Arc<Snapshot>, ReleaseError> {
        let mut cache = ParseCache::new();
        let stamp = Stamp { number, time: SystemTime::now(), cause: Cause::Check };
        let linked = self.make(stamp, &Wish::Kept(number), Some(store), live, &mut cache)?;
        Ok(linked.serving.snapshot)
    }
}
