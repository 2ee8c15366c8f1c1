//! `request-validation`: a step `validate`.

use paifang_config::yaml::{Kind, Node as Yaml, Plain, Style};

use super::Import;
use super::steps::{Ask, Done};
use crate::Fate;
use crate::out::{Item, Node};
use crate::source::{entries, items};

/// What APISIX holds schemas to be that say nothing of it.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

impl Import {
    pub(super) fn request_validation(&mut self, ask: &mut Ask<'_>) -> Done {
        let mut step = Node::map();
        if let Some(schema) = ask.config.get("header_schema") {
            step.put("headers", headers(schema)?);
        }
        if let Some(schema) = ask.config.get("body_schema") {
            possible(schema)?;
            step.put("body", with_draft(node(schema), schema));
        }
        if step.is_empty() {
            return Err("neither `header_schema` nor `body_schema`".into());
        }
        ask.step(("validate", ""), step);
        let note = "validate: 400 with what is wrong, 415 for a body that is no JSON; headers that are numbers count as such";
        Ok((Fate::Approximated, note.into()))
    }
}

/// A schema of headers, whose names come in lower case here.
fn headers(schema: &Yaml) -> Result<Node, String> {
    possible(schema)?;
    let mut made = Node::map();
    for entry in entries(schema) {
        let lower = |name: &str| name.to_ascii_lowercase();
        match &*entry.key.text {
            "properties" => {
                let named = entries(&entry.value)
                    .iter()
                    .map(|entry| (lower(&entry.key.text), Item::from(node(&entry.value))));
                made.put("properties", Node::Map(named.collect()));
            }
            "required" => {
                let names = items(Some(&entry.value)).iter().filter_map(Yaml::as_text).map(lower);
                made.put("required", Node::texts(names));
            }
            "type" | "title" | "description" | "$schema" => {
                made.put(&entry.key.text, node(&entry.value));
            }
            other => return Err(format!("`{other}` of headers")),
        }
    }
    Ok(with_draft(made, schema))
}

fn with_draft(node: Node, schema: &Yaml) -> Node {
    match schema.get("$schema") {
        Some(_) => node,
        None => node.with("$schema", Node::text(DRAFT)),
    }
}

/// Looks for what no validator here can do.
fn possible(schema: &Yaml) -> Result<(), String> {
    for entry in entries(schema) {
        match (&*entry.key.text, entry.value.as_text()) {
            ("$ref", Some(to)) if !to.starts_with('#') => {
                return Err(format!("`$ref: {to}` is in another document"));
            }
            ("pattern", Some(pattern)) if regex::Regex::new(pattern).is_err() => {
                return Err(format!("the pattern `{pattern}`"));
            }
            ("patternProperties", _) => {
                let bad =
                    entries(&entry.value).iter().find(|p| regex::Regex::new(&p.key.text).is_err());
                if let Some(bad) = bad {
                    return Err(format!("the pattern `{}`", bad.key.text));
                }
                entries(&entry.value).iter().try_for_each(|entry| possible(&entry.value))?;
            }
            ("example" | "examples" | "default" | "enum" | "const", _) => {}
            _ => possible(&entry.value)?,
        }
    }
    items(Some(schema)).iter().try_for_each(possible)
}

/// A part of the source as it stands there.
fn node(from: &Yaml) -> Node {
    match &from.kind {
        Kind::Map(_) => {
            let one = |entry: &paifang_config::yaml::Entry| {
                (entry.key.text.to_string(), Item::from(node(&entry.value)))
            };
            Node::Map(entries(from).iter().map(one).collect())
        }
        Kind::Seq(items) => Node::List(items.iter().map(|item| node(item).into()).collect()),
        Kind::Scalar(scalar) => {
            let typed =
                scalar.style == Style::Plain && !matches!(Plain::of(&scalar.text), Plain::Text);
            match typed {
                true => Node::plain(&scalar.text),
                false => Node::text(&*scalar.text),
            }
        }
        _ => Node::plain("null"),
    }
}
