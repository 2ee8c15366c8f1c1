//! The JSON Schema that a handler carries for its config.

use jsonschema::Validator;
use paifang_pipeline::ConfigError;
use serde_json::Value;

/// A schema, ready to check.
pub(crate) struct Schema {
    value: Value,
    validator: Validator,
}

impl Schema {
    /// Reads it from a module's section.
    pub(crate) fn read(text: &[u8]) -> Result<Self, ConfigError> {
        let wrong = |why: String| {
            ConfigError::at("/file", format!("the schema that it carries is wrong: {why}"))
        };
        let value: Value =
            serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        let validator =
            jsonschema::validator_for(&value).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { value, validator })
    }

    /// Checks a step's config.
    pub(crate) fn check(&self, config: &Value) -> Result<(), ConfigError> {
        let mut errors = self.validator.iter_errors(config);
        let Some(first) = errors.next() else { return Ok(()) };
        let pointer = first.instance_path().to_string();
        let more = errors.count();
        let message = match more {
            0 => first.to_string(),
            more => format!("{first} (and {more} more)"),
        };
        Err(ConfigError::at(pointer, message))
    }

    /// The schema.
    pub(crate) fn value(&self) -> &Value {
        &self.value
    }

    /// For the schema of the whole config.
    pub(crate) fn as_schemars(&self) -> schemars::Schema {
        let mut value = self.value.clone();
        if let Some(object) = value.as_object_mut() {
            object.remove("$schema");
        }
        value.try_into().unwrap_or_default()
    }
}
