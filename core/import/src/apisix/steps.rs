//! From the plugins of a route to its steps.

use paifang_config::yaml::{Entry, Node as Yaml};

use super::Import;
use super::order::{self, Place};
use crate::Fate;
use crate::out::Node;
use crate::source::{entries, flag, number};

/// An API in the making.
pub(super) type Draft = crate::draft::Draft<Place>;

/// A plugin that asks to become steps.
pub(super) struct Ask<'a> {
    pub(super) steps: &'a mut Draft,
    place: Place,
    /// What the plugin is told.
    pub(super) config: &'a Yaml,
    /// Where it stands, for comments.
    from: &'a str,
}

impl Ask<'_> {
    /// Adds a step at the plugin's place; its id may be empty.
    pub(super) fn step(&mut self, kind_and_id: (&str, &str), config: Node) {
        self.step_when(kind_and_id, config, None);
    }

    /// Where the plugin stands, for comments.
    pub(super) fn origin(&self) -> String {
        self.from.to_owned()
    }

    /// One with a condition.
    pub(super) fn step_when(
        &mut self,
        kind_and_id: (&str, &str),
        config: Node,
        when: Option<Node>,
    ) {
        let when = when.map(|when| ("when", when));
        self.steps.step(self.place, kind_and_id, config, when, self.from);
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
    pub(super) fn plugins(&mut self, steps: &mut Draft, sets: &[Yaml]) {
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
    }

    fn plugin(&mut self, steps: &mut Draft, entry: &Entry) {
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
        let from = format!("{}: {name}", self.source.origin(entry.key.span));
        let mut ask = Ask { steps, place: order::place(name, own), config, from: &from };
        let done = match name {
            "key-auth" => self.key_auth(&mut ask),
            "jwt-auth" => self.jwt_auth(&mut ask),
            "forward-auth" => self.forward_auth(&mut ask),
            "basic-auth" => self.basic_auth(&mut ask),
            "ip-restriction" => self.ip_restriction(&mut ask),
            "consumer-restriction" => self.consumer_restriction(&mut ask),
            "limit-count" => self.limit_count(&mut ask),
            "limit-req" => self.limit_req(&mut ask),
            "limit-conn" => self.limit_conn(&mut ask),
            "cors" => self.cors(&mut ask),
            "request-id" => self.request_id(&mut ask),
            "proxy-rewrite" => self.proxy_rewrite(&mut ask),
            "response-rewrite" => self.response_rewrite(&mut ask),
            "redirect" => self.redirect(&mut ask),
            "mocking" => self.mocking(&mut ask),
            "fault-injection" => self.fault_injection(&mut ask),
            "traffic-split" => self.traffic_split(&mut ask),
            "request-validation" => self.request_validation(&mut ask),
            "proxy-mirror" => self.proxy_mirror(&mut ask),
            "proxy-cache" => self.proxy_cache(&mut ask),
            "api-breaker" => self.api_breaker(&mut ask),
            "gzip" => self.compression(&mut ask, "gzip", 1, 9),
            "brotli" => self.compression(&mut ask, "br", 6, 6),
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
