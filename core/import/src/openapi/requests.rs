//! Requests: parameters and bodies are held against the description, where the step `validate` can.

use std::collections::BTreeSet;

use paifang_config::yaml::{Kind, Node as Yaml};

use super::operations::{Draft, Operation, Phase};
use super::{CHAIN, Import};
use crate::Fate;
use crate::out::Node;
use crate::source::{entries, items, text};

impl Import {
    /// The step, where there is something to check.
    pub(super) fn request(&mut self, draft: &mut Draft, operation: &Operation<'_>, base: &str) {
        let node = operation.node();
        let has = |node: &Yaml, key: &str| node.get(key).is_some();
        if !(has(node, "parameters")
            || has(operation.item, "parameters")
            || has(node, "requestBody"))
        {
            return;
        }
        let (fate, note) = match self.checked(operation) {
            Ok((id, unchecked)) => {
                let mut openapi = Node::map().with("operation", Node::text(id));
                let seen = unchecked.is_empty();
                if !seen {
                    openapi.put("unchecked_types", Node::texts(unchecked));
                }
                let with = Node::map().with("openapi", openapi);
                let chain = self.chain(base);
                let from = self.source.origin(operation.entry.key.span);
                draft.chain(Phase::Request, &chain, Node::map().with("validate", with), from);
                match seen {
                    true => (Fate::Taken, "validate".to_owned()),
                    false => (
                        Fate::Approximated,
                        "validate; bodies that are neither JSON nor forms pass unchecked"
                            .to_owned(),
                    ),
                }
            }
            Err(why) => (Fate::NotTaken, format!("requests are not checked: {why}")),
        };
        for place in [node, operation.item] {
            for entry in entries(place) {
                if matches!(&*entry.key.text, "parameters" | "requestBody") {
                    self.source.say(entry, fate, note.clone());
                }
            }
        }
    }

    /// The operation's id, and the media types that cannot be looked into; or why `validate` refuses it.
    fn checked(&self, operation: &Operation<'_>) -> Result<(String, Vec<String>), String> {
        let id = operation.id.ok_or("it has no `operationId` to be found by")?;
        if operation.path.split('/').any(|part| part.contains('{') && !whole(part)) {
            return Err("a parameter that is only part of a segment".into());
        }
        let node = operation.node();
        for place in [node, operation.item] {
            for parameter in items(place.get("parameters")) {
                self.parameter(self.follow(parameter))?;
            }
        }
        let mut unchecked = Vec::new();
        if let Some(body) = node.get("requestBody") {
            for entry in self.follow(body).get("content").map(entries).unwrap_or_default() {
                let kind = entry.key.text.split(';').next().unwrap_or_default().trim();
                let kind = kind.to_ascii_lowercase();
                let json = kind == "application/json" || kind.ends_with("+json");
                let form = kind == "application/x-www-form-urlencoded";
                if entry.value.get("encoding").is_some() {
                    return Err(format!("`encoding` of `{kind}`"));
                }
                let Some(schema) = entry.value.get("schema") else { continue };
                if json || form {
                    self.schema(schema, &mut BTreeSet::new())?;
                    if form && self.has_objects(schema) {
                        return Err("objects as fields of a form".into());
                    }
                } else {
                    unchecked.push(entry.key.text.to_string());
                }
            }
        }
        Ok((id.to_owned(), unchecked))
    }

    fn parameter(&self, parameter: &Yaml) -> Result<(), String> {
        let name = text(parameter, "name").ok_or("a parameter without a `name`")?;
        let usual = match text(parameter, "in") {
            Some("query" | "cookie") => "form",
            Some("path" | "header") => "simple",
            _ => return Err(format!("the parameter `{name}` stands nowhere that is known")),
        };
        match text(parameter, "style") {
            Some(style) if style != usual => {
                return Err(format!("the style `{style}` of `{name}`"));
            }
            _ => {}
        }
        match (parameter.get("schema"), parameter.get("content")) {
            (Some(schema), _) => {
                if self.kind(schema) == Some("object") {
                    return Err(format!("the parameter `{name}` is an object"));
                }
                self.schema(schema, &mut BTreeSet::new())
            }
            (None, Some(content)) => {
                let schema = content.get("application/json").and_then(|media| media.get("schema"));
                let schema = schema.ok_or(format!("`content` of `{name}` is no JSON"))?;
                self.schema(schema, &mut BTreeSet::new())
            }
            (None, None) => Err(format!("the parameter `{name}` has no schema")),
        }
    }

    fn kind<'a>(&'a self, schema: &'a Yaml) -> Option<&'a str> {
        self.text(schema, "type")
    }

    fn has_objects(&self, schema: &Yaml) -> bool {
        let fields = self.follow(schema).get("properties").map(entries).unwrap_or_default();
        fields.iter().any(|field| self.kind(&field.value) == Some("object"))
    }

    /// Looks for what no validator here can do, through all references.
    fn schema(&self, schema: &Yaml, seen: &mut BTreeSet<String>) -> Result<(), String> {
        match &schema.kind {
            Kind::Map(map) => {
                for entry in map.entries() {
                    match (&*entry.key.text, entry.value.as_text()) {
                        ("$ref", Some(reference)) => {
                            let target = super::refs::target(&self.root, reference);
                            if let Some(target) = target
                                && seen.insert(reference.to_owned())
                            {
                                self.schema(target, seen)?;
                            }
                        }
                        ("$dynamicRef" | "$recursiveRef", Some(_)) => {
                            return Err(format!("`{}`", entry.key.text));
                        }
                        ("pattern", Some(pattern)) if regex::Regex::new(pattern).is_err() => {
                            let shown: String = pattern.chars().take(60).collect();
                            return Err(format!("the pattern `{shown}`"));
                        }
                        ("example" | "examples" | "default" | "enum" | "const", _) => {}
                        _ => self.schema(&entry.value, seen)?,
                    }
                }
                Ok(())
            }
            Kind::Seq(items) => items.iter().try_for_each(|item| self.schema(item, seen)),
            _ => Ok(()),
        }
    }

    /// The chain that checks paths behind this base.
    fn chain(&mut self, base: &str) -> String {
        let document = Node::map().with("$include", Node::text(self.document.clone()));
        let mut openapi = Node::map().with("document", document);
        if !base.is_empty() {
            openapi.put("base_path", Node::text(base));
        }
        let step = Node::map().with("validate", Node::map().with("openapi", openapi));
        let list = Node::List(vec![step.into()]);
        if let Some((name, _)) = self.chains.iter().find(|(_, item)| item.node == list) {
            return name.clone();
        }
        let name =
            crate::out::unique(CHAIN, |name| self.chains.iter().any(|(known, _)| known == name));
        self.ids.insert(name.clone());
        self.chains.push((name.clone(), list.into()));
        name
    }
}

/// Whether a segment is nothing but a parameter.
fn whole(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}') && segment.matches('{').count() == 1
}
