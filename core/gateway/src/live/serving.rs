//! One release as calls see it.

use crate::{
    front::HttpLimits,
    upstream::{Upstream, Upstreams},
};
use arc_swap::ArcSwap;
use paifang_config::{route::PathPolicy, snapshot::Snapshot};
use paifang_pipeline::Api;
use std::sync::Arc;

/// One release, linked: every API with its upstream, every listener with its limits.
pub(crate) struct Serving {
    /// What it was made from.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The APIs, at the indexes that the route table answers with.
    pub(crate) apis: Vec<Arc<ServingApi>>,
    /// What requests pass that match no API.
    pub(crate) fallback: Arc<Api>,
    /// The upstreams, by name.
    pub(crate) upstreams: Upstreams,
    /// How request paths are read.
    pub(crate) paths: PathPolicy,
    /// Each listener's bounds on HTTP.
    pub(crate) limits: Vec<(Arc<str>, Arc<HttpLimits>)>,
    /// For a listener that has just left the config.
    pub(crate) default_limits: Arc<HttpLimits>,
}

/// An API with what answers it.
pub(crate) struct ServingApi {
    pub(crate) api: Arc<Api>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// It exists and takes no calls.
    pub(crate) offline: bool,
}

impl Serving {
    /// The bounds of a listener's next request.
    pub(crate) fn limits(&self, listener: &str) -> &Arc<HttpLimits> {
        let known = self.limits.iter().find(|(name, _)| &**name == listener);
        known.map_or(&self.default_limits, |(_, limits)| limits)
    }
}

/// The release that new calls see.
pub(crate) type Live = ArcSwap<Serving>;
