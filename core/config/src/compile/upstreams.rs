//! Upstreams as handlers see them: while they are built, by their names in the config, and what
//! was asked is noted; afterwards as the gateway has them.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use paifang_pipeline::ports::{BoxFuture, HttpOrigin, HttpOut, HttpOutError, HttpOutLimits};

use crate::model::Config;

/// A name that something asked for when it was built, and whether there was such an upstream.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamUse {
    name: Box<str>,
    there: bool,
    /// It is none of the config's, but made for this origin.
    made: Option<HttpOrigin>,
}

impl UpstreamUse {
    /// The origin that an upstream is made for.
    pub(crate) fn origin(&self) -> Option<&HttpOrigin> {
        self.made.as_ref()
    }
}

/// The upstreams of one config.
pub(super) struct UpstreamNames {
    names: Arc<HashSet<Arc<str>>>,
    http: Arc<dyn HttpOut>,
}

impl UpstreamNames {
    pub(super) fn of(config: &Config, http: &Arc<dyn HttpOut>) -> Self {
        let names = config.upstreams.keys().map(|name| name.as_arc().clone()).collect();
        Self { names: Arc::new(names), http: http.clone() }
    }

    /// What a step is built with.
    pub(super) fn ask(&self) -> Arc<Asking> {
        let (names, http) = (self.names.clone(), self.http.clone());
        Arc::new(Asking { names, http, asked: Mutex::new(Some(Vec::new())) })
    }

    /// Whether there is one of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether every answer is still what it was.
    pub(super) fn unchanged(&self, used: &[UpstreamUse]) -> bool {
        used.iter()
            .all(|used| used.made.is_some() || self.names.contains(&*used.name) == used.there)
    }
}

/// The way out for one step.
pub(super) struct Asking {
    names: Arc<HashSet<Arc<str>>>,
    http: Arc<dyn HttpOut>,
    /// What has been asked; `None` once the step is built.
    asked: Mutex<Option<Vec<UpstreamUse>>>,
}

impl Asking {
    /// The step is built; gives what it has asked.
    pub(super) fn finish(&self) -> Vec<UpstreamUse> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

impl HttpOut for Asking {
    fn has(&self, upstream: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(asked) = &mut *asked else { return self.http.has(upstream) };
        let there = self.names.contains(upstream);
        asked.push(UpstreamUse { name: upstream.into(), there, made: None });
        there
    }

    fn origin(&self, origin: &HttpOrigin) -> Option<String> {
        let name = origin.to_string();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let made = Some(origin.clone());
        asked.as_mut()?.push(UpstreamUse { name: name.as_str().into(), there: true, made });
        Some(name)
    }

    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        self.http.call(upstream, request, limits)
    }
}
