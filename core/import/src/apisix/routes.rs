//! Routes: an API for each URI, with the plugins of route, plugin config and service.

use paifang_config::yaml::{Entry, Node as Yaml};

use super::Import;
use super::order;
use super::steps::Draft;
use crate::Fate;
use crate::expression::escape;
use crate::out::{Item, Node, unique};
use crate::source::{entries, items, number, text, texts};
use crate::values;

/// What a route asks for beside its URI.
#[derive(Debug, Default)]
pub(super) struct Demands {
    pub(super) headers: Vec<(String, Node)>,
    pub(super) regex: Vec<String>,
    /// Query parameters that a step asks for.
    pub(super) query: Vec<(String, String)>,
}

/// An API with what it takes, so that two that take the same are found.
struct Taken {
    route: usize,
    key: String,
}

impl Import {
    pub(super) fn routes(&mut self, root: &Yaml) -> Vec<Item> {
        let routes = items(root.get("routes"));
        let mut order: Vec<usize> = (0..routes.len()).collect();
        // The higher priority counts where two routes take the same; the first one of equals.
        order.sort_by_key(|at| -(number(&routes[*at], "priority").unwrap_or(0.0) as i64));
        let mut taken: Vec<Taken> = Vec::new();
        let mut apis: Vec<(usize, Item)> = Vec::new();
        for at in order {
            self.route(root, at, &routes[at], &mut taken, &mut apis);
        }
        apis.sort_by_key(|(at, _)| *at);
        apis.into_iter().map(|(_, item)| item).collect()
    }

    fn route(
        &mut self,
        root: &Yaml,
        at: usize,
        route: &Yaml,
        taken: &mut Vec<Taken>,
        apis: &mut Vec<(usize, Item)>,
    ) {
        let all = |import: &mut Self, fate: Fate, why: &str| {
            entries(route).iter().for_each(|entry| import.source.say_all(entry, fate, why));
        };
        if text(route, "status") == Some("0") {
            return all(self, Fate::NoEffect, "the route is disabled");
        }
        let service =
            text(route, "service_id").and_then(|id| super::by_id(root.get("services"), id));
        let config = text(route, "plugin_config_id")
            .and_then(|id| super::by_id(root.get("plugin_configs"), id));
        let mut steps = Draft::default();
        for (key, found) in
            [("service_id", service.is_some()), ("plugin_config_id", config.is_some())]
        {
            if route.get(key).is_some() && !found {
                steps.refuse(format!("`{key}` names nothing that is there"));
            }
        }
        let sets: Vec<Yaml> = [Some(route), config, service]
            .into_iter()
            .flatten()
            .filter_map(|o| o.get("plugins").cloned())
            .collect();
        self.plugins(&mut steps, &sets);
        let demands = self.demands(route, &mut steps);
        self.upstream_of(root, route, service, &mut steps);
        let mut hosts: Vec<String> = [texts(route.get("hosts")), texts(route.get("host"))].concat();
        if hosts.is_empty() {
            hosts = service.map(|service| texts(service.get("hosts"))).unwrap_or_default();
        }
        hosts.iter_mut().for_each(|host| *host = host.to_ascii_lowercase());
        let methods = texts(route.get("methods"));
        let uris: Vec<String> = [texts(route.get("uris")), texts(route.get("uri"))].concat();
        self.route_keys(route);
        for uri in &uris {
            let mut matches = Node::map();
            if !hosts.is_empty() {
                matches.put("host", Node::one_or_texts(hosts.clone()));
            }
            if !methods.is_empty() {
                matches.put("method", Node::one_or_texts(methods.clone()));
            }
            path(uri, &demands, &mut matches);
            if !demands.headers.is_empty() {
                let headers =
                    demands.headers.iter().map(|(name, test)| (name.clone(), test.clone().into()));
                matches.put("header", Node::Map(headers.collect()));
            }
            let mut hidden = None;
            for host in hosts.iter().map(String::as_str).chain(hosts.is_empty().then_some("*")) {
                for method in
                    methods.iter().map(String::as_str).chain(methods.is_empty().then_some("*"))
                {
                    let key =
                        format!("{host} {method} {uri} {:?} {:?}", demands.headers, demands.regex);
                    match taken.iter().find(|other| other.key == key) {
                        Some(other) => hidden = Some(other.route),
                        None => taken.push(Taken { route: at, key }),
                    }
                }
            }
            if let Some(other) = hidden.filter(|other| *other != at) {
                let why = format!(
                    "another route takes the same requests before it: the {}th of the list",
                    other + 1
                );
                if let Some(entry) =
                    entries(route).iter().find(|e| matches!(&*e.key.text, "uri" | "uris"))
                {
                    self.source.say(entry, Fate::NotTaken, why);
                }
                continue;
            }
            apis.push((at, self.api(route, uri, matches, steps.clone())));
        }
    }

