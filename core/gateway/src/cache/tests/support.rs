//! An API with a cache, and answers for it.

use crate::cache::{ApiCache, Cache, CachedOrigin, Rules, stats::Found};
use bytes::Bytes;
use http::Method;
use paifang_config::{
    diag::Problems,
    model,
    yaml::{self, Budget, FileId},
};
use paifang_pipeline::{
    Api, Frame, OriginError, OriginEvent, Replay, error,
    ports::TokioSpawn,
    testkit::{Reply, Script, TestCall, TestClock, TestOrigin},
};
use std::{sync::Arc, time::Duration};

/// One API, its cache, its clock.
pub(super) struct Shop {
    pub(super) origin: Arc<TestOrigin>,
    pub(super) clock: Arc<TestClock>,
    pub(super) cache: Arc<Cache>,
    api: ApiCache,
}

/// What an answer of the origin looks like.
pub(super) fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Script {
    let mut head = TestOrigin::head(status);
    for (name, value) in headers {
        head.headers.append(*name, value.parse().unwrap());
    }
    let body = Bytes::from(body.to_owned());
    Script::AfterBody(vec![
        Ok(OriginEvent::Head(head, body.is_empty())),
        Ok(OriginEvent::Frame(Frame::last(body))),
    ])
}

/// A good answer with a `Cache-Control`.
pub(super) fn fresh(control: &str, body: &str) -> Script {
    answer(200, &[("cache-control", control)], body)
}

/// The origin cannot be reached.
pub(super) fn away() -> Script {
    Script::Refuse(OriginError::new(error::CONNECT_FAILED, Replay::Never, "away"))
}

impl Shop {
    /// An API whose `cache` is this JSON, and an origin that answers so, call by call.
    pub(super) fn new(
        config: serde_json::Value,
        scripts: impl IntoIterator<Item = Script>,
    ) -> Self {
        let clock = Arc::new(TestClock::new());
        let spawn = Arc::new(TokioSpawn(tokio::runtime::Handle::current()));
        let cache = Cache::new(8 << 20, clock.clone(), spawn);
        let config = read(&config);
        let rules = Rules::new(&config, &api(), &cache);
        let api = ApiCache { cache: cache.clone(), rules: Some(rules) };
        Self { origin: Arc::new(TestOrigin::scripted(scripts)), clock, cache, api }
    }

    /// Makes a call.
    pub(super) async fn call(&self, call: TestCall) -> Reply {
        let origin = CachedOrigin { origin: &self.origin, cache: &self.api, api: "test" };
        call.clock(&self.clock).run(&origin).await
    }

    /// A GET of `/item`.
    pub(super) async fn get(&self) -> Reply {
        self.call(TestCall::get("/item")).await
    }

    /// Gives the body and what the log says of the cache.
    pub(super) async fn seen(&self, call: TestCall) -> (String, &'static str) {
        let reply = self.call(call).await;
        (reply.body(), reply.outcome.cache.unwrap_or("-"))
    }

    pub(super) async fn look(&self) -> (String, &'static str) {
        self.seen(TestCall::get("/item")).await
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// How many calls have found that.
    pub(super) fn counted(&self, found: Found) -> u64 {
        self.api.rules.as_ref().unwrap().counts.get(found)
    }

    /// How often the origin was asked.
    pub(super) fn asked(&self) -> usize {
        self.origin.requests()
    }

    /// A header of what the origin was asked with.
    pub(super) fn sent(&self, index: usize, name: &str) -> Option<String> {
        let head = self.origin.request(index).head;
        head.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    /// Waits until the origin has been asked so often, and what was spawned has had its turn.
    pub(super) async fn until_asked(&self, times: usize) {
        for _ in 0..10_000 {
            if self.asked() >= times {
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("asked {} times, not {times}", self.asked());
    }
}

fn api() -> Api {
    Api {
        id: "test".into(),
        chain: paifang_pipeline::Chain::empty(),
        limits: paifang_pipeline::CallLimits::default(),
        retry: paifang_pipeline::RetryPolicy::default(),
        upstream: Some("shop".into()),
        stats: Arc::default(),
        error_pages: Arc::default(),
    }
}

/// Reads the config as a file's is read: JSON is YAML.
fn read(config: &serde_json::Value) -> model::Cache {
    let (text, mut problems) = (config.to_string(), Problems::default());
    let node = yaml::parse(FileId::NONE, text.as_bytes(), &Budget::default()).unwrap();
    let read = yaml::read(&node, &mut problems);
    assert!(problems.is_empty(), "{text}: {problems:?}");
    read.unwrap()
}

/// A call with a method and headers.
pub(super) fn with(method: Method, target: &str, headers: &[(&str, &str)]) -> TestCall {
    headers
        .iter()
        .fold(TestCall::new(method, target), |call, (name, value)| call.header(name, value))
}

/// A GET with headers.
pub(super) fn get(target: &str, headers: &[(&str, &str)]) -> TestCall {
    with(Method::GET, target, headers)
}
