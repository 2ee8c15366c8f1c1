//! What the gateway does with upstreams: repeats, balance, probes, deadlines, names.

mod balance;
mod choice;
mod discovery;
mod health;
mod limits;
mod retry;
mod secure;
mod timeouts;

use std::net::SocketAddr;

/// A config with the upstream `up` of these endpoints, with these keys besides, and one API with
/// these.
fn config(endpoints: &[SocketAddr], upstream: &str, api: &str) -> String {
    let endpoints: Vec<String> =
        endpoints.iter().map(|address| format!("{{ address: \"{address}\" }}")).collect();
    with_endpoints(&endpoints.join(", "), upstream, api)
}

/// The like, with endpoints as YAML has them.
fn with_endpoints(endpoints: &str, upstream: &str, api: &str) -> String {
    format!(
        "version: 1\n\
         listeners: [ {{ name: public, address: \"127.0.0.1:0\" }} ]\n\
         upstreams:\n  up: {{ endpoints: [ {endpoints} ], {upstream} }}\n\
         apis:\n  - {{ id: all, match: {{ path_prefix: / }}, upstream: up, {api} }}\n"
    )
}
