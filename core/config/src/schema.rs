//! The JSON Schema (2020-12) of a config file, from the types, the plugins' step configs included.
//! For editors, and for tools that write configs.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{model::Config, snapshot::Snapshot};
use paifang_pipeline::{OnFailure, Registry, WhenConfig};

/// The schema of a whole config with the steps that these plugins make.
#[must_use]
pub fn with_plugins(registry: &Registry) -> Value {
    with_makers(registry.iter().map(|(kind, plugin)| {
        let make = |generator: &mut SchemaGenerator| plugin.schema(generator);
        (kind, Box::new(make) as Box<Maker<'_>>)
    }))
}

/// The like, with the steps that the modules of a config make too.
#[must_use]
pub fn with_modules(registry: &Registry, snapshot: &Snapshot) -> Value {
    let plugins = registry.iter().map(|(kind, plugin)| {
        let make = |generator: &mut SchemaGenerator| plugin.schema(generator);
        (kind, Box::new(make) as Box<Maker<'_>>)
    });
    let modules = snapshot.modules().map(|(name, module)| {
        let make =
            move |generator: &mut SchemaGenerator| resource(name, module.plugin.schema(generator));
        (name, Box::new(make) as Box<Maker<'_>>)
    });
    with_makers(plugins.chain(modules))
}

/// A schema of somebody else as a resource of its own (JSON Schema 2020-12, section 8.2.1): its `#`
/// means itself, wherever it stands.
fn resource(name: &str, mut schema: Schema) -> Schema {
    if let Some(keys) = schema.as_object_mut() {
        keys.entry("$id").or_insert_with(|| format!("urn:paifang:handler:{name}").into());
    }
    schema
}

fn with_makers<'a>(makers: impl Iterator<Item = (&'a str, Box<Maker<'a>>)>) -> Value {
    let makers: Vec<(&str, Box<Maker<'_>>)> = makers.collect();
    let steps: Vec<StepSchema<'_>> =
        makers.iter().map(|(kind, config)| StepSchema { kind, config: &**config }).collect();
    schema(&steps)
}

type Maker<'a> = dyn Fn(&mut SchemaGenerator) -> Schema + 'a;

/// One kind of step, for the schema.
pub struct StepSchema<'a> {
    /// The kind, a key of a step.
    pub kind: &'a str,
    /// Makes the schema of its config.
    pub config: &'a dyn Fn(&mut SchemaGenerator) -> Schema,
}

/// The schema of a whole config with these kinds of steps.
///
/// It describes a file that stands by itself; files that are included hold some of the keys only,
/// and `${…}` may stand for values of any type, which a schema cannot say.
#[must_use]
pub fn schema(steps: &[StepSchema<'_>]) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let kinds: Vec<(&str, Schema)> =
        steps.iter().map(|step| (step.kind, (step.config)(&mut generator))).collect();
    let when = generator.subschema_for::<WhenConfig>();
    let on_failure = generator.subschema_for::<OnFailure>();
    let root = generator.into_root_schema_for::<Config>();
    let mut root = root.to_value();
    let step = step(&kinds, &when, &on_failure);
    if let Some(root) = root.as_object_mut() {
        let defs = root.entry("$defs").or_insert_with(|| Value::Object(Map::new()));
        if let Some(defs) = defs.as_object_mut() {
            defs.insert("Step".into(), step);
        }
    }
    root
}

/// A step is one of its kinds, or the use of a chain.
fn step(kinds: &[(&str, Schema)], when: &Schema, on_failure: &Schema) -> Value {
    let id = json!({ "$ref": "#/$defs/Name" });
    let enabled = json!({
        "type": "boolean", "default": true, "description": "False leaves the step out."
    });
    let mut forms: Vec<Value> = kinds
        .iter()
        .map(|(kind, config)| {
            let mut properties = Map::new();
            // `request_id:` with nothing behind it is an empty config.
            properties.insert((*kind).into(), json!({ "anyOf": [config, { "type": "null" }] }));
            properties.insert("id".into(), id.clone());
            properties.insert("when".into(), when.clone().to_value());
            properties.insert("enabled".into(), enabled.clone());
            properties.insert("on_failure".into(), on_failure.clone().to_value());
            json!({
                "type": "object",
                "required": [kind],
                "properties": properties,
                "additionalProperties": false
            })
        })
        .collect();
    forms.push(json!({
        "type": "object",
        "required": ["chain"],
        "properties": {
            "chain": { "$ref": "#/$defs/Name", "description": "All steps of this chain." },
            "with": {
                "type": "object",
                "description": "Changes of the steps' config, by step id.",
                "additionalProperties": { "type": ["object", "null"] }
            },
            "id": id,
            "enabled": enabled
        },
        "additionalProperties": false
    }));
    json!({
        "description": "One key, the kind of the step with its config, beside id, when, enabled, on_failure.",
        "oneOf": forms
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::model::KEYS;

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema = schema(&[]);
        let properties = schema["properties"].as_object().expect("an object");
        for key in properties.keys() {
            assert!(KEYS.contains(&key.as_str()), "{key} is in the schema but is not read");
        }
        for key in KEYS {
            assert!(properties.contains_key(key), "{key} is read but not in the schema");
        }
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn plugins_bring_their_own() {
        let shop = crate::testing::Workshop::new("");
        let schema = with_plugins(&shop.registry);
        let forms = schema["$defs"]["Step"]["oneOf"].as_array().expect("a list");
        let kinds: Vec<&str> =
            forms.iter().filter_map(|form| form["required"][0].as_str()).collect();
        assert_eq!(kinds, ["answer", "auth", "gate", "limit", "probe", "route", "chain"]);
        assert!(schema["$defs"]["LimitConfig"]["properties"]["rate"].is_object());
    }

    #[test]
    fn a_modules_schema_is_a_resource_of_its_own() {
        let schema = schemars::json_schema!({
            "$ref": "#/$defs/rate", "$defs": { "rate": { "type": "string" } }
        });
        let schema = resource("quota", schema).to_value();
        assert_eq!(schema["$id"], "urn:paifang:handler:quota");
        let named = schemars::json_schema!({ "$id": "https://example.com/s" });
        assert_eq!(resource("quota", named).to_value()["$id"], "https://example.com/s");
        assert_eq!(resource("quota", Schema::from(true)).to_value(), true);
    }

    #[test]
    fn kinds_of_steps_are_part_of_it() {
        let config = |_: &mut SchemaGenerator| schemars::json_schema!({ "type": "object" });
        let schema = schema(&[StepSchema { kind: "probe", config: &config }]);
        let forms = schema["$defs"]["Step"]["oneOf"].as_array().expect("a list");
        assert_eq!(forms.len(), 2);
        assert_eq!(forms[0]["required"][0], "probe");
        assert_eq!(forms[0]["properties"]["probe"]["anyOf"][0]["type"], "object");
        // Every reference leads somewhere.
        let text = schema.to_string();
        for part in text.split("\"#/$defs/").skip(1) {
            let name = part.split('"').next().expect("a name");
            assert!(schema["$defs"].get(name).is_some(), "{name} is not defined");
        }
    }
}
