//! Upstreams: nodes, balancing, checks, times, which host they see.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use crate::Fate;
use crate::out::{Item, Node, unique};
use crate::source::{entries, flag, items, number, text};
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
        let highest = nodes.iter().map(|peer| peer.priority).max().unwrap_or(0);
        let endpoints = nodes.iter().map(|peer| {
            let mut endpoint = Node::map().with("address", Node::text(peer.address.clone()));
            if peer.weight != 1 {
                endpoint.put("weight", Node::plain(peer.weight));
            }
            if peer.priority != highest {
                // The lesser comes first here.
                let behind = highest.saturating_sub(peer.priority).min(100);
                endpoint.put("priority", Node::plain(behind));
            }
            endpoint.into()
        });
        body.put("endpoints", Node::List(endpoints.collect()));
        if grpc {
            body.put("protocol", Node::text("h2"));
        }
        let first = nodes.first().map_or("", Peer::host);
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
                if nodes.iter().any(|peer| peer.host() != first) {
                    note.push_str("; all nodes see the first one's name");
                }
                body.put("host", Node::text(first));
            }
        }
        let (balance, balance_note) = balance(upstream);
        if let Some(balance) = balance {
            body.put("balance", balance);
        }
        let mut check_note = String::new();
        if let Some(check) = upstream.get("checks") {
            match health(check) {
                Ok(check) => body.put("health_check", check),
                Err(why) => check_note = why,
            }
            if let Some(rules) = check.get("passive").and_then(passive) {
                body.put("outlier_ejection", rules);
                check_note
                    .push_str("; passive checks are `outlier_ejection`, after failures in a row");
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
        let again = number(upstream, "retries")
            .map_or(nodes.len() as u64, |retries| (retries as u64).saturating_add(1));
        body.put("retry", Node::map().with("attempts", Node::plain(again.clamp(1, 10))));
        if let Some(size) = upstream.get("keepalive_pool").and_then(|pool| number(pool, "size")) {
            body.put("pool", Node::map().with("size", Node::plain((size as u64).min(100_000))));
        }
        self.told(upstream, &Told { host: &note, check: &check_note, balance: balance_note });
        let base = text(upstream, "id").or(text(upstream, "name")).map_or_else(
            || {
                values::name(
                    &nodes.first().map_or_else(String::new, |peer| peer.address.replace(':', "-")),
                )
            },
            |id| values::name(&format!("upstream-{id}")),
        );
        let origin = self.source.origin(upstream.span);
        Ok(self.keep(&base, body, origin))
    }

    /// Its name; one that is asked alike is one.
    pub(super) fn keep(&mut self, base: &str, body: Node, origin: String) -> String {
        let alike = |made: &&Made| made.item.node == body && made.name.starts_with(base);
        if let Some(known) = self.upstreams.iter().find(alike) {
            return known.name.clone();
        }
        let name = unique(base, |name| self.upstreams.iter().any(|made| made.name == name));
        self.upstreams.push(Made { name: name.clone(), item: body.commented(origin) });
        name
    }

    /// Says what became of an upstream's keys.
    fn told(&mut self, upstream: &Yaml, told: &Told<'_>) {
        let taken = |note: &str| if note.is_empty() { Fate::Taken } else { Fate::Approximated };
        for entry in entries(upstream) {
            match &*entry.key.text {
                "type" | "key" | "hash_on" => {
                    let (fate, note) = told.balance;
                    self.source.say(entry, fate, note);
                }
                "checks" => {
                    let note = format!("health_check{}", told.check);
                    self.source.say_all(entry, taken(told.check), &note);
                }
                "pass_host" if !told.host.is_empty() => {
                    let note = format!("upstream.host{}", told.host);
                    self.source.say(entry, Fate::Approximated, note);
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

/// How parts of an upstream were taken.
struct Told<'a> {
    host: &'a str,
    check: &'a str,
    balance: (Fate, &'static str),
}

/// How calls are spread; what is said of it.
fn balance(upstream: &Yaml) -> (Option<Node>, (Fate, &'static str)) {
    let stays = "consistent_hash; keys come to other servers than before, and then stay";
    match text(upstream, "type").unwrap_or("roundrobin") {
        "roundrobin" => (None, (Fate::Taken, "round_robin")),
        "least_conn" => (Some(Node::text("least_connections")), (Fate::Taken, "least_connections")),
        "ewma" => {
            let note = "least_connections: calls under way count, not how long they take";
            (Some(Node::text("least_connections")), (Fate::Approximated, note))
        }
        "chash" => match hash_key(upstream) {
            Some(by) => {
                let hash = Node::map().with("consistent_hash", Node::map().with("by", by));
                (Some(hash), (Fate::Approximated, stays))
            }
            None => (None, (Fate::Approximated, "round_robin: consistent_hash has no such key")),
        },
        _ => (None, (Fate::Approximated, "round_robin: servers take turns")),
    }
}

/// What `chash` assigns by.
fn hash_key(upstream: &Yaml) -> Option<Node> {
    let key = text(upstream, "key").unwrap_or("remote_addr");
    let one = |kind: &str, name: &str| Node::map().with(kind, Node::text(name));
    match text(upstream, "hash_on").unwrap_or("vars") {
        "header" => {
            let header = key.strip_prefix("http_").unwrap_or(key);
            Some(one("header", &header.replace('_', "-").to_ascii_lowercase()))
        }
        "cookie" => Some(one("cookie", key.strip_prefix("cookie_").unwrap_or(key))),
        "consumer" => Some(Node::text("identity")),
        "vars" => match key {
            "remote_addr" => Some(Node::text("client_ip")),
            "uri" | "request_uri" => Some(Node::text("path")),
            _ => key.strip_prefix("arg_").map(|argument| one("query", argument)),
        },
        _ => None,
    }
}

/// Passive checks: a server is left alone after failures.
fn passive(passive: &Yaml) -> Option<Node> {
    let unhealthy = passive.get("unhealthy")?;
    let failures = number(unhealthy, "http_failures").unwrap_or(5.0);
    if failures < 1.0 {
        return None;
    }
    let mut rules = Node::map().with("failures", Node::plain(failures.clamp(1.0, 1000.0) as u32));
    let statuses: Vec<Item> = items(unhealthy.get("http_statuses"))
        .iter()
        .filter_map(|status| status.as_text()?.parse::<u16>().ok())
        .filter(|status| (400..=599).contains(status))
        .map(|status| Node::plain(status).into())
        .collect();
    if !statuses.is_empty() {
        rules.put("statuses", Node::List(statuses));
    }
    Some(rules)
}

/// A node.
struct Peer {
    address: String,
    weight: u32,
    /// The greater comes first.
    priority: i32,
}

impl Peer {
    fn host(&self) -> &str {
        self.address.rsplit_once(':').map_or("", |(host, _)| host)
    }
}

/// The nodes, from either form of them.
fn nodes(upstream: &Yaml, port: u16) -> Result<Vec<Peer>, String> {
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
        all.push(Peer { address: with, weight: weight(entry.value.as_text()), priority: 0 });
    }
    for node in items(Some(nodes)) {
        let host = text(node, "host").ok_or("a node without `host`")?;
        let port = text(node, "port").and_then(|port| port.parse::<u16>().ok()).unwrap_or(port);
        let priority = number(node, "priority").unwrap_or(0.0).clamp(-1000.0, 1000.0) as i32;
        let weight = weight(text(node, "weight"));
        all.push(Peer { address: format!("{host}:{port}"), weight, priority });
    }
    match all.is_empty() {
        true => Err("an upstream without nodes".into()),
        false => Ok(all),
    }
}

/// Active checks over HTTP.
fn health(checks: &Yaml) -> Result<Node, String> {
    let Some(active) = checks.get("active") else {
        return Err("; there are no active checks".into());
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
