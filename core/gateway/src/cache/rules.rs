//! How one API's answers are kept: its config, ready for calls.

use super::{Cache, key::KeyRules, stats::ApiCounts};
use http::HeaderName;
use paifang_config::model;
use paifang_pipeline::Api;
use std::{sync::Arc, time::Duration};

/// How one API's answers are kept.
pub(crate) struct Rules {
    pub(super) key: KeyRules,
    /// Freshness of answers that say nothing of it.
    pub(super) ttl: Option<Duration>,
    /// The largest body that is kept, in bytes.
    pub(super) max_object: usize,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    /// How long calls wait for one that fetches the same; not at all where zero.
    pub(super) collapse: Duration,
    /// Whether clients may ask for fresher answers.
    pub(super) client_control: bool,
    /// The header that names an answer's tags.
    pub(super) tags: HeaderName,
    /// How long a fetch behind a stale answer may take.
    pub(super) timeout: Duration,
    pub(super) counts: Arc<ApiCounts>,
}

impl Rules {
    /// The rules of `api`. The names of headers were checked with the config.
    pub(crate) fn new(config: &model::Cache, api: &Api, cache: &Cache) -> Arc<Self> {
        let standard = HeaderName::from_static("cache-tag");
        Arc::new(Self {
            key: KeyRules::new(config, api),
            ttl: config.ttl.as_ref().map(|ttl| ttl.get()),
            max_object: config.max_object.as_usize(),
            stale_while_revalidate: config.stale_while_revalidate.get(),
            stale_if_error: config.stale_if_error.get(),
            collapse: config.collapse.get(),
            client_control: config.client_control,
            tags: HeaderName::from_bytes(config.tags.as_bytes()).unwrap_or(standard),
            timeout: api.limits.timeout,
            counts: cache.counts(&api.id),
        })
    }
}
