//! `auth_request`: a step `forward_auth`.

use super::Import;
use super::asked::{Asked, asked};
use super::draft::{Draft, Phase};
use super::headers::{FRAMING, Host};
use super::location::{Kind, Locations};
use super::scope::Scope;
use super::tree::Directive;
use crate::out::{Item, Node};
use crate::values;
use crate::vars::{Piece, Vars, literal, pieces};

/// Headers that a question has by itself.
const OWN: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "forwarded",
];
/// The most headers of a list in a step.
const FIELDS: usize = 32;

/// What a question says beside what it says by itself.
#[derive(Default)]
struct Fields {
    host: Option<Host>,
    send: Vec<String>,
    set: Vec<(String, Item)>,
}

impl Import<'_> {
    /// The step, and the variables that its answer sets. Where it cannot be told the API is offline.
    pub(super) fn auth_request(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        scope: &Scope<'_>,
        vars: &Vars,
    ) -> Vars {
        let mut vars = vars.clone();
        let Some(directive) = scope.last("auth_request") else { return vars };
        if directive.arg(0) == "off" {
            self.notes.taken(directive, "no step");
            return vars;
        }
        if let Err(why) = self.question(draft, locations, scope, &mut vars, directive) {
            self.notes.not(directive, &*why);
            draft.refuse(format!("`{}` was not taken: {why}", directive.line()));
        }
        vars
    }

    fn question(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        scope: &Scope<'_>,
        vars: &mut Vars,
        directive: &Directive,
    ) -> Result<(), String> {
        let name = directive.arg(0);
        let asked = asked(locations, vars, name)?;
        if asked.same_target {
            return Err(
                "the address asked ends with `$request_uri`; `x-forwarded-uri` says it".into()
            );
        }
        let path = path(&asked, name);
        let fields = self.fields(&asked, vars, name)?;
        let take = self.take(scope, vars)?;
        let beside = self.beside(&asked, vars, fields.host.unwrap_or(Host::Named))?;
        let timeout = values::duration(beside.timeout.clamp(10, 30_000));
        let mut config = Node::map()
            .with("upstream", Node::text(beside.upstream))
            .with("path", Node::text(literal(&path)))
            .with("timeout", Node::plain(timeout))
            .with("send", Node::texts(fields.send));
        if !fields.set.is_empty() {
            config.put("set", Node::Map(fields.set));
        }
        if !take.is_empty() {
            config.put("take", Node::texts(take));
        }
        let told = ["www-authenticate", "content-type", "content-encoding"];
        config.put("deny", Node::map().with("headers", Node::texts(told)));
        draft.step(Phase::Identity, ("forward_auth", ""), config, None, directive);
        let note = "forward_auth: it is told of the call by x-forwarded-… and the headers under `send` and `set`, not by all; redirects it answers go to the client, other answers and none are 503, not 500";
        self.notes.near(directive, note);
        Ok(())
    }

    /// What `proxy_set_header` says of the question.
    fn fields(&mut self, asked: &Asked<'_, '_>, vars: &Vars, name: &str) -> Result<Fields, String> {
        let mut own = vars.clone();
        // In the location that is asked these are of the question, not of the call.
        own.fixed.insert("uri".into(), name.to_owned());
        own.fixed.insert("document_uri".into(), name.to_owned());
        own.fixed.insert("args".into(), String::new());
        own.fixed.insert("query_string".into(), String::new());
        own.known.insert("request_uri".into(), "target".into());
        let mut fields = Fields::default();
        let scope = &asked.location.scope;
        if scope.word("proxy_pass_request_headers") != Some("off") {
            fields.send = vec!["authorization".into(), "cookie".into()];
        }
        for field in scope.all(&["proxy_set_header"]) {
            let (name, value) = (field.arg(0).to_ascii_lowercase(), field.arg(1));
            let same = value.strip_prefix("$http_").map(|name| name.replace('_', "-"));
            if name == "host" {
                fields.host = Some(self.host(field, vars));
            } else if FRAMING.contains(&&*name) || matches!(&*name, "connection" | "upgrade") {
                self.notes
                    .taken(field, "the question has no body, and connections are the gateway's");
            } else if OWN.contains(&&*name) {
                self.notes.near(field, "the question says it by itself");
            } else if value.is_empty() {
                fields.send.retain(|sent| *sent != name);
                self.notes.taken(field, "forward_auth.send");
            } else if same.as_deref() == Some(&*name) {
                self.notes.taken(field, "forward_auth.send");
                if !fields.send.contains(&name) {
                    fields.send.push(name);
                }
            } else {
                if value.contains("$arg_") {
                    return Err(format!("`{}`: arguments are the question's own", field.line()));
                }
                let filled = own.fill(value).map_err(|why| format!("`{}`: {why}", field.line()))?;
                match value.contains("$request_uri") {
                    true => self.notes.near(field, "forward_auth.set; the path is the normal one"),
                    false => self.notes.taken(field, "forward_auth.set"),
                }
                fields.send.retain(|sent| *sent != name);
                fields.set.retain(|(known, _)| *known != name);
                fields.set.push((name, Node::text(filled.text).into()));
            }
        }
        if fields.send.len() > FIELDS || fields.set.len() > FIELDS {
            return Err(format!("a question has at most {FIELDS} headers of a kind"));
        }
        Ok(fields)
    }

    /// Headers of the answer that variables stand for; they become headers of the call.
    fn take(&mut self, scope: &Scope<'_>, vars: &mut Vars) -> Result<Vec<String>, String> {
        let mut take: Vec<String> = Vec::new();
        for directive in scope.all(&["auth_request_set"]) {
            let variable = directive.arg(0).trim_start_matches('$').to_owned();
            let header = match &*pieces(directive.arg(1)) {
                [Piece::Variable(name)] => name.strip_prefix("upstream_http_"),
                _ => None,
            };
            match header.map(|name| name.replace('_', "-")) {
                Some(name) if !FRAMING.contains(&&*name) && name != "set-cookie" => {
                    vars.known.insert(variable, format!("header.{name}"));
                    self.notes.near(directive, format!("forward_auth.take: the call has `{name}` by what the answer says, and no other"));
                    if !take.contains(&name) {
                        take.push(name);
                    }
                }
                _ => self
                    .notes
                    .not(directive, "only headers of the answer become headers of the call"),
            }
        }
        match take.len() {
            0..=FIELDS => Ok(take),
            _ => Err(format!("at most {FIELDS} headers of an answer are taken")),
        }
    }
}

/// What the server behind is asked for.
fn path(asked: &Asked<'_, '_>, name: &str) -> String {
    let Some(uri) = &asked.pass.uri else { return name.to_owned() };
    match &asked.location.kind {
        Kind::Prefix { name: prefix, .. } => {
            format!("{uri}{}", name.strip_prefix(prefix.as_str()).unwrap_or_default())
        }
        _ => uri.clone(),
    }
}
