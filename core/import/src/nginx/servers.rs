//! `upstream` blocks: servers, and how calls are spread over them.

use super::Import;
use super::draft::origin;
use super::tree::Directive;
use super::upstream::{Wanted, with_port};
use crate::out::{Item, Node};
use crate::values;
use crate::vars::{Piece, pieces};

/// A server of a block. What it says of itself is said of all endpoints together here.
#[derive(Debug, Default)]
struct Peer<'t> {
    directive: Option<&'t Directive>,
    address: String,
    weight: u32,
    backup: bool,
    max_fails: Option<u32>,
    /// Milliseconds, as `slow_start`.
    fail_timeout: Option<u64>,
    max_conns: Option<u32>,
    slow_start: Option<u64>,
    /// What was left out.
    without: Vec<&'t str>,
}

impl<'t> Peer<'t> {
    /// # Errors
    /// Why it is none of ours.
    fn read(directive: &'t Directive, tls: bool) -> Result<Self, &'static str> {
        let address = directive.arg(0);
        if address.starts_with("unix:") {
            return Err("upstreams are reached by TCP, not by sockets of the file system");
        }
        let address =
            with_port(address, if tls { 443 } else { 80 }).map_err(|_| "no host and port")?;
        let mut peer = Self { directive: Some(directive), address, weight: 1, ..Self::default() };
        for option in directive.words().skip(1) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("weight", value) => peer.weight = value.parse().unwrap_or(1).min(1000),
                ("max_fails", value) => peer.max_fails = value.parse().ok(),
                ("fail_timeout", value) => peer.fail_timeout = values::time(value),
                ("max_conns", value) => {
                    peer.max_conns = value.parse().ok().filter(|most| *most > 0)
                }
                ("slow_start", value) => peer.slow_start = values::time(value).filter(|ms| *ms > 0),
                ("down", _) => peer.weight = 0,
                ("backup", _) => peer.backup = true,
                ("resolve", _) => {}
                _ => peer.without.push(option),
            }
        }
        Ok(peer)
    }

    fn node(&self) -> Item {
        let mut endpoint = Node::map().with("address", Node::text(self.address.clone()));
        if self.weight != 1 {
            endpoint.put("weight", Node::plain(self.weight));
        }
        if self.backup {
            endpoint.put("priority", Node::plain(1));
        }
        let from = self.directive.map(origin).unwrap_or_default();
        endpoint.commented(from)
    }
}

