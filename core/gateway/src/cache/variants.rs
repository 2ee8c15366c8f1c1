//! The kept answers of one key: more than one where they differ by request headers (`Vary`).

use super::stored::Stored;
use http::HeaderMap;
use std::sync::Arc;

/// So many answers of one key are kept; the newest push out the oldest.
const MOST: usize = 16;

/// Answers of one key, the newest first. Never changed: a new answer makes a new list.
#[derive(Clone)]
pub(super) struct Variants(Arc<[Arc<Stored>]>);

impl Variants {
    /// `newest`, and of those before it what is for other requests.
    pub(super) fn with(before: Option<&Self>, newest: Arc<Stored>) -> Self {
        let others = before.into_iter().flat_map(|before| before.0.iter());
        let others = others.filter(|older| !newest.replaces(older)).cloned();
        let all = std::iter::once(newest.clone()).chain(others.collect::<Vec<_>>());
        Self(all.take(MOST).collect())
    }

    /// The newest one that suits a request with these headers.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<&Arc<Stored>> {
        self.0.iter().find(|stored| stored.suits(headers))
    }

    /// What they take, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|stored| stored.bytes()).sum()
    }
}
