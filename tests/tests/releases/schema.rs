//! The JSON Schema is one, and takes the configs that are shipped.

use jsonschema::Validator;
use paifang_config::source::{Origin, ParseCache, RealFiles, load_tree};
use paifang_config::yaml::{Budget, to_value};
use paifang_tests::{
    plugins::{standard_schema, variables_of},
    tidy::{root, sources},
};
use serde_json::{Value, json};

fn validator() -> Validator {
    let schema = standard_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    if let Err(wrong) = jsonschema::meta::validate(&schema) {
        panic!("it is no schema: {wrong} at {}", wrong.instance_path());
    }
    jsonschema::draft202012::new(&schema).unwrap()
}

/// A shipped config as JSON.
fn shipped(path: &str, text: &str) -> Value {
    let variables = variables_of(text);
    let env = |name: &str| variables.get(name).cloned();
    let origin = Origin { root: root().join(path), overlays: Vec::new() };
    let (mut cache, budget) = (ParseCache::new(), Budget::default());
    match load_tree(&origin, &env, &RealFiles, &mut cache, &budget) {
        Ok(tree) => to_value(&tree.root),
        Err(wrong) => panic!("{}", wrong.render()),
    }
}

#[test]
fn it_takes_every_config_that_is_shipped() {
    let validator = validator();
    let files = sources(&[".yaml"]);
    let configs = files
        .iter()
        .filter(|file| file.path.starts_with("conf/") && file.text.contains("\nversion:"));
    let mut count = 0;
    for config in configs {
        count += 1;
        let value = shipped(&config.path, &config.text);
        let wrong: Vec<String> = validator
            .iter_errors(&value)
            .map(|wrong| format!("{} at {}", wrong, wrong.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", config.path);
    }
    assert!(count >= 5, "the configs are gone");
}

#[test]
fn it_refuses_what_the_gateway_refuses() {
    let validator = validator();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut config = json!({
            "version": 1,
            "listeners": [ { "name": "public", "address": "127.0.0.1:0" } ],
            "apis": [ { "id": "a", "match": { "path": "/" }, "handlers": [ { "respond": { "status": 200 } } ] } ],
        });
        change(&mut config);
        validator.is_valid(&config)
    };
    assert!(with(&|_| {}));
    assert!(!with(&|config| config["aips"] = json!([])), "an unknown key");
    assert!(!with(&|config| config["apis"][0]["handlers"][0] = json!({ "repsond": {} })), "a kind");
    assert!(!with(&|config| config["apis"][0]["handlers"][0]["respond"] = json!({ "sattus": 1 })));
    assert!(!with(&|config| drop(config.as_object_mut().unwrap().remove("listeners"))));
}
