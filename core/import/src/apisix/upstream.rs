//! Upstreams: nodes, balancing, checks, times, which host they see.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use super::source::{entries, flag, items, number, text};
use crate::Fate;
use crate::out::{Item, Node, unique};
use crate::values;

/// An upstream of ours.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) item: Item,
}

impl Import {
    /// The name of the upstream that an object becomes; `timeout` is what a route says of times.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn upstream(
        &mut self,
        upstream: &Yaml,
        timeout: Option<&Yaml>,
    ) -> Result<String, String> {
        for key in ["service_name", "discovery_type"] {
            if upstream.get(key).is_some() {
                return Err("servers that a registry names: `endpoints` with DNS names".into());
            }
        }
        let scheme = text(upstream, "scheme").unwrap_or("http");
        let (tls, grpc) = match scheme {
            "http" => (false, false),
            "https" => (true, false),
            "grpc" => (false, true),
            "grpcs" => (true, true),
            other => return Err(format!("the scheme `{other}`")),
        };
        let nodes = nodes(upstream, if tls { 443 } else { 80 })?;
        let mut body = Node::map();
        let endpoints = nodes.iter().map(|(address, weight)| {
            let endpoint = Node::map().with("address", Node::text(address.clone()));
            match weight {
                1 => endpoint.into(),
                _ => endpoint.with("weight", Node::plain(weight)).into(),
            }
        });
        body.put("endpoints", Node::List(endpoints.collect()));
        if grpc {
            body.put("protocol", Node::text("h2"));
        }
        let first = nodes
            .first()
            .map_or("", |(address, _)| address.rsplit_once(':').map_or("", |(host, _)| host));
        if tls {
            let verify = upstream.get("tls").and_then(|tls| flag(tls, "verify")).unwrap_or(false);
            let mut body_tls = Node::map()
                .with("sni", Node::text(text(upstream, "upstream_host").unwrap_or(first)));
            if !verify {
                body_tls.put(
                    "verify",
                    Node::plain("false").commented("APISIX did not verify this server; better do"),
                );
            }
            body.put("tls", body_tls);
        }
        let mut note = String::new();
        match text(upstream, "pass_host").unwrap_or("pass") {
            "pass" => {}
            "rewrite" => match text(upstream, "upstream_host") {
                Some(host) => body.put("host", Node::text(host)),
                None => return Err("`pass_host: rewrite` without `upstream_host`".into()),
            },
            _ => {
                if nodes.iter().any(|(address, _)| {
                    address.rsplit_once(':').map_or("", |(host, _)| host) != first
                }) {
                    note.push_str("; all nodes see the first one's name");
                }
                body.put("host", Node::text(first));
            }
        }
        if let Some(check) = upstream.get("checks") {
            match health(check) {
                Ok(check) => body.put("health_check", check),
                Err(why) => note.push_str(&why),
            }
        }
        let times = timeout.or(upstream.get("timeout"));
        let time = |key: &str| {
            let seconds = times.and_then(|times| number(times, key)).unwrap_or(60.0);
            Node::plain(values::duration(((seconds * 1000.0) as u64).clamp(1, 3_600_000)))
        };
        let timeouts = Node::map()
            .with("connect", time("connect"))
            .with("first_byte", time("read"))
            .with("idle", time("read"))
            .with("write", time("send"));
        body.put("timeouts", timeouts);
        let again =
            number(upstream, "retries").map_or(nodes.len() as u64, |retries| retries as u64 + 1);
        body.put("retry", Node::map().with("attempts", Node::plain(again.clamp(1, 10))));
        if let Some(size) = upstream.get("keepalive_pool").and_then(|pool| number(pool, "size")) {
            body.put("pool", Node::map().with("size", Node::plain((size as u64).min(100_000))));
        }
        self.told(upstream, &note);
        let base = text(upstream, "id").or(text(upstream, "name")).map_or_else(
            || {
                values::name(
                    &nodes
                        .first()
                        .map_or_else(String::new, |(address, _)| address.replace(':', "-")),
                )
            },
            |id| values::name(&format!("upstream-{id}")),
        );
        // One that is asked alike is one.
        if let Some(known) = self
            .upstreams
            .iter()
            .find(|made| made.item.node == body && made.name.starts_with(&base))
        {
            return Ok(known.name.clone());
        }
        let name = unique(&base, |name| self.upstreams.iter().any(|made| made.name == name));
        let origin = self.source.origin(upstream.span);
        self.upstreams.push(Made { name: name.clone(), item: body.commented(origin) });
        Ok(name)
    }

    /// Says what became of an upstream's keys.
    fn told(&mut self, upstream: &Yaml, note: &str) {
        for entry in entries(upstream) {
            match &*entry.key.text {
                "type" => match entry.value.as_text() {
                    Some("roundrobin") => self.source.say(entry, Fate::Taken, "round_robin"),
                    _ => self.source.say(
                        entry,
                        Fate::Approximated,
                        "round_robin: servers take turns",
                    ),
                },
                "key" | "hash_on" => {
                    self.source.say(entry, Fate::Approximated, "servers take turns")
                }
                "checks" if note.is_empty() => {
                    self.source.say_all(entry, Fate::Taken, "health_check")
                }
                "checks" => {
                    let note = format!("health_check{note}");
                    self.source.say_all(entry, Fate::Approximated, &note);
                }
                "pass_host" if !note.is_empty() => {
                    self.source.say(entry, Fate::Approximated, format!("upstream.host{note}"));
                }
                "nodes" | "id" | "name" | "scheme" | "pass_host" | "upstream_host" | "timeout"
                | "retries" | "desc" | "labels" | "retry_timeout" => {
                    self.source.say_all(entry, Fate::Taken, "")
                }
                "keepalive_pool" => {
                    self.source.say_all(entry, Fate::Approximated, "pool.size, for all threads")
                }
                "tls" => self.source.say_all(
                    entry,
                    Fate::NotTaken,
                    "upstream.tls: client_cert and client_key are files",
                ),
                _ => {}
            }
        }
    }
}

