//! docs/config.md lists every key of the config, with the types, defaults and limits that the types
//! in the code have.
//!
//! A table `<!-- table: TYPE -->` holds the keys of that definition of the JSON Schema; `Config` is
//! the whole file.

use std::collections::{BTreeMap, BTreeSet};

use paifang_tests::{
    plugins::standard_schema,
    table::{Table, hold},
};
use serde_json::{Map, Value};

const PAGE: &str = "docs/config.md";

#[test]
fn the_page_lists_the_keys_of_the_schema() {
    let schema = Schema(standard_schema());
    let mut shown = BTreeSet::new();
    hold(PAGE, |name, _| {
        shown.insert(name.to_owned());
        let mut table = Table::new(&["key", "type", "default", "meaning"]);
        table.rows = schema.rows(name);
        table
    });
    let missing: Vec<String> = schema.reachable().difference(&shown).cloned().collect();
    assert!(missing.is_empty(), "{PAGE} has no table for {missing:?}");
}

#[test]
fn what_comments_say_of_defaults_is_so() {
    let schema = Schema(standard_schema());
    let mut faults = Vec::new();
    for name in schema.reachable() {
        for (key, property) in schema.properties(&name) {
            let (_, told) = divided(text(property, "description"));
            let real = property.get("default").and_then(scalar);
            if let (Some(told), Some(real)) = (told, real)
                && !same(&told, &real)
            {
                faults.push(format!("{name}.{key}: the comment says {told}, the code {real}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// A JSON Schema with definitions.
struct Schema(Value);

impl Schema {
    fn definition(&self, name: &str) -> &Value {
        if name == "Config" {
            return &self.0;
        }
        self.0["$defs"].get(name).unwrap_or_else(|| panic!("{PAGE}: there is no type `{name}`"))
    }

    fn properties(&self, name: &str) -> &Map<String, Value> {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.definition(name)["properties"].as_object().unwrap_or(&NONE)
    }

    /// The types with keys of their own that a config is made of; the kinds of steps have pages of
    /// their own.
    fn reachable(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::from(["Config".to_owned(), "Step".to_owned()]);
        let mut open = vec!["Config".to_owned(), "WhenConfig".to_owned()];
        while let Some(name) = open.pop() {
            for named in self.properties(&name).values().flat_map(references) {
                if !self.properties(&named).is_empty() && found.insert(named.clone()) {
                    open.push(named);
                }
            }
        }
        found
    }

    /// The keys of a step beside its kind: those of the first kind, and those of a chain's use.
    fn step(&self) -> Map<String, Value> {
        let forms = self.definition("Step")["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
        let (Some(first), Some(chain)) = (forms.first(), forms.last()) else { return Map::new() };
        let kinds = list(&first["required"]);
        let keys = |form: &Value| form["properties"].as_object().cloned().unwrap_or_default();
        let beside = keys(first).into_iter().filter(|(key, _)| !kinds.contains(&key.as_str()));
        beside.chain(keys(chain)).collect()
    }

    fn rows(&self, name: &str) -> Vec<Vec<String>> {
        let required: Vec<&str> = list(&self.definition(name)["required"]);
        let step = (name == "Step").then(|| self.step());
        let mut rows = Vec::new();
        for (key, property) in step.as_ref().unwrap_or_else(|| self.properties(name)) {
            let (meaning, told) = divided(text(property, "description"));
            let real = property.get("default").and_then(scalar);
            let default = match (told, real) {
                (Some(told), _) => shown(&told),
                (None, Some(real)) => format!("`{real}`"),
                (None, None) if required.contains(&key.as_str()) => "required".to_owned(),
                (None, None) => String::new(),
            };
            rows.push(vec![format!("`{key}`"), self.kind(property), default, meaning]);
        }
        rows
    }

    /// The type of a property in words.
    fn kind(&self, property: &Value) -> String {
        if let Some(name) = property.get("$ref").and_then(Value::as_str).and_then(referenced) {
            return self.named(&name);
        }
        if let Some(forms) = property["anyOf"].as_array().or(property["oneOf"].as_array()) {
            let forms: Vec<String> = forms
                .iter()
                .filter(|form| form["type"] != "null")
                .map(|form| self.kind(form))
                .collect();
            return unique(forms).join(" or ");
        }
        let types: Vec<&str> = match &property["type"] {
            Value::String(one) => vec![one.as_str()],
            many => list(many),
        };
        let words = types.into_iter().filter(|name| *name != "null").map(|name| match name {
            "string" => "text".to_owned(),
            "integer" => "number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "array" => format!("list of {}", self.kind(&property["items"])),
            "object" => {
                let values = property["patternProperties"].as_object();
                let value = values.and_then(|all| all.values().next());
                let value = value.or_else(|| property.get("additionalProperties"));
                match value.filter(|value| value.is_object()) {
                    Some(value) => format!("map of {}", self.kind(value)),
                    None => "map".to_owned(),
                }
            }
            other => other.to_owned(),
        });
        words.collect::<Vec<_>>().join(" or ")
    }

    fn named(&self, name: &str) -> String {
        let known = BTreeMap::from([
            ("HumanDuration", "duration"),
            ("ByteSize", "size"),
            ("Rate", "rate"),
            ("Percent", "share"),
            ("Name", "name"),
            ("ListenAddress", "address"),
            ("CollectorUrl", "URL"),
            ("WebOrigin", "origin"),
            ("HostPort", "host and port"),
            ("Cidr", "network"),
            ("SecretRef", "secret"),
            ("Step", "steps"),
            ("HeaderMatch", "text or condition"),
            ("ValueMatch", "text or condition"),
        ]);
        if let Some(word) = known.get(name) {
            return (*word).to_owned();
        }
        if name == "Config" || !self.properties(name).is_empty() {
            return format!("[{name}](#{})", name.to_lowercase());
        }
        let definition = self.definition(name);
        let one_of = definition["oneOf"].as_array().into_iter().flatten();
        let consts = one_of.filter_map(|form| form["const"].as_str()).map(str::to_owned);
        let enumerated = list(&definition["enum"]).into_iter().map(str::to_owned);
        let values: Vec<String> =
            consts.chain(enumerated).map(|value| format!("`{value}`")).collect();
        assert!(!values.is_empty(), "{name}: no word for this type");
        values.join(", ")
    }
}

/// A description without its sentence on the default, and that.
fn divided(description: &str) -> (String, Option<String>) {
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some(at) = description
        .find("Default")
        .filter(|at| *at == 0 || description[..*at].trim_end().ends_with(['.', ':', ';']))
    else {
        return (description, None);
    };
    let rest = description[at + "Default".len()..].trim_start_matches(':').trim_start();
    // A sentence ends at a full stop before a blank or the end.
    let end = rest.find(". ").unwrap_or(rest.trim_end_matches('.').len());
    let (told, after) = rest.split_at(end);
    let after = after.trim_start_matches('.').trim();
    let before = description[..at].trim_end();
    let meaning = if after.is_empty() { before.to_owned() } else { format!("{before} {after}") };
    (meaning, Some(told.to_owned()))
}

/// A value in backticks, words as they are.
fn shown(told: &str) -> String {
    let value = told.starts_with(|c: char| c.is_ascii_digit()) || matches!(told, "true" | "false");
    if value && !told.contains(' ') { format!("`{told}`") } else { told.to_owned() }
}

/// Whether a default that is told in words is the one of the code.
fn same(told: &str, real: &str) -> bool {
    let plain = told.split(';').next().unwrap_or(told).replace('`', "");
    plain == real || duration(&plain).is_some_and(|told| Some(told) == duration(real))
}

fn duration(text: &str) -> Option<paifang_pipeline::units::HumanDuration> {
    text.parse().ok()
}

/// A default that can be shown in a word.
fn scalar(default: &Value) -> Option<String> {
    match default {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(default.to_string()),
        _ => None,
    }
}

fn references(property: &Value) -> Vec<String> {
    match property {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "default" && *key != "description")
            .flat_map(|(key, value)| match value.as_str() {
                Some(path) if key == "$ref" => referenced(path).into_iter().collect(),
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn referenced(path: &str) -> Option<String> {
    path.strip_prefix("#/$defs/").map(str::to_owned)
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

fn list(of: &Value) -> Vec<&str> {
    of.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn unique(words: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    words.into_iter().filter(|word| seen.insert(word.clone())).collect()
}

#[test]
fn sentences_on_defaults_are_found() {
    let told = |text: &str| divided(text);
    assert_eq!(told("A b. Default 5s."), ("A b.".to_owned(), Some("5s".to_owned())));
    assert_eq!(told("A. Default: never."), ("A.".to_owned(), Some("never".to_owned())));
    assert_eq!(told("A.\nDefault `1.2`."), ("A.".to_owned(), Some("`1.2`".to_owned())));
    assert_eq!(told("A. Default true; b."), ("A.".to_owned(), Some("true; b".to_owned())));
    assert_eq!(told("A. Default 1. More."), ("A. More.".to_owned(), Some("1".to_owned())));
    assert_eq!(told("That of Defaults."), ("That of Defaults.".to_owned(), None));
}