    fn api(&mut self, route: &Yaml, uri: &str, matches: Node, steps: Draft) -> Item {
        let id = self.id(route, uri);
        let api = steps.api(&id, matches, self.options, &mut self.source.book);
        api.commented(format!("{}: {uri}", self.source.origin(route.span)))
    }

    fn id(&mut self, route: &Yaml, uri: &str) -> String {
        let own = text(route, "name").or(text(route, "id"));
        let base = own.map_or_else(|| values::name(uri), values::name);
        let id = unique(&base, |id| self.ids.contains(id));
        self.ids.insert(id.clone());
        id
    }

    /// Sets the upstream that a route names, has, or gets from its service.
    fn upstream_of(
        &mut self,
        root: &Yaml,
        route: &Yaml,
        service: Option<&Yaml>,
        steps: &mut Draft,
    ) {
        let timeout = route.get("timeout");
        for object in [Some(route), service].into_iter().flatten() {
            let found = match (object.get("upstream"), text(object, "upstream_id")) {
                (Some(upstream), _) => upstream.clone(),
                (None, Some(id)) => match super::by_id(root.get("upstreams"), id) {
                    Some(upstream) => upstream.clone(),
                    None => {
                        return steps.refuse(format!("there is no upstream `{id}`"));
                    }
                },
                (None, None) => continue,
            };
            return match self.upstream(&found, timeout) {
                Ok(name) => {
                    steps.upstream = Some(name);
                    // APISIX has no limit of its own for the whole.
                    steps.timeout = Some(3_600_000);
                }
                Err(why) => {
                    if let Some(entry) =
                        entries(object).iter().find(|e| e.key.text.starts_with("upstream"))
                    {
                        self.source.say_all(entry, Fate::NotTaken, &why);
                    }
                    steps.refuse(why);
                }
            };
        }
    }

    /// `vars`, `remote_addr`, `remote_addrs`. What cannot be asked for leaves the API offline: it would take
    /// more than it should.
    fn demands(&mut self, route: &Yaml, steps: &mut Draft) -> Demands {
        let mut demands = Demands::default();
        for entry in entries(route) {
            match &*entry.key.text {
                "vars" => match vars(&entry.value, &mut demands) {
                    Ok(()) if demands.query.is_empty() => {
                        self.source.say_all(entry, Fate::Taken, "match")
                    }
                    Ok(()) => {
                        let note = "a step that answers 404 where a parameter is another: no other route is tried";
                        self.source.say_all(entry, Fate::Approximated, note);
                    }
                    Err(why) => {
                        self.source.say_all(entry, Fate::NotTaken, &why);
                        steps.refuse(why);
                    }
                },
                "remote_addr" | "remote_addrs" => {
                    let nets = texts(Some(&entry.value));
                    let step = Node::map().with("allow", Node::texts(nets));
                    steps.step(
                        order::FIRST,
                        ("ip_filter", "remote-addrs"),
                        step,
                        None,
                        self.source.origin(entry.key.span),
                    );
                    self.source.say_all(
                        entry,
                        Fate::Approximated,
                        "ip_filter: others get 403, no other route is tried",
                    );
                }
                "filter_func" | "script" | "script_id" => {
                    self.source.say_all(entry, Fate::NotTaken, "there is no Lua here");
                    self.source.protects(entry);
                    steps.refuse(format!("`{}` was not taken", entry.key.text));
                }
                _ => {}
            }
        }
        for (name, value) in &demands.query {
            let when = Node::map().with(
                "not",
                Node::map().with("query", Node::map().with(name, Node::text(value.clone()))),
            );
            let step = Node::map().with("status", Node::plain(404));
            steps.step(
                order::FIRST,
                ("respond", "vars"),
                step,
                Some(("when", when)),
                self.source.origin(route.span),
            );
        }
        demands
    }

