//! Upstreams in memory, for handlers that make calls of their own.

use crate::ports::{BoxFuture, HttpOut, HttpOutError, HttpOutLimits};
use bytes::Bytes;
use http::{Request, Response};
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What becomes of a call: made from the upstream's name and the request.
pub type Answering =
    dyn Fn(&str, &Request<Bytes>) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> + Send + Sync;

/// Upstreams by name, and every call that was made to one of them.
pub struct TestHttpOut {
    names: BTreeSet<String>,
    calls: Mutex<Vec<(String, Request<Bytes>)>>,
    answer: Box<Answering>,
}

impl TestHttpOut {
    /// These upstreams, which answer every call with an empty 200.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::answering(names, |_, _| Box::pin(std::future::ready(Ok(Response::default()))))
    }

    /// These upstreams, which answer with what `answer` makes of a call.
    pub fn answering<'a>(
        names: impl IntoIterator<Item = &'a str>,
        answer: impl Fn(&str, &Request<Bytes>) -> BoxFuture<Result<Response<Bytes>, HttpOutError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let names = names.into_iter().map(str::to_owned).collect();
        Self { names, calls: Mutex::default(), answer: Box::new(answer) }
    }

    /// The calls so far: upstream and request, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<(String, Request<Bytes>)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Request<Bytes>)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpOut for TestHttpOut {
    fn has(&self, upstream: &str) -> bool {
        self.names.contains(upstream)
    }

    fn call(
        &self,
        upstream: &str,
        request: Request<Bytes>,
        _: HttpOutLimits,
    ) -> BoxFuture<Result<Response<Bytes>, HttpOutError>> {
        if !self.has(upstream) {
            return Box::pin(std::future::ready(Err(HttpOutError::Unknown)));
        }
        let answer = (self.answer)(upstream, &request);
        self.lock().push((upstream.to_owned(), request));
        answer
    }
}