impl Import<'_> {
    /// What an `upstream` block says; how many servers it has.
    ///
    /// # Errors
    /// It has none that can be reached.
    pub(super) fn servers_of(
        &mut self,
        block: &Directive,
        tls: bool,
        wanted: &Wanted,
        body: &mut Node,
    ) -> Result<u32, String> {
        let mut peers = Vec::new();
        let (mut balance, mut pool) = (None, None);
        for directive in block.inner() {
            match directive.name.as_str() {
                "server" => match Peer::read(directive, tls) {
                    Ok(peer) => peers.push(peer),
                    Err(why) => self.notes.not(directive, why),
                },
                "keepalive" => match directive.arg(0).parse::<u32>() {
                    Ok(size) => {
                        let size = size.min(100_000);
                        pool = Some(Node::map().with("size", Node::plain(size)));
                        self.notes.near(directive, "pool.size, for all threads together");
                    }
                    Err(_) => self.notes.not(directive, "no number"),
                },
                "keepalive_timeout" | "keepalive_requests" | "keepalive_time" => {
                    self.notes.near(
                        directive,
                        "pool.idle keeps connections for 60s, and an hour at most",
                    );
                }
                "zone" => self.notes.none(directive, "all threads share an upstream anyway"),
                "least_conn" | "ip_hash" | "hash" | "random" => balance = Some(directive),
                _ => {}
            }
        }
        if peers.is_empty() {
            return Err(format!(
                "the upstream `{}` has no server that can be reached",
                block.arg(0)
            ));
        }
        self.notes.taken(block, "upstreams");
        // Single ones stand on their own lines, too, for their comments.
        body.put("endpoints", Node::List(peers.iter().map(Peer::node).collect()));
        if let Some(node) = balance.and_then(|directive| self.balance(directive)) {
            body.put("balance", node);
        }
        self.failures(&peers, wanted, body);
        self.limits_of(&peers, body);
        if let Some(pool) = pool {
            body.put("pool", pool);
        }
        for peer in &peers {
            let Some(directive) = peer.directive else { continue };
            match &*peer.without {
                [] if peer.backup => {
                    self.notes.taken(directive, "endpoint with a priority behind the others")
                }
                [] => self.notes.taken(directive, "endpoint"),
                without => {
                    self.notes.near(directive, format!("endpoint; without {}", without.join(", ")))
                }
            }
        }
        let live = peers.iter().filter(|peer| peer.weight > 0).count() as u32;
        Ok(live.max(1))
    }

    fn balance(&mut self, directive: &Directive) -> Option<Node> {
        let hash = |by: Node| Node::map().with("consistent_hash", Node::map().with("by", by));
        match directive.name.as_str() {
            "least_conn" => {
                self.notes.taken(directive, "balance: least_connections");
                Some(Node::text("least_connections"))
            }
            "random" if directive.arg(0) == "two" => {
                self.notes.near(directive, "balance: least_connections");
                Some(Node::text("least_connections"))
            }
            "ip_hash" => {
                let note = "balance: consistent_hash by the whole address; nginx takes the first three bytes of IPv4. Clients come to other servers than before, and then stay";
                self.notes.near(directive, note);
                Some(hash(Node::text("client_ip")))
            }
            "hash" => match key(directive.arg(0)) {
                Ok(by) => {
                    let note = "balance: consistent_hash; keys come to other servers than before, and then stay";
                    self.notes.near(directive, note);
                    Some(hash(by))
                }
                Err(why) => {
                    self.notes.near(directive, format!("round_robin: servers take turns; {why}"));
                    None
                }
            },
            _ => {
                self.notes.near(directive, "round_robin: servers take turns");
                None
            }
        }
    }

    /// `max_fails` and `fail_timeout`. nginx ignores them where there is but one server.
    fn failures(&mut self, peers: &[Peer<'_>], wanted: &Wanted, body: &mut Node) {
        let said = |peer: &&Peer<'_>| peer.max_fails.is_some() || peer.fail_timeout.is_some();
        let Some(first) = peers.iter().find(said) else { return };
        if peers.len() < 2 {
            return;
        }
        let fails = first.max_fails.unwrap_or(1);
        let time = first.fail_timeout.unwrap_or(10_000).clamp(10, 3_600_000);
        let note = if wanted.statuses.is_empty() || fails == 0 {
            // An ejection would count answers with 5xx, which nginx did not.
            "a server that cannot be connected to is passed over for 1s, then longer; `outlier_ejection` counts error answers too".to_owned()
        } else {
            let time = Node::plain(values::duration(time));
            let statuses = wanted.statuses.iter().map(|status| Node::plain(status).into());
            let rules = Node::map()
                .with("failures", Node::plain(fails.min(1000)))
                .with("time", time.clone())
                .with("time_max", time)
                .with("share_max", Node::plain("100%"))
                .with("statuses", Node::List(statuses.collect()));
            body.put("outlier_ejection", rules);
            let alike = peers.iter().all(|peer| {
                (peer.max_fails, peer.fail_timeout) == (first.max_fails, first.fail_timeout)
            });
            let all = if alike { "" } else { ", alike for all endpoints" };
            format!("outlier_ejection, after failures in a row{all}")
        };
        for directive in peers.iter().filter(said).filter_map(|peer| peer.directive) {
            self.notes.near(directive, note.clone());
        }
    }

    /// `max_conns` and `slow_start`, which belong to the whole upstream here.
    fn limits_of(&mut self, peers: &[Peer<'_>], body: &mut Node) {
        if let Some(ms) = peers.iter().filter_map(|peer| peer.slow_start).max() {
            let duration = values::duration(ms.clamp(100, 3_600_000));
            body.put("slow_start", Node::map().with("duration", Node::plain(duration)));
        }
        if let Some(most) = peers.iter().filter_map(|peer| peer.max_conns).min() {
            let limits = Node::map()
                .with("requests", Node::plain(most.min(1_000_000)))
                .with("pending", Node::plain(0).commented("nginx lets no call wait for room"));
            body.put("limits", limits);
        }
        for peer in peers {
            let Some(directive) = peer.directive else { continue };
            if peer.slow_start.is_some() {
                self.notes.near(directive, "slow_start of the whole upstream");
            }
            if peer.max_conns.is_some() {
                let note = "limits.requests of each endpoint: calls are counted; without room they get 503";
                self.notes.near(directive, note);
            }
        }
    }
}

/// What a `hash` assigns by.
fn key(text: &str) -> Result<Node, String> {
    let unknown = || format!("consistent_hash has no key `{text}`");
    let all = pieces(text);
    let [Piece::Variable(name)] = &*all else { return Err(unknown()) };
    let one = |key: &str, name: &str| Node::map().with(key, Node::text(name));
    Ok(match *name {
        "remote_addr" | "binary_remote_addr" => Node::text("client_ip"),
        "uri" | "document_uri" | "request_uri" => Node::text("path"),
        "remote_user" => Node::text("identity"),
        name => match (
            name.strip_prefix("http_"),
            name.strip_prefix("cookie_"),
            name.strip_prefix("arg_"),
        ) {
            (Some(header), ..) => one("header", &header.replace('_', "-")),
            (_, Some(cookie), _) => one("cookie", cookie),
            (.., Some(argument)) => one("query", argument),
            _ => return Err(unknown()),
        },
    })
}
