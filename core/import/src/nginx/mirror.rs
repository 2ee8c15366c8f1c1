//! `mirror`: a step of that name.

use super::Import;
use super::asked::{Asked, asked};
use super::draft::{Draft, Phase};
use super::headers::{FRAMING, Host};
use super::location::Locations;
use super::scope::Scope;
use super::tree::Directive;
use crate::out::{Item, Node};
use crate::values;
use crate::vars::Vars;

/// The largest body that a step copies.
const BODY: u64 = 16 << 20;
/// The most headers that copies are given.
const FIELDS: usize = 16;

impl Import<'_> {
    /// A step for each `mirror` that can be told. Copies protect nobody: the API stays as it is without.
    pub(super) fn mirrors(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        scope: &Scope<'_>,
        vars: &Vars,
    ) {
        for directive in scope.all(&["mirror"]) {
            if directive.arg(0) == "off" {
                self.notes.taken(directive, "no step");
                continue;
            }
            if let Err(why) = self.mirror(draft, locations, scope, vars, directive) {
                self.notes.not(directive, format!("requests are not copied: {why}"));
            }
        }
    }

    fn mirror(
        &mut self,
        draft: &mut Draft,
        locations: &Locations<'_>,
        scope: &Scope<'_>,
        vars: &Vars,
        directive: &Directive,
    ) -> Result<(), String> {
        let asked = asked(locations, vars, directive.arg(0))?;
        if !asked.same_target || asked.pass.uri.is_some() {
            return Err(
                "copies have the path of the call: `proxy_pass http://…$request_uri`".into()
            );
        }
        let mut config = Node::map();
        let body = scope.last("mirror_request_body");
        let with_body = body.is_none_or(|d| d.arg(0) != "off");
        if let Some(body) = body {
            self.notes.taken(body, "mirror.body");
        }
        let (host, remove, headers) = self.copied(&asked, vars);
        let beside = self.beside(&asked, vars, host)?;
        config.put("upstream", Node::text(beside.upstream));
        match with_body {
            true => {
                // As large as nginx takes it.
                let most = scope.word("client_max_body_size").and_then(values::size);
                let most = match most.unwrap_or(1 << 20) {
                    0 => BODY,
                    most => most.min(BODY),
                };
                config.put("body_limit", Node::plain(values::bytes(most)));
            }
            false => config.put("body", Node::plain("false")),
        }
        config.put("remove", Node::texts(remove));
        if !headers.is_empty() {
            config.put("headers", Node::Map(headers));
        }
        let timeout = values::duration(beside.timeout.clamp(10, 300_000));
        config.put("timeout", Node::plain(timeout));
        draft.step(Phase::Copies, ("mirror", ""), config, None, directive);
        let note = "mirror: copies say `x-mirrored: 1`, and there are a hundred at once at most; as in nginx they carry credentials";
        self.notes.near(directive, note);
        Ok(())
    }

    /// The `Host` of copies, which headers they do not have, and which they are given.
    fn copied(
        &mut self,
        asked: &Asked<'_, '_>,
        vars: &Vars,
    ) -> (Host, Vec<String>, Vec<(String, Item)>) {
        let (mut host, mut remove, mut headers) = (Host::Named, Vec::new(), Vec::new());
        for field in asked.location.scope.all(&["proxy_set_header"]) {
            let (name, value) = (field.arg(0).to_ascii_lowercase(), field.arg(1));
            if name == "host" {
                host = self.host(field, vars);
            } else if FRAMING.contains(&&*name) || matches!(&*name, "connection" | "upgrade") {
                self.notes.taken(field, "the gateway sets it by what body and peers need");
            } else if value.is_empty() {
                remove.push(name);
                self.notes.taken(field, "mirror.remove");
            } else {
                match vars.constant(value).filter(|_| headers.len() < FIELDS) {
                    Some(value) => {
                        headers.push((name, Node::text(value).into()));
                        self.notes.taken(field, "mirror.headers");
                    }
                    None => self.notes.near(field, "copies have the header as the call has it"),
                }
            }
        }
        (host, remove, headers)
    }
}
