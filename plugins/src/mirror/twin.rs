//! A copy of a call, from the head that the step saw to the request that is sent.

use super::{
    config::TooLarge,
    counts::{Counts, Fate, Place},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use paifang_pipeline::{
    Frame, RequestHead,
    ports::{HttpOut, HttpOutError, HttpOutLimits, Spawn},
};
use std::sync::{Arc, OnceLock};

/// What the copies of one step have in common.
pub(super) struct Settings {
    pub(super) upstream: String,
    /// `None` where copies have no body.
    pub(super) body_limit: Option<usize>,
    pub(super) too_large: TooLarge,
    pub(super) remove: Box<[HeaderName]>,
    pub(super) set: Box<[(HeaderName, HeaderValue)]>,
    pub(super) limits: HttpOutLimits,
    pub(super) counts: Arc<Counts>,
    pub(super) http: Arc<dyn HttpOut>,
    /// There once the release goes live.
    pub(super) spawn: OnceLock<Arc<dyn Spawn>>,
}

/// A copy that is being made.
pub(super) struct Twin {
    place: Place,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Vec<u8>,
    too_large: bool,
    /// The call's own body has come whole.
    pub(super) ended: bool,
}

impl Twin {
    pub(super) fn of(mirror: &Settings, head: &RequestHead, place: Place) -> Self {
        let mut headers = head.headers.clone();
        for name in &mirror.remove {
            headers.remove(name);
        }
        for (name, value) in &mirror.set {
            headers.insert(name, value.clone());
        }
        let (method, uri) = (head.method.clone(), head.uri.clone());
        Self { place, method, uri, headers, body: Vec::new(), too_large: false, ended: false }
    }

    /// Takes in a frame of the call's body.
    pub(super) fn take(&mut self, mirror: &Settings, frame: &Frame) {
        self.ended |= frame.end;
        let Some(limit) = mirror.body_limit.filter(|_| !self.too_large) else { return };
        if self.body.len() + frame.data.len() > limit {
            self.too_large = true;
            self.body = Vec::new();
        } else {
            self.body.extend_from_slice(&frame.data);
        }
    }

    /// Sends it off, and waits for nothing.
    pub(super) fn send(self: Box<Self>, mirror: &Arc<Settings>) {
        if self.too_large && mirror.too_large == TooLarge::Drop {
            return mirror.counts.count(Fate::TooLarge);
        }
        let Some(spawn) = mirror.spawn.get() else { return mirror.counts.count(Fate::Unsent) };
        let Self { place, method, uri, headers, body, .. } = *self;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let mirror = mirror.clone();
        spawn.spawn(Box::pin(async move {
            let answer = mirror.http.call(&mirror.upstream, request, mirror.limits).await;
            mirror.counts.count(match answer {
                // That it was too long to be thrown away whole is an answer all the same.
                Ok(_) | Err(HttpOutError::TooLarge) => Fate::Answered,
                Err(why) => {
                    tracing::debug!(upstream = %mirror.upstream, %why, "a copy was not answered");
                    Fate::Failed
                }
            });
            drop(place);
        }));
    }
}
