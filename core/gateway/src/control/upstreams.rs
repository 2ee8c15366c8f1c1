//! What the controller tells of upstreams: data, and a text for people.

use super::{
    controller::Controller,
    report::{counts, told},
};
use crate::upstream::EndpointReading;
use serde_json::{Value, json};
use std::fmt::Write;

impl Controller {
    /// All upstreams and their endpoints.
    pub(crate) fn upstreams(&self) -> Value {
        let mut text = String::new();
        let mut items = Vec::new();
        for upstream in self.live.load_full().upstreams.iter() {
            let reading = upstream.read();
            let _ = match reading.pending {
                0 => writeln!(text, "{}", reading.name),
                pending => writeln!(text, "{}  {pending} calls wait for room", reading.name),
            };
            let mut endpoints = Vec::new();
            for endpoint in &reading.endpoints {
                let _ = writeln!(text, "  {}", endpoint_line(endpoint));
                endpoints.push(json!({
                    "address": endpoint.address.to_string(),
                    "host": &*endpoint.host,
                    "weight": endpoint.weight,
                    "priority": endpoint.priority,
                    "zone": endpoint.zone.as_deref(),
                    "healthy": endpoint.healthy,
                    "since_unix_seconds": endpoint.since.as_secs(),
                    "last_error": endpoint.last_error,
                    "passed_over": endpoint.passed_over,
                    "ejected_seconds": endpoint.ejected.map(|left| left.as_secs_f64()),
                    "warmth": f64::from(endpoint.warmth) / 1000.0,
                    "in_flight": endpoint.in_flight,
                    "connections": endpoint.connections,
                    "idle_connections": endpoint.idle_connections,
                    "h2_connections": endpoint.h2_connections,
                    "counts": counts(&endpoint.counts.entries()),
                }));
            }
            if let Some(discovery) = &reading.discovery {
                let _ = match &discovery.last_error {
                    None => writeln!(text, "  found by {} {}", discovery.kind, discovery.source),
                    Some(why) => writeln!(
                        text,
                        "  not found by {} {}: {why}; the last endpoints stay in use",
                        discovery.kind, discovery.source
                    ),
                };
            }
            for name in &reading.unresolved {
                let _ = writeln!(text, "  {name}  not looked up yet");
            }
            items.push(json!({
                "name": &*reading.name,
                "endpoints": endpoints,
                "unresolved": reading.unresolved,
                "discovery": reading.discovery.as_ref().map(|discovery| json!({
                    "kind": discovery.kind,
                    "source": discovery.source,
                    "last_error": discovery.last_error,
                    "found_unix_seconds": discovery.found.map(|found| found.as_secs()),
                })),
                "idle_connections": reading.idle_connections,
                "pending": reading.pending,
                "counts": counts(&reading.counts.entries()),
            }));
        }
        told(items, text)
    }
}

/// An endpoint on a line; what is as usual is left out.
fn endpoint_line(endpoint: &EndpointReading) -> String {
    let health = if endpoint.healthy { "healthy" } else { "unhealthy" };
    let mut line = format!("{}  {health}  weight {}", endpoint.address, endpoint.weight);
    let mut add = |part: std::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _ = line.write_fmt(part);
    };
    if endpoint.priority != 0 {
        add(format_args!("  priority {}", endpoint.priority));
    }
    if let Some(zone) = &endpoint.zone {
        add(format_args!("  zone {zone}"));
    }
    add(format_args!("  in flight {}  idle {}", endpoint.in_flight, endpoint.idle_connections));
    if let Some(left) = endpoint.ejected {
        add(format_args!("  ejected for {} s more", left.as_secs_f64().ceil()));
    }
    if endpoint.warmth < 1000 {
        add(format_args!("  slow start at {}%", endpoint.warmth / 10));
    }
    if let Some(error) = &endpoint.last_error {
        add(format_args!("  ({error})"));
    }
    line
}
