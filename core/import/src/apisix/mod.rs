//! APISIX: the `apisix.yaml` of its standalone mode.
//!
//! A route with its service, plugin config and upstream becomes an API for each of its URIs. Plugins become
//! steps in the order in which APISIX runs them: those of its rewrite phase, then those of its access phase,
//! each by priority (`order`). docs/from-apisix.md says what becomes of each.

mod answers;
mod asked;
mod auth;
mod consumers;
mod headers;
mod jwt;
mod limits;
mod order;
mod routes;
mod shares;
mod steps;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_plugins;
mod traffic;
mod upstream;
mod validation;

use std::collections::BTreeSet;
use std::path::Path;

use paifang_config::source::FileSource;

use crate::finish::Parts;
use crate::out::Node;
use crate::source::{Source, entries, items, text};
use crate::{Fate, Fault, Imported, Options};
use consumers::Consumer;
use upstream::Made;

/// An import on its way.
struct Import {
    source: Source,
    options: Options,
    consumers: Vec<Consumer>,
    upstreams: Vec<Made>,
    ids: BTreeSet<String>,
}

/// Imports the config in `path`.
///
/// # Errors
/// Why it cannot be read, or that there is no route in it.
pub fn import(path: &Path, files: &dyn FileSource, options: Options) -> Result<Imported, Fault> {
    let help = "is it YAML, as APISIX reads it in standalone mode?";
    let mut source = Source::read(path, files, help)?;
    let root = source.root.clone();
    source.open(&root, &|_| true);
    if items(root.get("routes")).is_empty() {
        let place = source.place(root.span);
        return Err(Fault::new(place, "there are no `routes` in it").help(
            "name the apisix.yaml of standalone mode, or what `adc dump` wrote in that form",
        ));
    }
    let mut import = Import {
        source,
        options,
        consumers: Vec::new(),
        upstreams: Vec::new(),
        ids: BTreeSet::new(),
    };
    let apps = import.consumers(&root);
    let global = import.global(&root);
    let apis = import.routes(&root);
    import.rest(&root);
    let listeners = import.listeners(&root);
    let limit = Node::plain("1GiB").commented("APISIX has no limit unless one is set");
    let defaults = Node::map().with("body_limit", limit).with("handlers", Node::List(global));
    Ok(Parts {
        from: path,
        remark: "The order of steps is that of APISIX: its rewrite phase, then its access phase, by priority.",
        head: vec![("listeners", Node::List(listeners)), ("defaults", defaults), ("apps", apps)],
        upstreams: import.upstreams.into_iter().map(|made| (made.name, made.item)).collect(),
        chains: Vec::new(),
        apis,
        report: import.source.finish(),
    }
    .imported())
}

impl Import {
    /// The listeners that APISIX has unless its own config says otherwise, which is another file.
    fn listeners(&mut self, root: &paifang_config::yaml::Node) -> Vec<crate::out::Item> {
        let plain = Node::map()
            .with("name", Node::text("http"))
            .with("address", Node::text("0.0.0.0:9080"));
        let mut all =
            vec![plain.commented("APISIX's own default; its config.yaml may say otherwise")];
        let mut certificates = Vec::new();
        for ssl in items(root.get("ssls")) {
            let name = crate::source::texts(ssl.get("snis"))
                .into_iter()
                .chain(crate::source::texts(ssl.get("sni")))
                .next();
            let name = crate::values::name(&name.unwrap_or_else(|| "default".into()));
            let note = format!(
                "listeners.tls.certificates: put it into tls/{name}.pem and tls/{name}.key"
            );
            for entry in entries(ssl) {
                match &*entry.key.text {
                    "cert" | "key" => self.source.say(entry, Fate::Approximated, note.clone()),
                    "client" => {
                        let why = "client certificates: listeners.tls.client_ca";
                        self.source.say_all(entry, Fate::NotTaken, why);
                        self.source.protects(entry);
                    }
                    _ => self.source.say_all(
                        entry,
                        Fate::Taken,
                        "certificates are chosen by their names",
                    ),
                }
            }
            let entry = Node::map()
                .with("cert", Node::text(format!("tls/{name}.pem")))
                .with("key", Node::text(format!("tls/{name}.key")));
            certificates.push(entry.commented(self.source.origin(ssl.span)));
        }
        if !certificates.is_empty() {
            let tls = Node::map().with("certificates", Node::List(certificates));
            let listener = Node::map()
                .with("name", Node::text("https"))
                .with("address", Node::text("0.0.0.0:9443"))
                .with("tls", tls);
            all.push(listener.into());
        }
        all
    }

    /// What holds for every request, also those that match no route.
    fn global(&mut self, root: &paifang_config::yaml::Node) -> Vec<crate::out::Item> {
        let mut steps = steps::Draft::default();
        let real_ip = Node::map().with(
            "request",
            Node::map().with("set", Node::map().with("x-real-ip", Node::text("{{ client_ip }}"))),
        );
        steps.step(
            order::FIRST,
            ("headers", "real-ip"),
            real_ip,
            None,
            "as APISIX tells every upstream",
        );
        for rule in items(root.get("global_rules")) {
            if let Some(plugins) = rule.get("plugins") {
                self.plugins(&mut steps, std::slice::from_ref(plugins));
            }
            for entry in entries(rule).iter().filter(|entry| &*entry.key.text != "plugins") {
                self.source.say_all(entry, Fate::Taken, "");
            }
        }
        if let Some(why) = steps.offline.take() {
            self.source.book.offline.push(("defaults".to_owned(), why));
        }
        steps.steps()
    }

    /// What stands beside routes and has no counterpart, or only means something through them.
    fn rest(&mut self, root: &paifang_config::yaml::Node) {
        for entry in entries(root) {
            match &*entry.key.text {
                "routes" | "services" | "upstreams" | "plugin_configs" | "consumers"
                | "global_rules" | "ssls" => {
                    self.source.say(entry, Fate::Taken, "");
                    self.unused(&entry.value);
                }
                "stream_routes" => self.source.say_all(entry, Fate::NotTaken, "only HTTP is taken"),
                "plugin_metadata" | "plugins" | "secrets" => {
                    self.source.say_all(entry, Fate::NotTaken, "it has no counterpart");
                }
                "consumer_groups" => {
                    let why = "plugins of consumers: `when: { app: … }` on steps";
                    self.source.say_all(entry, Fate::NotTaken, why);
                }
                "deployment" | "#END" => {
                    self.source.say_all(entry, Fate::NoEffect, "APISIX's own affair")
                }
                _ => {}
            }
        }
    }

    /// Names and ids, and what no route uses.
    fn unused(&mut self, list: &paifang_config::yaml::Node) {
        for item in list.as_seq().unwrap_or_default() {
            for entry in entries(item) {
                if !self.source.unsaid(entry) {
                    continue;
                }
                match &*entry.key.text {
                    "id" | "name" | "desc" | "labels" | "create_time" | "update_time"
                    | "username" => {
                        self.source.say_all(entry, Fate::Taken, "");
                    }
                    "plugins" | "upstream" | "nodes" | "type" | "hosts" | "upstream_id"
                    | "checks" | "timeout" | "retries" | "scheme" | "pass_host"
                    | "upstream_host" | "keepalive_pool" | "key" | "hash_on" => {
                        self.source.say_all(entry, Fate::NoEffect, "nothing uses it");
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The object of a list with this id.
fn by_id<'n>(
    list: Option<&'n paifang_config::yaml::Node>,
    id: &str,
) -> Option<&'n paifang_config::yaml::Node> {
    items(list).iter().find(|item| text(item, "id") == Some(id))
}
