//! From the plugins of a route to its steps.

use paifang_config::yaml::{Entry, Node as Yaml};

use super::Import;
use super::order::{self, Place};
use super::source::{entries, flag, number};
use crate::Fate;
use crate::out::{Item, Node};

/// Steps in the making.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) list: Vec<(Place, Item)>,
    ids: Vec<String>,
    /// Why the API may not be online.
    pub(super) offline: Option<String>,
    /// Whether a step answers every request.
    pub(super) answered: bool,
    /// Whether a step finds out the app, and its name is told to the upstream.
    pub(super) apps: bool,
}

impl Steps {
    pub(super) fn add(
        &mut self,
        place: Place,
        (kind, id): (&str, &str),
        config: Node,
        when: Option<Node>,
        comment: impl Into<String>,
    ) {
        let wanted = if id.is_empty() { kind } else { id };
        let mut name = wanted.to_owned();
        let mut number = 2;
        while self.ids.contains(&name) {
            name = format!("{wanted}-{number}");
            number += 1;
        }
        let mut step = Node::map().with(kind, config);
        if name != kind {
            step.put("id", Node::text(name.clone()));
        }
        if let Some(when) = when {
            step.put("when", when);
        }
        self.ids.push(name);
        // Steps of one plugin keep their order.
        let place = (place.0, place.1, self.list.len() as u32);
        self.list.push((place, step.commented(comment)));
    }

    pub(super) fn refuse(&mut self, why: impl Into<String>) {
        self.offline.get_or_insert(why.into());
    }
}

/// Plugins that keep somebody out, or something small.
fn protects(name: &str) -> bool {
    let ends = ["-auth", "-restriction", "-blocker", "-validation", "-waf", "-connect"];
    let starts = ["limit-", "authz-", "auth"];
    let alone = [
        "csrf",
        "opa",
        "acl",
        "wolf-rbac",
        "client-control",
        "workflow",
        "saml-auth",
        "jwe-decrypt",
    ];
    ends.iter().any(|end| name.ends_with(end))
        || starts.iter().any(|start| name.starts_with(start))
        || alone.contains(&name)
        || name.starts_with("serverless-")
        || name.starts_with("ext-plugin-")
}

impl Import {
    /// The steps of these sets of plugins; what an earlier set says of a plugin hides what a later one
    /// says, as a route's hides that of its plugin config and service.
    pub(super) fn plugins(&mut self, steps: &mut Steps, sets: &[Yaml]) {
        let mut seen: Vec<String> = Vec::new();
        for set in sets {
            for entry in entries(set) {
                let name = entry.key.text.to_string();
                if seen.contains(&name) {
                    self.source.say_all(entry, Fate::NoEffect, "the route says otherwise");
                    continue;
                }
                seen.push(name);
                self.plugin(steps, entry);
            }
        }
        steps.list.sort_by_key(|(place, _)| *place);
    }

    fn plugin(&mut self, steps: &mut Steps, entry: &Entry) {
        let name = &*entry.key.text;
        let config = &entry.value;
        let meta = config.get("_meta");
        let disabled = flag(config, "disable").or(meta.and_then(|meta| flag(meta, "disable")));
        if disabled == Some(true) {
            return self.source.say_all(entry, Fate::NoEffect, "it is disabled");
        }
        if protects(name) {
            self.source.protects(entry);
        }
        if meta.is_some_and(|meta| meta.get("filter").is_some()) {
            self.source.say_all(
                entry,
                Fate::NotTaken,
                "`_meta.filter`: give the step a `when` by hand",
            );
            if protects(name) {
                steps.refuse(format!("{name} with a filter was not taken"));
            }
            return;
        }
        let own = meta.and_then(|meta| number(meta, "priority")).map(|priority| priority as i32);
        let place = order::place(name, own);
        let from = format!("{}: {name}", self.source.origin(entry.key.span));
        let done = match name {
            "key-auth" => self.key_auth(steps, place, config, &from),
            "basic-auth" => self.basic_auth(steps, place, config, &from),
            "ip-restriction" => self.ip_restriction(steps, place, config, &from),
            "consumer-restriction" => self.consumer_restriction(steps, place, config, &from),
            "limit-count" => self.limit_count(steps, place, config, &from),
            "limit-req" => self.limit_req(steps, place, config, &from),
            "limit-conn" => self.limit_conn(steps, place, config, &from),
            "cors" => self.cors(steps, place, config, &from),
            "request-id" => self.request_id(steps, place, config, &from),
            "proxy-rewrite" => self.proxy_rewrite(steps, place, config, &from),
            "response-rewrite" => self.response_rewrite(steps, place, config, &from),
            "redirect" => self.redirect(steps, place, config, &from),
            "mocking" => self.mocking(steps, place, config, &from),
            "fault-injection" => self.fault_injection(steps, place, config, &from),
            "traffic-split" => self.traffic_split(steps, place, config, &from),
            "prometheus" => {
                Ok((Fate::Taken, "numbers of each API are at the admin API: /metrics".into()))
            }
            _ => Err(match protects(name) {
                true => {
                    "nothing here does it; add a step that does before the API goes online".into()
                }
                false => "nothing here does it".to_owned(),
            }),
        };
        match done {
            Ok((fate, note)) => {
                self.source.say(entry, fate, note);
                self.source.say_within(config, Fate::Taken);
            }
            Err(why) => {
                self.source.say_all(entry, Fate::NotTaken, &why);
                if protects(name) {
                    steps.refuse(format!("{name} was not taken: {why}"));
                }
            }
        }
    }
}

/// How a plugin was taken, and as what; or why it was not.
pub(super) type Done = Result<(Fate, String), String>;
