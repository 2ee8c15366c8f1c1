//! Calls of handlers to the gateway's upstreams: what is behind the `HttpOut` port.
//!
//! Each release has an [`Outbound`], which its handlers are built with and which is given the
//! release's upstreams when they are linked. Handlers outlive the release that built them where
//! nothing changed for them, so from the moment on at which the release is live its calls go to
//! the upstreams of whichever release is live, and not to those that were there once.

#[cfg(test)]
mod tests;

use crate::upstream::{Upstream, Upstreams, WholeError};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use paifang_pipeline::ports::{BoxFuture, HttpOut, HttpOutError, HttpOutLimits};
use std::sync::Arc;

/// The upstreams that calls of handlers go to, over all releases of one gateway.
#[derive(Default)]
pub(crate) struct Outlets(ArcSwap<Newest>);

/// Those of the live release; and those of the one before, for calls that began with it and whose
/// handlers want what the live one has no more.
#[derive(Default)]
struct Newest {
    live: Upstreams,
    before: Upstreams,
}

/// The way out for handlers of one release.
pub(crate) struct Outbound {
    outlets: Arc<Outlets>,
    stage: ArcSwap<Stage>,
}

/// How far the release has come.
enum Stage {
    /// Handlers are being built; there is nothing to call.
    Compiled,
    /// Handlers may have been started, and the release is not live.
    Linked(Upstreams),
    Live,
}

impl Outlets {
    fn get(&self, name: &str) -> Option<Arc<Upstream>> {
        let newest = self.0.load();
        newest.live.get(name).or_else(|| newest.before.get(name)).cloned()
    }
}

impl Outbound {
    /// For a release that is about to be compiled.
    pub(crate) fn new(outlets: Arc<Outlets>) -> Self {
        Self { outlets, stage: ArcSwap::from_pointee(Stage::Compiled) }
    }

    /// The release has these upstreams.
    pub(crate) fn link(&self, upstreams: Upstreams) {
        self.stage.store(Arc::new(Stage::Linked(upstreams)));
    }

    /// The release is live. Releases go live one at a time.
    pub(crate) fn go_live(&self) {
        if let Stage::Linked(live) = &**self.stage.load() {
            let before = self.outlets.0.load().live.clone();
            self.outlets.0.store(Arc::new(Newest { live: live.clone(), before }));
        }
        self.stage.store(Arc::new(Stage::Live));
    }

    fn get(&self, name: &str) -> Option<Arc<Upstream>> {
        match &**self.stage.load() {
            Stage::Compiled => None,
            Stage::Linked(own) => own.get(name).cloned(),
            Stage::Live => self.outlets.get(name),
        }
    }
}

impl HttpOut for Outbound {
    fn has(&self, upstream: &str) -> bool {
        self.get(upstream).is_some()
    }

    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        limits: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        match self.get(upstream) {
            Some(upstream) => Box::pin(call(upstream, request, limits)),
            None => Box::pin(std::future::ready(Err(HttpOutError::Unknown))),
        }
    }
}

async fn call(
    upstream: Arc<Upstream>,
    request: Request<Bytes>,
    limits: HttpOutLimits,
) -> Result<Response<Bytes>, HttpOutError> {
    let whole = upstream.call_whole(request, limits.response_bytes);
    let Ok(done) = tokio::time::timeout(limits.timeout, whole).await else {
        return Err(HttpOutError::Timeout);
    };
    done.map_err(|error| match error {
        WholeError::Invalid(why) => HttpOutError::Invalid(why.to_owned()),
        WholeError::TooLarge => HttpOutError::TooLarge,
        WholeError::Failed(failed) => {
            // The detail names servers and is for us; a handler may be somebody else's code.
            tracing::info!(
                upstream = %upstream.name(), code = failed.code.label, detail = %failed.detail,
                "no answer to a handler's call"
            );
            if failed.code.label == paifang_pipeline::error::UPSTREAM_TIMEOUT.label {
                HttpOutError::Timeout
            } else {
                HttpOutError::Unavailable(failed.code.label.to_owned())
            }
        }
    })
}
