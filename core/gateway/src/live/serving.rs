//! One release as calls see it.

use super::OperationForm;
use crate::{
    cache::ApiCache,
    control::Messages,
    front::HttpLimits,
    outbound::Outbound,
    traces::Tracer,
    upstream::{Upstream, UpstreamCall, Upstreams},
};
use arc_swap::ArcSwap;
use paifang_config::{model::Config, route::PathPolicy, snapshot::Snapshot, yaml::Digest};
use paifang_pipeline::{Api, Exchange, Origin, OriginError, Recall, Replay, error};
use std::{iter::once, sync::Arc};

/// One release, linked: every API with its upstream, every listener with its limits.
pub(crate) struct Serving {
    /// What it was made from.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The APIs, at the indexes that the route table answers with.
    pub(crate) apis: Vec<Arc<ServingApi>>,
    /// How each API looks to calls that name its operation, at the same indexes.
    pub(crate) operations: Vec<Option<OperationForm>>,
    /// What requests pass that match no API.
    pub(crate) fallback: Arc<ServingApi>,
    /// The upstreams, by name.
    pub(crate) upstreams: Upstreams,
    /// The way out for its handlers.
    pub(crate) outbound: Arc<Outbound>,
    /// How request paths are read.
    pub(crate) paths: PathPolicy,
    /// Each listener's bounds on HTTP.
    pub(crate) limits: Vec<(Arc<str>, Arc<HttpLimits>)>,
    /// For a listener that has just left the config.
    pub(crate) default_limits: Arc<HttpLimits>,
    /// Where MMTP is spoken within HTTP, where any listener takes it.
    pub(crate) mmtp: Option<MmtpPath>,
    /// Makes spans of its calls, where the config has traces.
    pub(crate) tracer: Option<Arc<Tracer>>,
    /// How messages of MMTP are compressed, where they are.
    pub(crate) messages: Option<Arc<Messages>>,
    /// Of all certificates, keys and dictionaries.
    pub(crate) pems: Digest,
}

/// Where MMTP is spoken within HTTP.
#[derive(Debug)]
pub(crate) struct MmtpPath {
    path: Box<str>,
    listeners: Box<[Arc<str>]>,
}

impl MmtpPath {
    /// What is configured; `None` where no listener takes MMTP.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let taking = config.listeners.iter().filter(|listener| listener.value.mmtp.is_some());
        let listeners: Box<[_]> =
            taking.map(|listener| Arc::from(&**listener.value.name.value())).collect();
        let path = config.mmtp.path.value().as_str().into();
        (!listeners.is_empty()).then_some(Self { path, listeners })
    }

    /// Whether a request for this path, on this listener, is MMTP's.
    pub(crate) fn is_at(&self, path: &str, listener: &str) -> bool {
        path == &*self.path && self.listeners.iter().any(|own| &**own == listener)
    }
}

/// An API with what answers it. What calls hold.
pub(crate) struct ServingApi {
    pub(crate) api: Arc<Api>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Where its steps may send calls instead, at the places of its chain's routes.
    pub(crate) routes: Box<[Arc<Upstream>]>,
    /// Its part in the cache, where any API keeps answers.
    pub(crate) cache: Option<ApiCache>,
    /// The template of its path, such as `/orders/{id}`.
    pub(crate) template: Option<Arc<str>>,
    /// It exists and takes no calls.
    pub(crate) offline: bool,
    /// It takes calls that may be recordings of earlier ones: early data.
    pub(crate) early_data: bool,
    /// Its answers are not to be compressed.
    pub(crate) secret: bool,
    /// Ends its calls, once a later release has replaced it.
    pub(crate) recall: Recall,
}

impl AsRef<Recall> for ServingApi {
    fn as_ref(&self) -> &Recall {
        &self.recall
    }
}

impl ServingApi {
    /// The upstream that answers this call: the one that a step chose, else the API's own.
    fn target(&self, call: &Exchange) -> Option<&Arc<Upstream>> {
        match call.route() {
            None => self.upstream.as_ref(),
            Some(route) => self.routes.get(route.index()),
        }
    }
}

impl Origin for ServingApi {
    type Call = UpstreamCall;

    async fn open(&self, call: &Exchange, attempt: u32) -> Result<UpstreamCall, OriginError> {
        match self.target(call) {
            Some(upstream) => upstream.open(call, attempt).await,
            None => {
                let detail = match call.route() {
                    None => "the API has no upstream",
                    Some(_) => "a step sent the call where it may not send any",
                };
                Err(OriginError::new(error::NO_ORIGIN, Replay::Never, detail))
            }
        }
    }

    fn spend_retry(&self, call: &Exchange) -> bool {
        self.target(call).is_some_and(|upstream| upstream.spend_retry(call))
    }
}

impl Serving {
    /// All that calls may hold of it: every API, and what requests pass that match none.
    pub(crate) fn served(&self) -> impl Iterator<Item = &Arc<ServingApi>> {
        self.apis.iter().chain(once(&self.fallback))
    }

    /// Whether it says nothing that `before` doesn't: the same files to the letter, the same
    /// variables, secrets, certificates and keys.
    pub(crate) fn is_like(&self, before: &Self) -> bool {
        let (new, old) = (&self.snapshot, &before.snapshot);
        let texts = |snapshot: &Snapshot| {
            let files = snapshot.sources().files().iter();
            files.map(|file| (file.path.clone(), file.digest)).collect::<Vec<_>>()
        };
        let accepts = |snapshot: &Snapshot| {
            let listeners = snapshot.config().listeners.iter();
            let chains = listeners.map(|listener| snapshot.accept(&listener.name).cloned());
            chains.map(|chain| chain.map(|chain| Arc::as_ptr(&chain))).collect::<Vec<_>>()
        };
        new.hash() == old.hash()
            && self.pems == before.pems
            && texts(new) == texts(old)
            // Secrets are in no hash. What was made with one that is another now is made anew.
            && new.built() == 0
            && Arc::ptr_eq(new.fallback(), old.fallback())
            && Arc::ptr_eq(new.apps(), old.apps())
            && new.admin_token() == old.admin_token()
            && new.tracing_headers() == old.tracing_headers()
            && accepts(new) == accepts(old)
    }

    /// The bounds of a listener's next request.
    pub(crate) fn limits(&self, listener: &str) -> &Arc<HttpLimits> {
        let known = self.limits.iter().find(|(name, _)| &**name == listener);
        known.map_or(&self.default_limits, |(_, limits)| limits)
    }
}

/// The release that new calls see.
pub(crate) type Live = ArcSwap<Serving>;
