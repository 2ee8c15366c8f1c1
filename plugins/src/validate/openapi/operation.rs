//! One operation: its parameters and its body.

use super::super::{
    body::{Body, Form, Media},
    config::OpenApiConfig,
    documents::{Documents, Spot, Wrong},
    params::{Fields, Parameter},
    source::Place,
};
use http::HeaderName;
use serde_json::Value;

/// Header parameters that a description may name and that mean nothing (OpenAPI 3, "Parameter
/// Object").
const IGNORED: [&str; 3] = ["accept", "content-type", "authorization"];

type List<'a> = (Spot, &'a Value);

/// Reads an operation; `shared` are the parameters of its path.
pub(super) fn read<'a>(
    documents: &Documents<'a>,
    spot: &Spot,
    operation: &'a Value,
    shared: Option<List<'a>>,
    config: &OpenApiConfig,
) -> Result<(Vec<Parameter>, Body), Wrong> {
    let own = operation.get("parameters").map(|list| (spot.below("parameters"), list));
    let mut parameters: Vec<Parameter> = Vec::new();
    // The operation's own go before those of its path that have the same name and place.
    for (at, list) in [own, shared].into_iter().flatten() {
        let items = list.as_array().ok_or_else(|| at.wrong("must be a list"))?;
        for (index, item) in items.iter().enumerate() {
            let (at, item) = documents.follow(at.below(&index.to_string()), item)?;
            let Some(parameter) = parameter(documents, &at, item)? else { continue };
            let same =
                |known: &Parameter| known.place == parameter.place && known.name == parameter.name;
            if !parameters.iter().any(same) {
                parameters.push(parameter);
            }
        }
    }
    let body = match operation.get("requestBody") {
        None => Body::none(),
        Some(body) => {
            let (at, body) = documents.follow(spot.below("requestBody"), body)?;
            self::body(documents, &at, body, &config.unchecked_types)?
        }
    };
    Ok((parameters, body))
}

fn parameter<'a>(
    documents: &Documents<'a>,
    spot: &Spot,
    item: &'a Value,
) -> Result<Option<Parameter>, Wrong> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let flag = |name: &str| item.get(name).and_then(Value::as_bool);
    let name = text("name").ok_or_else(|| spot.wrong("a parameter without a name"))?;
    let (place, usual) = match text("in") {
        Some("query") => (Place::Query, "form"),
        Some("path") => (Place::Path, "simple"),
        Some("header") => (Place::Header, "simple"),
        Some("cookie") => (Place::Cookie, "form"),
        _ => return Err(spot.wrong("`in` must be query, path, header or cookie")),
    };
    let name = match place {
        Place::Header => {
            let header = HeaderName::from_bytes(name.as_bytes());
            let header = header.map_err(|_| spot.wrong(format!("`{name}` is no header's name")))?;
            header.as_str().to_owned()
        }
        _ => name.to_owned(),
    };
    if place == Place::Header && IGNORED.contains(&&*name) {
        return Ok(None);
    }
    let style = text("style").unwrap_or(usual);
    if style != usual {
        let message = format!("the style `{style}` is not known here, only `{usual}`");
        return Err(spot.below("style").wrong(message));
    }
    let (at, schema, json) = match (item.get("schema"), item.get("content")) {
        (Some(schema), _) => (spot.below("schema"), schema, false),
        (None, Some(content)) => {
            let media = "application/json";
            let schema = content.get(media).and_then(|media| media.get("schema"));
            let at = spot.below("content");
            let schema =
                schema.ok_or_else(|| at.wrong("must be `application/json` with a schema"))?;
            (at.below(media).below("schema"), schema, true)
        }
        (None, None) => return Err(spot.wrong("a parameter without a schema")),
    };
    let (validator, shape) = documents.schema(&at, schema)?;
    if shape.is_object() && !json {
        return Err(at
            .wrong("an object is no parameter here")
            .help("describe it by `content: { application/json: { schema: … } }`"));
    }
    let explode = flag("explode").unwrap_or(usual == "form");
    if place == Place::Cookie && explode && shape.is_list() && !json {
        return Err(at
            .wrong("a list is no cookie, unless it is one text")
            .help("set `explode: false` for a text with commas"));
    }
    Ok(Some(Parameter {
        place,
        name: name.into(),
        required: flag("required").unwrap_or(false) || place == Place::Path,
        explode,
        allow_empty: flag("allowEmptyValue").unwrap_or(false),
        json,
        shape,
        schema: validator,
    }))
}

fn body<'a>(
    documents: &Documents<'a>,
    spot: &Spot,
    body: &'a Value,
    unchecked: &[String],
) -> Result<Body, Wrong> {
    let at = spot.below("content");
    let content = body.get("content").and_then(Value::as_object);
    let content = content.filter(|content| !content.is_empty());
    let content = content.ok_or_else(|| at.wrong("a body without a media type"))?;
    let mut forms: Vec<(Media, Form)> = Vec::new();
    for (name, item) in content {
        let at = at.below(name);
        let media =
            Media::parse(name).ok_or_else(|| at.wrong(format!("`{name}` is no media type")))?;
        if forms.iter().any(|(known, _)| *known == media) {
            let message = format!("`{name}` has been described already");
            return Err(at.wrong(message).help("parameters of media types are not told apart"));
        }
        let form = match item.get("schema") {
            _ if unchecked.contains(name) => Form::Any,
            None => Form::Any,
            Some(schema) if media.is_json() => {
                Form::Json(documents.schema(&at.below("schema"), schema)?.0)
            }
            Some(schema) if media.is_form() => {
                if item.get("encoding").is_some() {
                    return Err(unknown(
                        &at.below("encoding"),
                        "`encoding` is not known here",
                        name,
                    ));
                }
                Form::Fields(Fields::new(documents, &at.below("schema"), schema)?)
            }
            Some(schema) if says_nothing(schema) => Form::Any,
            Some(_) => {
                let message = format!("bodies of `{name}` cannot be held against a schema");
                return Err(unknown(&at.below("schema"), &message, name));
            }
        };
        forms.push((media, form));
    }
    forms.sort_by_key(|(media, _)| media.rank());
    let required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
    Ok(Body { required, forms })
}

fn unknown(at: &Spot, message: &str, media: &str) -> Wrong {
    at.wrong(message)
        .help(format!("to let them pass unchecked, name `{media}` under `unchecked_types`"))
}

/// Whether a schema is true of all bytes: OpenAPI describes files so.
fn says_nothing(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(map) => map.iter().all(|(name, value)| match &**name {
            "type" => value == "string",
            "format" => value == "binary",
            "title" | "description" | "example" | "examples" => true,
            name => name.starts_with("x-"),
        }),
        _ => false,
    }
}
