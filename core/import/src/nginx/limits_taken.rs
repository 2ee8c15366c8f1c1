//! How much is let in: `limit_req`, `limit_conn`, `client_max_body_size`.

use super::Import;
use super::draft::{Draft, Phase};
use super::scope::Scope;
use super::tree::Directive;
use crate::out::Node;
use crate::values;
use crate::vars::{Piece, pieces};

/// A `limit_req_zone` or `limit_conn_zone`.
#[derive(Debug, Clone)]
pub(super) struct Zone<'t> {
    directive: &'t Directive,
    /// What is counted by; or why that cannot be said.
    by: Result<Node, String>,
    rate: Option<String>,
}

impl<'t> Zone<'t> {
    /// Its name, and the zone.
    pub(super) fn read(directive: &'t Directive) -> Option<(&'t str, Self)> {
        let name = directive.words().find_map(|word| word.strip_prefix("zone="))?;
        let name = name.split(':').next().unwrap_or_default();
        let rate = directive.words().find_map(|word| word.strip_prefix("rate=")).and_then(rate);
        Some((name, Self { directive, by: subjects(directive.arg(0)), rate }))
    }
}

impl Import<'_> {
    pub(super) fn limits(&mut self, draft: &mut Draft, scope: &Scope<'_>) {
        for directive in scope.all(&["limit_conn"]) {
            self.limit(draft, scope, directive, Phase::Connections);
        }
        for directive in scope.all(&["limit_req"]) {
            self.limit(draft, scope, directive, Phase::Rate);
        }
        for name in ["limit_req_status", "limit_conn_status"] {
            if let Some(status) = scope.last(name) {
                match status.arg(0) {
                    "429" => self.notes.taken(status, "throttle answers so"),
                    _ => self.notes.near(status, "throttle answers 429"),
                }
            }
        }
        if let Some(limit) = scope.last("client_max_body_size") {
            match values::size(limit.arg(0)) {
                Some(0) => {
                    self.notes.near(limit, "body_limit: 1TiB, for there is always a limit");
                    draft.body_limit = Some("1024GiB".into());
                }
                Some(bytes) => {
                    self.notes.taken(limit, "body_limit");
                    draft.body_limit = Some(values::bytes(bytes));
                }
                None => self.notes.not(limit, "no size"),
            }
        }
    }

    fn limit(&mut self, draft: &mut Draft, scope: &Scope<'_>, directive: &Directive, phase: Phase) {
        let name = directive.words().find_map(|word| word.strip_prefix("zone="));
        let name = name.unwrap_or(directive.arg(0)).to_owned();
        let zones = if phase == Phase::Rate { &self.rates } else { &self.places };
        let Some(zone) = zones.get(name.as_str()).cloned() else {
            self.notes.not(directive, format!("there is no zone `{name}`"));
            return draft.refuse(format!("`{}` was not taken", directive.line()));
        };
        let by = match zone.by {
            Ok(by) => by,
            Err(why) => {
                self.notes.not(zone.directive, &*why);
                self.notes.not(directive, why);
                return draft.refuse(format!("`{}` was not taken", directive.line()));
            }
        };
        let config = if phase == Phase::Rate {
            let Some(rate) = zone.rate else {
                self.notes.not(zone.directive, "a rate that cannot be read");
                return draft.refuse(format!("`{}` was not taken", directive.line()));
            };
            let burst =
                directive.words().find_map(|word| word.strip_prefix("burst=")?.parse::<u32>().ok());
            let burst = burst.unwrap_or(0);
            let at_once = directive.words().any(|word| word == "nodelay");
            if burst > 0 && !at_once {
                self.notes
                    .near(directive, "throttle; the burst is let through at once, not delayed");
            } else if scope.word("limit_req_status") != Some("429") {
                self.notes.near(directive, "throttle; it answers 429, not 503");
            } else {
                self.notes.taken(directive, "throttle");
            }
            // nginx lets one call through, and `burst` more.
            let burst = burst.saturating_add(1);
            Node::map()
                .with("rate", Node::plain(rate))
                .with("burst", Node::plain(burst))
                .with("by", by)
                .with("ipv6_prefix", Node::plain(128))
                .with("share", Node::text(values::name(&format!("{name}-{burst}"))))
        } else {
            let Some(most) = directive.args.last().and_then(|word| word.text.parse::<u32>().ok())
            else {
                self.notes.not(directive, "no number");
                return draft.refuse(format!("`{}` was not taken", directive.line()));
            };
            let note = "throttle.concurrency: calls are counted, not connections; it answers 429";
            self.notes.near(directive, note);
            Node::map()
                .with("concurrency", Node::plain(most.max(1)))
                .with("by", by)
                .with("ipv6_prefix", Node::plain(128))
                .with("share", Node::text(values::name(&format!("{name}-{most}"))))
        };
        self.notes.taken(zone.directive, "throttle, where it is used");
        draft.step(phase, ("throttle", &values::name(&name)), config, None, directive);
    }
}

/// `10r/s`, `30r/m`.
fn rate(text: &str) -> Option<String> {
    let (count, unit) = text.split_once("r/")?;
    let count: u64 = count.parse().ok()?;
    (count > 0 && matches!(unit, "s" | "m")).then(|| format!("{count}/{unit}"))
}

/// What a key counts by.
fn subjects(key: &str) -> Result<Node, String> {
    let mut all = Vec::new();
    for piece in pieces(key) {
        all.push(match piece {
            Piece::Variable("binary_remote_addr" | "remote_addr") => Node::text("client_ip"),
            Piece::Variable("server_name" | "host" | "uri" | "document_uri" | "request_uri") => {
                Node::text("api")
            }
            Piece::Variable("remote_user") => Node::text("identity"),
            Piece::Variable(name) => match name.strip_prefix("http_") {
                Some(header) => Node::map().with("header", Node::text(header.replace('_', "-"))),
                None => return Err(format!("throttle cannot count by `${name}`")),
            },
            Piece::Text(text) if text.trim_matches([':', '-', '|', '_']).is_empty() => continue,
            Piece::Text(text) => return Err(format!("throttle cannot count by `{text}`")),
        });
    }
    all.dedup();
    match all.len() {
        1 => Ok(all.remove(0)),
        2..=4 => Ok(Node::List(all.into_iter().map(Into::into).collect())),
        _ => Err("throttle counts by one to four things".into()),
    }
}