/// Addresses with their weights, from either form of `nodes`.
fn nodes(upstream: &Yaml, port: u16) -> Result<Vec<(String, u32)>, String> {
    let Some(nodes) = upstream.get("nodes") else {
        return Err("an upstream without `nodes`".into());
    };
    let mut all = Vec::new();
    let weight =
        |text: Option<&str>| text.and_then(|w| w.parse::<u32>().ok()).unwrap_or(1).min(1000);
    for entry in entries(nodes) {
        let address = &*entry.key.text;
        let with = if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            address.to_owned()
        } else {
            format!("{address}:{port}")
        };
        all.push((with, weight(entry.value.as_text())));
    }
    for node in items(Some(nodes)) {
        let host = text(node, "host").ok_or("a node without `host`")?;
        let port = text(node, "port").and_then(|port| port.parse::<u16>().ok()).unwrap_or(port);
        if number(node, "priority").is_some_and(|priority| priority < 0.0) {
            // Only asked when all others are down, which there is no word for.
            continue;
        }
        all.push((format!("{host}:{port}"), weight(text(node, "weight"))));
    }
    match all.is_empty() {
        true => Err("an upstream without nodes".into()),
        false => Ok(all),
    }
}

/// Active checks over HTTP.
fn health(checks: &Yaml) -> Result<Node, String> {
    let Some(active) = checks.get("active") else {
        return Err(
            "; passive checks alone: a server that cannot be connected to is passed over".into()
        );
    };
    if text(active, "type").is_some_and(|kind| kind == "tcp") {
        return Err("; a check by TCP alone is not made".into());
    }
    let path = text(active, "http_path").unwrap_or("/");
    let (healthy, unhealthy) = (active.get("healthy"), active.get("unhealthy"));
    let of = |node: Option<&Yaml>, key: &str| node.and_then(|node| number(node, key));
    let interval = of(healthy, "interval").unwrap_or(1.0).max(1.0);
    let timeout = number(active, "timeout").unwrap_or(1.0).min(interval).max(0.1);
    let mut check = Node::map()
        .with("path", Node::text(path))
        .with("interval", Node::plain(values::duration((interval * 1000.0) as u64)))
        .with("timeout", Node::plain(values::duration((timeout * 1000.0) as u64)))
        .with(
            "healthy_after",
            Node::plain(of(healthy, "successes").unwrap_or(2.0).clamp(1.0, 100.0) as u32),
        )
        .with(
            "unhealthy_after",
            Node::plain(of(unhealthy, "http_failures").unwrap_or(5.0).clamp(1.0, 100.0) as u32),
        );
    let statuses: Vec<Item> = items(healthy.and_then(|node| node.get("http_statuses")))
        .iter()
        .filter_map(|status| status.as_text()?.parse::<u16>().ok())
        .map(|status| Node::plain(status).into())
        .collect();
    if !statuses.is_empty() {
        check.put("status", Node::List(statuses));
    }
    if let Some(host) = text(active, "host") {
        check.put("host", Node::text(host));
    }
    Ok(check)
}