    /// Says what became of a route's own keys.
    fn route_keys(&mut self, route: &Yaml) {
        let say = |import: &mut Self, entry: &Entry, note: &str| {
            if import.source.unsaid(entry) {
                import.source.say(entry, Fate::Taken, note);
            }
        };
        for entry in entries(route) {
            match &*entry.key.text {
                "uri" | "uris" | "host" | "hosts" | "methods" => say(self, entry, "match"),
                "priority" => say(self, entry, "which of two routes that take the same counts"),
                "timeout" => {
                    self.source.say_all(entry, Fate::Taken, "upstream.timeouts");
                }
                "enable_websocket" => {
                    say(self, entry, "connections are upgraded where both ends want it")
                }
                "id" | "name" | "desc" | "labels" | "status" | "plugins" | "upstream"
                | "upstream_id" | "service_id" | "plugin_config_id" | "create_time"
                | "update_time" => {
                    say(self, entry, "");
                    if &*entry.key.text == "labels" {
                        self.source.say_within(&entry.value, Fate::Taken);
                    }
                }
                _ => {}
            }
        }
    }
}

/// A URI as APISIX's router reads it: `*` at the end stands for anything.
fn path(uri: &str, demands: &Demands, matches: &mut Node) {
    let mut regex = demands.regex.clone();
    match uri.strip_suffix('*') {
        None => matches.put("path", Node::text(uri)),
        Some("" | "/") => matches.put("path_prefix", Node::text("/")),
        Some(prefix) => {
            // Prefixes here end with segments; the expression holds to the letter.
            let directory = &prefix[..prefix.rfind('/').map_or(0, |at| at + 1)];
            matches
                .put("path_prefix", Node::text(if directory.is_empty() { "/" } else { directory }));
            if directory != "/" || prefix != "/" {
                regex.push(format!("^{}", escape(prefix)));
            }
        }
    }
    if !regex.is_empty() {
        matches.put("path_regex", Node::one_or_texts(regex));
    }
}

/// `vars` that a match can ask for: all of them must hold.
pub(super) fn vars(list: &Yaml, demands: &mut Demands) -> Result<(), String> {
    for condition in list.as_seq().unwrap_or_default() {
        let parts = texts(Some(condition));
        let [name, operator, value] = &*parts else {
            return Err("`vars` that are not a name, an operator and a value".into());
        };
        let unknown = || format!("a match cannot ask for `{name} {operator} {value}`");
        match (operator.as_str(), name.strip_prefix("http_"), name.strip_prefix("arg_")) {
            ("==", Some(header), _) => {
                demands.headers.push((header.replace('_', "-"), Node::text(value.clone())));
            }
            ("==", _, Some(argument)) => demands.query.push((argument.to_owned(), value.clone())),
            ("~~", None, None) if name == "uri" => {
                paifang_config::route::PathRegex::parse(value)
                    .map_err(|error| format!("`{value}`: {error}"))?;
                demands.regex.push(value.clone());
            }
            _ => return Err(unknown()),
        }
    }
    Ok(())
}
