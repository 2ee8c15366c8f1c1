//! Prometheus metrics: read from the gateway's counters when they are scraped, never before.
//!
//! Calls pay for plain atomic adds only; names, labels and text are made here. Every gateway has a
//! registry of its own, so that many fit into one process. Names are `paifang_…` with their unit
//! as a suffix; `docs/specs/metrics.md` lists them all, and a test holds the page to the code.

mod cache;
mod calls;
mod exemplars;
mod family;
mod gateway;
mod handlers;
mod listeners;
mod mmtp;
mod plugins;
mod stores;
mod traces;
mod upstreams;

pub(crate) use gateway::ReleaseCounters;

use crate::{
    access::AccessHost,
    cache::Cache,
    edge::Edge,
    handlers::Handlers,
    live::{Held, Live, Refusals},
    stores::SharedStores,
};
use paifang_pipeline::Registry;
use prometheus_client::{encoding::text, registry};
use std::sync::Arc;

/// The media type of what [`Metrics::render`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one gateway.
pub(crate) struct Metrics {
    registry: registry::Registry,
    live: Arc<Live>,
}

impl Metrics {
    /// Metrics over these sources.
    pub(crate) fn new(
        live: &Arc<Live>,
        held: &Arc<Held>,
        edge: &Arc<Edge>,
        refusals: &Arc<Refusals>,
        releases: &Arc<ReleaseCounters>,
        plugins: &Registry,
        (handlers, shared): (&Arc<Handlers>, &Arc<SharedStores>),
    ) -> Self {
        let mut registry = registry::Registry::default();
        registry.register_collector(Box::new(plugins::Plugins(plugins.clone())));
        registry.register_collector(Box::new(calls::Calls(live.clone())));
        registry.register_collector(Box::new(upstreams::Upstreams(live.clone())));
        registry.register_collector(Box::new(traces::Traces(live.clone())));
        registry.register_collector(Box::new(listeners::Listeners(edge.clone())));
        registry.register_collector(Box::new(gateway::Gateway {
            live: live.clone(),
            held: held.clone(),
            refusals: refusals.clone(),
            releases: releases.clone(),
        }));
        registry.register_collector(Box::new(handlers::WasmHandlers(handlers.clone())));
        registry.register_collector(Box::new(stores::Stores(shared.clone())));
        Self { registry, live: live.clone() }
    }

    /// The like, with those of kept answers.
    pub(crate) fn with_cache(mut self, cache: &Arc<Cache>) -> Self {
        self.registry.register_collector(Box::new(cache::Answers(cache.clone())));
        self
    }

    /// The like, with those of MMTP's connections.
    pub(crate) fn with_mmtp(mut self, access: &Arc<paifang_access::Server<AccessHost>>) -> Self {
        self.registry.register_collector(Box::new(mmtp::Mmtp(access.clone())));
        self
    }

    /// All of them, in the OpenMetrics text format; with examples of calls where `examples` are
    /// wanted.
    ///
    /// # Errors
    /// Never in practice: writing into a string cannot fail.
    pub(crate) fn render(&self, examples: bool) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        if examples { exemplars::add(&text, &self.live) } else { Ok(text) }
    }
}
