//! Every plugin has a page, `docs/plugins/<kind>.md`, and its table of options is the config's own.
//!
//! The table stands under `## Options`. A row's first cell is the option's name in backticks; a part
//! of an option is written `outer.inner`, with `[]` after a list. Every option of the JSON Schema
//! has a row, every row names an option, and a row says the default that the schema has.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use paifang_pipeline::{DynPlugin, Registry};
use schemars::SchemaGenerator;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::Path};

/// The rows of the options table, by name.
fn rows(page: &str) -> BTreeMap<String, String> {
    let section = page.split("\n## Options\n").nth(1).expect("a section `## Options`");
    let section = section.split("\n## ").next().unwrap();
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let name = line.split('`').nth(1).unwrap().to_owned();
        assert!(rows.insert(name.clone(), line.to_owned()).is_none(), "`{name}` has two rows");
    }
    rows
}

/// A plugin's schema, with what its references refer to.
struct Schema {
    root: Value,
    definitions: Map<String, Value>,
}

impl Schema {
    fn of(plugin: &dyn DynPlugin) -> Self {
        let mut generator = SchemaGenerator::default();
        let root = plugin.schema(&mut generator).to_value();
        Self { root, definitions: generator.take_definitions(true) }
    }

    /// All properties of an object's schema, wherever its alternatives keep them.
    fn properties(&self, schema: &Value) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            found.extend(self.properties(&self.definitions[name]));
        }
        if let Some(own) = schema["properties"].as_object() {
            found.extend(own.clone());
        }
        for kind in ["allOf", "anyOf", "oneOf"] {
            for part in schema[kind].as_array().into_iter().flatten() {
                found.extend(self.properties(part));
            }
        }
        found
    }

    /// The schemas of a list's items, wherever its alternatives keep them.
    fn items(&self, schema: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            found.extend(self.items(&self.definitions[name]));
        }
        found.extend(schema.get("items").cloned());
        for kind in ["allOf", "anyOf", "oneOf"] {
            for part in schema[kind].as_array().into_iter().flatten() {
                found.extend(self.items(part));
            }
        }
        found
    }

    /// Whether `a.b[].c` names something.
    fn has(&self, schema: &Value, path: &str) -> bool {
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let (name, list) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
        let Some(property) = self.properties(schema).remove(name) else { return false };
        let inner = if list { self.items(&property) } else { vec![property] };
        match rest {
            None => !inner.is_empty(),
            Some(rest) => inner.iter().any(|schema| self.has(schema, rest)),
        }
    }
}

#[test]
fn every_page_tells_of_every_option_and_of_no_other() {
    let mut registry = Registry::default();
    paifang_plugins::register(&mut registry).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins");
    let mut problems = Vec::new();
    for (kind, plugin) in registry.iter() {
        let path = folder.join(format!("{kind}.md"));
        let Ok(page) = std::fs::read_to_string(&path) else {
            problems.push(format!("{kind}: there is no {}", path.display()));
            continue;
        };
        let (rows, schema) = (rows(&page), Schema::of(&**plugin));
        let properties = schema.properties(&schema.root);
        for (name, property) in &properties {
            let Some(row) = rows.get(name).or_else(|| rows.get(&format!("{name}[]"))) else {
                problems.push(format!("{kind}: `{name}` has no row"));
                continue;
            };
            let default = match &property["default"] {
                Value::Bool(_) | Value::Number(_) => property["default"].to_string(),
                Value::String(text) => text.clone(),
                _ => continue,
            };
            if !row.contains(&format!("`{default}`")) {
                problems.push(format!("{kind}: the row of `{name}` lacks its default `{default}`"));
            }
        }
        for name in rows.keys().filter(|name| !schema.has(&schema.root, name)) {
            problems.push(format!("{kind}: `{name}` is no option"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn pages_without_a_plugin_are_noticed() {
    let mut registry = Registry::default();
    paifang_plugins::register(&mut registry).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let kind = name.strip_suffix(".md").expect("only pages stand there");
        assert!(kind == "README" || registry.get(kind).is_some(), "{name} is of no plugin");
    }
}
