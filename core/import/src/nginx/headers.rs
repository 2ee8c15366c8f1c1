//! Header fields: `proxy_set_header`, `add_header`, `proxy_hide_header`, `expires`.

use super::Import;
use super::draft::{Draft, Phase};
use super::scope::Scope;
use super::tree::Directive;
use crate::out::{Item, Node};
use crate::values;
use crate::vars::Vars;

/// The `Host` that a server sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// What `proxy_pass` names: nginx's default.
    Named,
    /// The client's.
    Client,
    /// This one.
    Fixed(String),
}

/// Fields that belong to connections and framing.
pub(super) const FRAMING: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "http2-settings",
];

impl Import<'_> {
    /// The step that changes the request for the server behind; its `Host`, and whether it is told of the
    /// client.
    pub(super) fn request_headers(
        &mut self,
        draft: &mut Draft,
        scope: &Scope<'_>,
        vars: &Vars,
        directive: &str,
    ) -> (Host, bool) {
        let fields = scope.all(&[directive]);
        let (mut host, mut told) = (Host::Named, false);
        let (mut remove, mut set) = (Vec::new(), Vec::new());
        for field in &fields {
            let (name, value) = (field.arg(0).to_ascii_lowercase(), field.arg(1));
            match (name.as_str(), value) {
                ("host", _) => host = self.host(field, vars),
                ("connection" | "upgrade", value) => {
                    let usual =
                        ["", "upgrade", "close", "keep-alive", "$http_upgrade", "$http_connection"];
                    let mapped = value
                        .strip_prefix('$')
                        .is_some_and(|v| vars.upgrade.iter().any(|u| u == v));
                    if usual.contains(&value.to_ascii_lowercase().as_str()) || mapped {
                        self.notes.taken(field, "the gateway does so itself, WebSocket included");
                    } else {
                        self.notes.not(field, "connections are the gateway's own business");
                    }
                }
                ("x-forwarded-for", value)
                    if value.contains("remote_addr") || value.contains("x_forwarded_for") =>
                {
                    told = true;
                    self.notes.near(
                        field,
                        "upstream.forward; what an untrusted client sent in it does not go on",
                    );
                }
                ("x-forwarded-proto", "$scheme")
                | ("x-forwarded-host", "$host" | "$http_host")
                | ("x-forwarded-port", "$server_port") => {
                    told = true;
                    self.notes.taken(field, "upstream.forward, which tells of all four");
                }
                (
                    "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host"
                    | "x-forwarded-port" | "forwarded",
                    value,
                ) => {
                    if value.is_empty() {
                        self.notes.taken(field, "upstream.forward");
                    } else {
                        self.notes.not(
                            field,
                            "the gateway itself says who the client is: upstream.forward",
                        );
                    }
                }
                (name, _) if FRAMING.contains(&name) || name.starts_with("proxy-") => {
                    self.notes.near(field, "the gateway sets it by what body and peers need");
                }
                (_, "") => {
                    remove.push(name.clone());
                    self.notes.taken(field, "headers.request.remove");
                }
                (_, value) => match vars.fill(value) {
                    Ok(filled)
                        if filled.text == format!("{{{{ header.{name} }}}}")
                            && !value.starts_with("$http_") =>
                    {
                        self.notes.taken(field, "forward_auth.take");
                    }
                    Ok(filled) => {
                        if filled.request_id {
                            let config = Node::map().with("response", Node::plain("false"));
                            draft.step(Phase::RequestId, ("request_id", ""), config, None, *field);
                            self.notes.near(
                                field,
                                "headers.request.set and a step request_id: its ids look otherwise",
                            );
                        } else if may_be_empty(&filled.text) {
                            self.notes.near(field, "headers.request.set; where the value is empty, the field is sent, empty");
                        } else {
                            self.notes.taken(field, "headers.request.set");
                        }
                        set.retain(|(known, _)| *known != name);
                        set.push((name.clone(), filled.text));
                    }
                    Err(why) => self.notes.not(field, why),
                },
            }
        }
        let mut changes = Node::map();
        if !remove.is_empty() {
            changes.put("remove", Node::texts(remove));
        }
        if !set.is_empty() {
            changes.put("set", by_name(set));
        }
        if let (false, Some(first)) = (changes.is_empty(), fields.first()) {
            let config = Node::map().with("request", changes);
            draft.step(Phase::RequestHeaders, ("headers", "request-headers"), config, None, *first);
        }
        (host, told)
    }

    /// The `Host` that a field of that name sets.
    pub(super) fn host(&mut self, field: &Directive, vars: &Vars) -> Host {
        let by_itself = "the client's `Host` goes on by itself";
        match field.arg(1) {
            "$http_host" => {
                self.notes.taken(field, by_itself);
                Host::Client
            }
            "$host" => {
                self.notes.taken(field, format!("{by_itself}, with its port if it has one"));
                Host::Client
            }
            "$proxy_host" => {
                self.notes.taken(field, "upstream.host");
                Host::Named
            }
            value => match vars.constant(value) {
                Some(fixed) if !fixed.is_empty() => {
                    self.notes.taken(field, "upstream.host");
                    Host::Fixed(fixed)
                }
                _ => {
                    let note = "the client's `Host` goes on: upstream.host is a constant";
                    self.notes.near(field, note);
                    Host::Client
                }
            },
        }
    }

    /// The step that changes the answer. `answered`: whether a step of ours answers, and has set the media type.
    pub(super) fn response_headers(
        &mut self,
        draft: &mut Draft,
        scope: &Scope<'_>,
        vars: &Vars,
        answered: bool,
    ) {
        let mut first: Option<&Directive> = None;
        let (mut remove, mut set, mut add) = (Vec::new(), Vec::new(), Vec::new());
        if !answered {
            for field in scope.all(&["proxy_hide_header", "grpc_hide_header"]) {
                remove.push(field.arg(0).to_ascii_lowercase());
                self.notes.taken(field, "headers.response.remove");
                first.get_or_insert(field);
            }
        }
        for field in scope.all(&["add_header"]) {
            let (name, value) = (field.arg(0).to_ascii_lowercase(), field.arg(1));
            if value.is_empty() || (name == "content-type" && answered) {
                self.notes.taken(
                    field,
                    if value.is_empty() { "an empty field is not sent" } else { "respond" },
                );
                continue;
            }
            match vars.fill(value) {
                Ok(filled) => {
                    if field.arg(2) == "always" {
                        self.notes.taken(field, "headers.response.add");
                    } else {
                        self.notes.near(field, "headers.response.add, on error answers too");
                    }
                    add.push((name, filled.text));
                    first.get_or_insert(field);
                }
                Err(_) if value == "$upstream_cache_status" => {
                    self.notes.near(field, "the cache says it in `Cache-Status`");
                }
                Err(why) => self.notes.not(field, why),
            }
        }
        if let Some(expires) = scope.last("expires") {
            match cache_control(expires.arg(0)) {
                Some(Some(value)) => {
                    self.notes.near(
                        expires,
                        "headers.response.set of cache-control, without `Expires`, on errors too",
                    );
                    set.push(("cache-control".to_owned(), value));
                    first.get_or_insert(expires);
                }
                Some(None) => self.notes.taken(expires, "nothing is changed"),
                None => self.notes.not(expires, "only fixed times are taken"),
            }
        }
        let Some(first) = first else { return };
        let mut changes = Node::map();
        if !remove.is_empty() {
            changes.put("remove", Node::texts(remove));
        }
        if !set.is_empty() {
            changes.put("set", by_name(set));
        }
        if !add.is_empty() {
            changes.put("add", by_name(add));
        }
        let config = Node::map().with("response", changes);
        draft.step(Phase::ResponseHeaders, ("headers", "response-headers"), config, None, first);
    }
}

/// Whether what fills a template may be missing from a request.
fn may_be_empty(template: &str) -> bool {
    ["{{ header.", "{{ query", "{{ identity"].iter().any(|source| template.contains(source))
}

/// A map of values by name; several of one name become a list.
fn by_name(fields: Vec<(String, String)>) -> Node {
    let mut names: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in fields {
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => names.push((name, vec![value])),
        }
    }
    let item = |(name, values): (String, Vec<String>)| -> (String, Item) {
        (name, Node::one_or_texts(values).into())
    };
    Node::Map(names.into_iter().map(item).collect())
}

/// What `expires` makes of `Cache-Control`; nothing for `off`.
fn cache_control(text: &str) -> Option<Option<String>> {
    Some(match text {
        "off" => None,
        "epoch" => Some("no-cache".into()),
        "max" => Some("max-age=315360000".into()),
        text if text.starts_with('-') => Some("no-cache".into()),
        text => Some(format!("max-age={}", values::time(text)? / 1000)),
    })
}
