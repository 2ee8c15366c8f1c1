//! Schemas that stand in the step's config.

use super::{
    body::{Body, Form, Media},
    config::Config,
    documents::{Documents, Spot, Wrong},
    params::Fields,
    report::Report,
    source::{Place, Sources},
};
use paifang_pipeline::ConfigError;
use serde_json::Value;

/// The most media types of a body.
const MAX_TYPES: usize = 64;

/// What requests are held against.
pub(super) struct Rules {
    fields: Vec<(Place, Fields)>,
    pub(super) body: Option<Body>,
}

/// The options with schemas.
fn options(config: &Config) -> [(&'static str, &Option<Value>); 5] {
    [
        ("query", &config.query),
        ("headers", &config.headers),
        ("path", &config.path),
        ("cookies", &config.cookies),
        ("body", &config.body),
    ]
}

/// An OpenAPI description says everything itself.
///
/// # Errors
/// A schema stands beside it.
pub(super) fn none_beside_openapi(config: &Config) -> Result<(), ConfigError> {
    match options(config).into_iter().find(|(_, schema)| schema.is_some()) {
        None => Ok(()),
        Some((name, _)) => {
            let message = format!("`{name}` beside `openapi`");
            Err(ConfigError::at(format!("/{name}"), message)
                .help("use two steps, each with an id of its own"))
        }
    }
}

impl Rules {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        if options(config).iter().all(|(_, schema)| schema.is_none()) {
            return Err(ConfigError::at("", "there is nothing to hold requests against")
                .help("give `body`, `query`, `headers`, `path` or `cookies` a JSON Schema, or give an `openapi` description"));
        }
        let mut fields = Vec::new();
        for (name, schema, place) in [
            ("query", &config.query, Place::Query),
            ("headers", &config.headers, Place::Header),
            ("path", &config.path, Place::Path),
            ("cookies", &config.cookies, Place::Cookie),
        ] {
            if let Some(schema) = schema {
                let option = format!("/{name}");
                let documents = Documents::new(schema, &config.documents, &option, None)?;
                let fields_of = named(&documents, place, schema, config.max_depth);
                fields.push((place, fields_of.map_err(|wrong| documents.error(wrong))?));
            }
        }
        let body = match &config.body {
            None => None,
            Some(schema) => {
                let documents = Documents::new(schema, &config.documents, "/body", None)?;
                let compile = || {
                    let (validator, _) = documents.schema(&Spot::root(), schema)?;
                    documents.bounded(config.max_depth).map(|()| validator)
                };
                let validator = compile().map_err(|wrong| documents.error(wrong))?;
                Some(Body { required: true, forms: forms(config, validator)? })
            }
        };
        Ok(Self { fields, body })
    }

    /// Looks at everything but the body.
    pub(super) fn check(&self, sources: &mut Sources<'_>, report: &mut Report) {
        for (place, fields) in &self.fields {
            fields.check(*place, sources, report);
        }
    }
}

fn forms(
    config: &Config,
    validator: jsonschema::Validator,
) -> Result<Vec<(Media, Form)>, ConfigError> {
    let types = &config.content_types;
    if types.is_empty() || types.len() > MAX_TYPES {
        let message = format!("a list of 1 to {MAX_TYPES} media types, not of {}", types.len());
        return Err(ConfigError::at("/content_types", message));
    }
    let media = |(index, text): (usize, &String)| {
        let form = Form::Json(validator.clone());
        Media::parse(text).map(|media| (media, form)).ok_or_else(|| {
            let at = format!("/content_types/{index}");
            ConfigError::at(at, format!("`{text}` is no media type and no pattern of them"))
                .help("write `application/json`, `application/*` or `*+json`")
        })
    };
    types.iter().enumerate().map(media).collect()
}

fn named<'a>(
    documents: &Documents<'a>,
    place: Place,
    schema: &'a Value,
    depth: u32,
) -> Result<Fields, Wrong> {
    let top = Spot::root();
    let own = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, _) in own {
        if place == Place::Header && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let spot = top.below("properties").below(name);
            return Err(spot
                .wrong(format!("`{name}` is not in lower case"))
                .help("header names come in lower case, whatever the client wrote"));
        }
    }
    let fields = Fields::new(documents, &top, schema)?;
    documents.bounded(depth)?;
    Ok(fields)
}
