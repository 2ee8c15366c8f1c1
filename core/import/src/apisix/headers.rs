//! What is changed: `proxy-rewrite`, `response-rewrite`, `cors`, `request-id`.

use paifang_config::yaml::Node as Yaml;

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::{Item, Node};
use crate::source::{entries, flag, items, number, text, texts};
use crate::vars::Vars;

impl Import {
    pub(super) fn proxy_rewrite(&mut self, ask: &mut Ask<'_>) -> Done {
        let vars = Vars::default();
        let mut step = Node::map();
        if let Some(method) = text(ask.config, "method") {
            step.put("method", Node::text(method));
        }
        if let Some(host) = text(ask.config, "host") {
            step.put("host", Node::text(host));
        }
        let mut note = "rewrite, and headers".to_owned();
        if let Some(uri) = text(ask.config, "uri") {
            if uri.contains('?') {
                return Err("a query in `uri`: a step `rewrite` with `query.set`".into());
            }
            step.put("path", Node::text(vars.fill(uri)?.text));
        } else {
            let pairs = texts(ask.config.get("regex_uri"));
            match &*pairs {
                [] => {}
                [pattern, replace] => {
                    if replace.contains('?') {
                        return Err("a query in `regex_uri`: a step `rewrite` with `query.set`".into());
                    }
                    paifang_config::route::PathRegex::parse(pattern).map_err(|error| format!("`{pattern}`: {error}"))?;
                    step.put("pattern", Node::text(pattern.clone()));
                    step.put("replace", Node::text(replace.clone()));
                    note.push_str("; an expression sees the path with what must be escaped");
                }
                _ => return Err("several pairs of `regex_uri`, of which the first that fits counts: a route for each".into()),
            }
        }
        if flag(ask.config, "use_real_request_uri_unsafe") == Some(true) {
            return Err("`use_real_request_uri_unsafe`: what is matched is what is sent".into());
        }
        let changes = match ask.config.get("headers") {
            Some(headers) => changes(headers, &vars)?,
            None => Node::map(),
        };
        if !step.is_empty() {
            ask.step(("rewrite", ""), step);
        }
        if !changes.is_empty() {
            ask.step(("headers", "proxy-rewrite"), Node::map().with("request", changes));
        }
        let near = note.contains(';');
        Ok((if near { Fate::Approximated } else { Fate::Taken }, note))
    }

    pub(super) fn response_rewrite(&mut self, ask: &mut Ask<'_>) -> Done {
        for key in ["body", "status_code", "filters", "vars"] {
            if ask.config.get(key).is_some() {
                return Err(format!("`{key}`: answers' header fields alone are changed here"));
            }
        }
        let Some(headers) = ask.config.get("headers") else {
            return Err("nothing to change".into());
        };
        let changes = changes(headers, &Vars::default())?;
        ask.step(("headers", "response-rewrite"), Node::map().with("response", changes));
        Ok((Fate::Taken, "headers.response".into()))
    }

    pub(super) fn cors(&mut self, ask: &mut Ask<'_>) -> Done {
        for key in ["allow_origins_by_regex", "allow_origins_by_metadata"] {
            if ask.config.get(key).is_some() {
                return Err(format!("`{key}`: list the origins, `https://*.example.com` included"));
            }
        }
        let credentials = flag(ask.config, "allow_credential").unwrap_or(false);
        let list = |key: &str| -> Result<Node, String> {
            let value = text(ask.config, key).unwrap_or("*");
            match value {
                "**" => Err(format!("`{key}: \"**\"` lets everybody in: list who may")),
                "*" => Ok(Node::text("*")),
                value => Ok(Node::texts(value.split(',').map(|part| part.trim().to_owned()))),
            }
        };
        let mut step = Node::map()
            .with("origins", list("allow_origins")?)
            .with("methods", list("allow_methods")?)
            .with("headers", list("allow_headers")?);
        if let Some(expose) = text(ask.config, "expose_headers").filter(|expose| !expose.is_empty())
        {
            step.put("expose", Node::texts(expose.split(',').map(|part| part.trim().to_owned())));
        }
        if credentials {
            step.put("credentials", Node::plain("true"));
        }
        if let Some(age) = number(ask.config, "max_age").filter(|age| *age > 0.0) {
            step.put("max_age", Node::plain(format!("{}s", (age as u64).min(86_400))));
        }
        ask.step(("cors", ""), step);
        Ok((Fate::Approximated, "cors; preflights get 204, other OPTIONS go on".into()))
    }

    pub(super) fn request_id(&mut self, ask: &mut Ask<'_>) -> Done {
        let header = text(ask.config, "header_name").unwrap_or("X-Request-Id").to_ascii_lowercase();
        let response = flag(ask.config, "include_in_response").unwrap_or(true);
        let step = Node::map()
            .with("header", Node::text(header))
            .with("trust", Node::plain("true"))
            .with("response", Node::plain(response));
        ask.step(("request_id", ""), step);
        Ok((Fate::Approximated, "request_id; ids are UUIDs of version 7".into()))
    }
}

/// `{ set: …, add: …, remove: … }`, or the older map of names and values to be set.
fn changes(headers: &Yaml, vars: &Vars) -> Result<Node, String> {
    let known = |key: &str| matches!(key, "set" | "add" | "remove");
    let newer = entries(headers)
        .iter()
        .any(|entry| known(&entry.key.text) && entry.value.as_text().is_none());
    let mut changes = Node::map();
    if !newer {
        changes.put("set", values(headers, vars)?);
        return Ok(changes);
    }
    let remove = texts(headers.get("remove"));
    if !remove.is_empty() {
        changes.put("remove", Node::texts(remove.iter().map(|name| name.to_ascii_lowercase())));
    }
    for key in ["set", "add"] {
        match headers.get(key) {
            // `add` of answers is a list of whole lines.
            Some(list) if list.as_seq().is_some() => {
                let mut lines: Vec<(String, Item)> = Vec::new();
                for line in items(Some(list)).iter().filter_map(Yaml::as_text) {
                    let (name, value) = line.split_once(':').ok_or("a header without a colon")?;
                    let value = Node::text(vars.fill(value.trim())?.text);
                    lines.push((name.trim().to_ascii_lowercase(), value.into()));
                }
                changes.put(key, Node::Map(lines));
            }
            Some(map) => changes.put(key, values(map, vars)?),
            None => {}
        }
    }
    Ok(changes)
}

fn values(map: &Yaml, vars: &Vars) -> Result<Node, String> {
    let mut all = Vec::new();
    for entry in entries(map) {
        let value = entry.value.as_text().ok_or("several values of one header")?;
        all.push((entry.key.text.to_ascii_lowercase(), Node::text(vars.fill(value)?.text).into()));
    }
    Ok(Node::Map(all))
}
