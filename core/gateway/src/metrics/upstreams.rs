//! Metrics of upstreams and their endpoints.

use super::family::{counters, gauges};
use crate::{live::Live, upstream::UpstreamReading};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};
use std::{fmt, sync::Arc};

/// What upstreams have counted.
pub(super) struct Upstreams(pub(super) Arc<Live>);

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstreams")
    }
}

impl Collector for Upstreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all: Vec<UpstreamReading> =
            self.0.load_full().upstreams.iter().map(|upstream| upstream.read()).collect();
        let addresses: Vec<Vec<String>> = all
            .iter()
            .map(|upstream| upstream.endpoints.iter().map(|e| e.address.to_string()).collect())
            .collect();
        let endpoints = || {
            all.iter().zip(&addresses).flat_map(|(upstream, addresses)| {
                upstream.endpoints.iter().zip(addresses).map(move |(endpoint, address)| {
                    let labels =
                        vec![("upstream", &*upstream.name), ("endpoint", address.as_str())];
                    (labels, endpoint)
                })
            })
        };
        gauges(
            &mut encoder,
            "paifang_endpoint_healthy",
            "Whether probes say that the endpoint is healthy.",
            endpoints().map(|(labels, endpoint)| (labels, i64::from(endpoint.healthy))),
        )?;
        gauges(
            &mut encoder,
            "paifang_endpoint_in_flight",
            "Attempts under way.",
            endpoints().map(|(labels, e)| (labels, i64::try_from(e.in_flight).unwrap_or(i64::MAX))),
        )?;
        gauges(
            &mut encoder,
            "paifang_endpoint_ejected",
            "Whether the endpoint is left alone because calls to it failed.",
            endpoints().map(|(labels, endpoint)| (labels, i64::from(endpoint.ejected.is_some()))),
        )?;
        gauges(
            &mut encoder,
            "paifang_endpoint_connections",
            "Connections to the endpoint, idle ones included; not those of probes.",
            endpoints()
                .map(|(labels, e)| (labels, i64::try_from(e.connections).unwrap_or(i64::MAX))),
        )?;
        counters(
            &mut encoder,
            "paifang_endpoint_events",
            "What has become of the endpoint's connections and calls.",
            endpoints().flat_map(|(labels, endpoint)| {
                endpoint.counts.entries().into_iter().map(move |(event, count)| {
                    let mut labels = labels.clone();
                    labels.push(("event", event));
                    (labels, count)
                })
            }),
        )?;
        gauges(
            &mut encoder,
            "paifang_upstream_idle_connections",
            "Idle HTTP/1.1 connections that are kept.",
            all.iter().map(|upstream| {
                let idle = i64::try_from(upstream.idle_connections).unwrap_or(i64::MAX);
                (vec![("upstream", &*upstream.name)], idle)
            }),
        )?;
        gauges(
            &mut encoder,
            "paifang_upstream_pending_calls",
            "Calls that wait for room at an endpoint.",
            all.iter().map(|upstream| {
                let pending = i64::try_from(upstream.pending).unwrap_or(i64::MAX);
                (vec![("upstream", &*upstream.name)], pending)
            }),
        )?;
        gauges(
            &mut encoder,
            "paifang_upstream_discovery_good",
            "Whether the last look for members has found some that could be taken; 1 without discovery.",
            all.iter().map(|upstream| {
                let failed =
                    upstream.discovery.as_ref().is_some_and(|found| found.last_error.is_some());
                (vec![("upstream", &*upstream.name)], i64::from(!failed))
            }),
        )?;
        counters(
            &mut encoder,
            "paifang_upstream_events",
            "What the upstream as a whole has counted.",
            all.iter().flat_map(|upstream| {
                upstream.counts.entries().into_iter().map(|(event, count)| {
                    (vec![("upstream", &*upstream.name), ("event", event)], count)
                })
            }),
        )
    }
}
