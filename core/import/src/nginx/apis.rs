//! APIs: a route with the steps of the location that it leads to.

use super::Import;
use super::decide::{Decider, Leaf, Pattern, Route};
use super::draft::{Draft, Phase};
use super::location::{Kind, Location, Locations};
use super::rules::{self, Rule};
use super::server::{Face, Server, Servers};
use super::tree::Directive;
use crate::out::{Item, Node, unique};
use crate::values;
use crate::vars::Vars;
use crate::{Fault, Place};

/// What answers in a location without a `return` and what nothing here can do.
const CONTENT: &[&str] = &[
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "memcached_pass",
    "root",
    "alias",
    "try_files",
    "autoindex",
    "stub_status",
    "empty_gif",
    "flv",
    "mp4",
    "dav_methods",
    "perl",
    "content_by_lua_block",
    "content_by_lua_file",
    "js_content",
    "random_index",
];

impl Import<'_> {
    /// The APIs of all servers.
    pub(super) fn apis(&mut self, servers: &Servers<'_>) -> Result<Vec<Item>, Fault> {
        let mut apis = Vec::new();
        for (index, server) in servers.list.iter().enumerate() {
            let faces = servers.faces(index, &mut self.notes);
            if faces.is_empty() {
                self.notes.not(
                    server.directive,
                    "no request reaches it: its names are another server's, or no hosts",
                );
                continue;
            }
            self.notes.taken(server.directive, "APIs");
            self.server(server, &faces, &mut apis)?;
        }
        Ok(apis)
    }

    fn server(
        &mut self,
        server: &Server<'_>,
        faces: &[Face],
        apis: &mut Vec<Item>,
    ) -> Result<(), Fault> {
        let locations = Locations::of(server.directive, &server.scope, &mut self.notes);
        let (rules, lost) = rules::rules(&locations, &mut self.notes);
        let vars = self.vars(server);
        // What the server itself answers, it answers before any location.
        let answers = server.directive.inner().iter().find(|d| d.name == "return");
        let routes = match answers {
            Some(_) => Some(vec![Route {
                pattern: Pattern::Prefix("/".into()),
                matching: Vec::new(),
                excluding: Vec::new(),
                leaf: Leaf::Location { id: 0, by: None },
            }]),
            None => Decider::new(&locations, &rules).routes(),
        };
        let Some(routes) = routes else {
            return Err(too_many(&server.directive.place));
        };
        for location in &locations.list[1..] {
            match answers {
                Some(_) => {
                    self.notes.none(location.directive, "the server's `return` comes before it")
                }
                None => self.notes.taken(location.directive, "an API for each way to it"),
            }
        }
        for (_, named) in &locations.named {
            self.notes.taken(named, "where `try_files` leads to it");
        }
        for face in faces {
            for route in &routes {
                let mut draft = Draft::default();
                let id = match &route.leaf {
                    Leaf::Location { id, .. } | Leaf::Rule { id, .. } | Leaf::Slash { id, .. } => {
                        *id
                    }
                };
                for (at, why) in &lost {
                    if *at == id || *at == 0 {
                        draft.refuse(format!("a `rewrite` was not taken: {why}"));
                    }
                }
                if let Some(why) = locations.blind(id) {
                    draft.refuse(format!(
                        "a location was not taken that might take its requests: {why}"
                    ));
                }
                self.leaf(&mut draft, &locations, &rules, &vars, &route.leaf);
                let api = self.api(server, face, &locations, route, draft);
                apis.push(api);
                if apis.len() > super::limits::APIS {
                    return Err(too_many(&server.directive.place));
                }
            }
        }
        Ok(())
    }

    fn vars(&mut self, server: &Server<'_>) -> Vars {
        let mut vars = Vars { upgrade: self.upgrade.clone(), ..Vars::default() };
        if let Some(name) = server.names.iter().find(|name| !name.starts_with('*')) {
            vars.fixed.insert("server_name".into(), name.clone());
        }
        if let [address] = &*server.listens {
            vars.fixed.insert("server_port".into(), address.port().to_string());
        }
        for set in server.directive.inner().iter().filter(|d| d.name == "set") {
            self.set(&mut vars, set);
        }
        vars
    }

    fn set(&mut self, vars: &mut Vars, directive: &Directive) {
        let name = directive.arg(0).trim_start_matches('$').to_owned();
        match vars.constant(directive.arg(1)) {
            Some(value) => {
                self.notes.taken(directive, "a constant, written where it is used");
                vars.fixed.insert(name, value);
            }
            None => self.notes.not(directive, "only constants are taken"),
        }
    }

    /// What answers a request in the end.
    fn leaf(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        rules: &[Vec<Rule<'_>>],
        vars: &Vars,
        leaf: &Leaf,
    ) {
        let server = &locations.list[0];
        let mut vars = vars.clone();
        match leaf {
            Leaf::Rule { id, rule } => {
                let rule = &rules[*id][*rule];
                self.conditions(draft, &server.scope, &vars);
                self.redirect_rule(draft, &vars, rule);
                self.response_headers(draft, &locations.list[*id].scope, &vars, true);
            }
            Leaf::Slash { to, id } => {
                let location = &locations.list[*id];
                let config = Node::map()
                    .with("to", Node::text(crate::vars::literal(to)))
                    .with("status", Node::plain(301))
                    .with("keep_query", Node::plain("true"));
                self.conditions(draft, &server.scope, &vars);
                draft.step(Phase::Return, ("redirect", ""), config, None, location.directive);
                self.response_headers(draft, &location.scope, &vars, true);
                draft.answered = true;
            }
            Leaf::Location { id, by } => {
                let location = &locations.list[*id];
                let by = by.map(|(from, rule)| &rules[from][rule]);
                self.conditions(draft, &server.scope, &vars);
                if *id != 0 {
                    for set in location.scope.own().iter().filter(|d| d.name == "set") {
                        self.set(&mut vars, set);
                    }
                    self.conditions(draft, &location.scope, &vars);
                }
                self.location(draft, locations, location, &vars, by);
            }
        }
    }

    fn location(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        location: &Location<'_>,
        vars: &Vars,
        by: Option<&Rule<'_>>,
    ) {
        let scope = &location.scope;
        let own = |name: &str| scope.own().iter().find(|d| d.name == name);
        self.access_log(draft, scope);
        self.coding(draft, scope);
        if let Some(directive) = own("return") {
            // It comes before limits and access, as nginx has it.
            self.answer(draft, scope, vars, directive, None);
            self.never_reached(scope, "`return` answers before it");
            return self.response_headers(draft, scope, vars, true);
        }
        if let Some(internal) = own("internal") {
            self.notes.taken(internal, "404 for requests from outside");
            let config = Node::map().with("status", Node::plain(404));
            draft.step(Phase::Return, ("respond", ""), config, None, internal);
            draft.answered = true;
            if !self.is_asked(location) {
                self.never_reached(scope, "no request from outside comes here");
            }
            return;
        }
        self.limits(draft, scope);
        self.access(draft, scope);
        let answered = vars;
        let vars = &self.auth_request(draft, locations, scope, vars);
        self.mirrors(draft, locations, scope, vars);
        let pass = own("proxy_pass").or(own("grpc_pass"));
        if let Some(directive) = pass {
            self.response_headers(draft, scope, answered, false);
            return self.pass(draft, location, vars, by, directive);
        }
        // `try_files $uri @app`: what is no file goes to the named location, and there are no files here.
        if let Some((directive, (_, named))) = own("try_files").and_then(|directive| {
            let last = directive.args.last()?.text.as_str();
            Some((directive, locations.named.iter().find(|(name, _)| *name == last)?))
        }) {
            self.notes
                .near(directive, format!("all goes to {}: files are not served", named.arg(0)));
            let named = Location {
                kind: Kind::Server,
                directive: named,
                scope: scope.inside(named.inner()),
                parent: 0,
                regexes: Vec::new(),
                blind: None,
            };
            return self.location(draft, locations, &named, vars, by);
        }
        self.response_headers(draft, scope, vars, true);
        let content = scope.every().filter(|d| CONTENT.contains(&d.name.as_str())).last();
        match content {
            Some(directive)
                if location.directive.name == "location" || directive.name != "root" =>
            {
                let what = match directive.name.as_str() {
                    "root" | "alias" | "try_files" | "autoindex" => {
                        "files are not served here: pass their paths to a server that does"
                    }
                    "stub_status" => "the gateway's numbers are at its admin API: /metrics",
                    _ => "only HTTP servers can be passed to",
                };
                self.notes.not(directive, what);
                draft.refuse(format!("`{}` was not taken: {what}", directive.line()));
            }
            _ => {
                let config = Node::map().with("status", Node::plain(404));
                draft.step(Phase::Content, ("respond", ""), config, None, location.directive);
                draft.answered = true;
            }
        }
    }

    /// What stands in a block and nobody asks.
    fn never_reached(&mut self, scope: &super::scope::Scope<'_>, why: &str) {
        for directive in
            scope.own().iter().filter(|d| !matches!(d.name.as_str(), "location" | "add_header"))
        {
            if self.notes.unsaid(directive) && !super::remarks::is_elsewhere(&directive.name) {
                self.notes.none(directive, why);
            }
        }
    }

    fn access_log(&mut self, draft: &mut Draft, scope: &super::scope::Scope<'_>) {
        for log in scope.all(&["access_log"]) {
            let file = log.arg(0);
            if file == "off" {
                self.notes.taken(log, "no step");
            } else if file.starts_with('/') && !file.starts_with("/dev/") && !file.contains('$') {
                let config = Node::map()
                    .with("sink", Node::map().with("file", Node::text(format!("{file}.paifang"))));
                self.notes.near(log, format!("access_log, JSON lines in {file}.paifang"));
                draft.step(Phase::Log, ("access_log", ""), config, None, log);
            } else if matches!(file, "/dev/stdout" | "/dev/stderr") {
                let config = Node::map().with("sink", Node::text(&file[5..]));
                self.notes.near(log, "access_log, JSON lines");
                draft.step(Phase::Log, ("access_log", ""), config, None, log);
            } else {
                self.notes.not(log, "access_log writes to files and standard streams");
            }
        }
    }

    /// The API as a node.
    fn api(
        &mut self,
        server: &Server<'_>,
        face: &Face,
        locations: &Locations<'_>,
        route: &Route,
        draft: Draft,
    ) -> Item {
        let id = self.id(server, route);
        let mut matches = Node::map();
        if !face.hosts.is_empty() {
            matches.put("host", Node::one_or_texts(face.hosts.clone()));
        }
        if !face.listeners.is_empty() {
            matches.put("listener", Node::one_or_texts(face.listeners.clone()));
        }
        match &route.pattern {
            Pattern::Path(path) => matches.put("path", Node::text(encoded(path))),
            Pattern::Prefix(path) => matches.put("path_prefix", Node::text(encoded(path))),
        }
        if !route.matching.is_empty() {
            matches.put("path_regex", Node::one_or_texts(route.matching.clone()));
        }
        if !route.excluding.is_empty() {
            matches.put("path_not_regex", Node::one_or_texts(route.excluding.clone()));
        }
        let from = match &route.leaf {
            Leaf::Location { id, .. } | Leaf::Rule { id, .. } | Leaf::Slash { id, .. } => {
                locations.list[*id].directive
            }
        };
        let api = draft.api(&id, matches, self.options, &mut self.notes.book);
        api.commented(from)
    }

    fn id(&mut self, server: &Server<'_>, route: &Route) -> String {
        let host = server.names.iter().find(|name| !name.starts_with('*')).or(server.names.first());
        let host = match (host, server.listens.first()) {
            (Some(host), _) => values::name(host),
            (None, Some(address)) => format!("port-{}", address.port()),
            (None, None) => "server".into(),
        };
        let path = match &route.pattern {
            Pattern::Path(path) => format!("{}-exact", values::name(path)),
            Pattern::Prefix(path) => values::name(path),
        };
        let expression = route.matching.last().map(|text| format!(".{}", values::name(text)));
        let base: String =
            format!("{host}.{path}{}", expression.unwrap_or_default()).chars().take(110).collect();
        let id = unique(&base, |id| self.ids.contains(id));
        self.ids.insert(id.clone());
        id
    }
}

fn too_many(place: &Place) -> Fault {
    let most = super::limits::APIS;
    Fault::new(place.clone(), format!("it would become more than {most} APIs"))
        .help("expressions multiply with prefixes: import parts of it, or write patterns instead")
}

/// A path of nginx, which is decoded, as patterns write it.
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
