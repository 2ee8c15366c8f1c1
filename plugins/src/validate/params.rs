//! Parameters: their texts as values of the types that their schemas want.

use super::{
    documents::{Documents, Spot, Wrong},
    query::Unreadable,
    report::Report,
    shape::{Shape, coerce, properties},
    source::{Place, Sources, unescaped},
};
use crate::strict::{self, Bounds};
use jsonschema::Validator;
use serde_json::{Map, Value};

/// A parameter that a description names.
pub(super) struct Parameter {
    pub(super) place: Place,
    /// Header names in lower case.
    pub(super) name: Box<str>,
    pub(super) required: bool,
    /// A list comes as several values, not as one with commas.
    pub(super) explode: bool,
    /// `?name=` is as good as a value.
    pub(super) allow_empty: bool,
    /// Its text is JSON, not a plain text.
    pub(super) json: bool,
    pub(super) shape: Shape,
    pub(super) schema: Validator,
}

impl Parameter {
    /// Holds the parameter against its schema.
    pub(super) fn check(&self, sources: &mut Sources<'_>, bounds: Bounds, report: &mut Report) {
        let (place, pointer) = (self.place.name(), format!("/{}", escaped(&self.name)));
        let value = match sources.values(self.place, &self.name) {
            Ok(values) if values.is_empty() => {
                if self.required {
                    report.add(place, pointer, "is missing");
                }
                return;
            }
            Ok(values) if self.allow_empty && values == [""] => return,
            Ok(values) if self.json => match &values[..] {
                [text] => strict::read(text.as_bytes(), bounds).map_err(Fault::Said),
                _ => Err(Fault::Is("stands there more than once")),
            },
            Ok(values) => value(self.place, values, self.explode, self.shape),
            Err(Unreadable(wrong)) => Err(Fault::Is(wrong)),
        };
        match value {
            Ok(value) => report.check(place, &pointer, &self.schema, &value),
            Err(fault) => drop(report.add(place, pointer, fault.text())),
        }
    }
}

/// Why texts are no value.
enum Fault {
    Is(&'static str),
    Said(String),
}

impl Fault {
    fn text(self) -> String {
        match self {
            Self::Is(text) => text.to_owned(),
            Self::Said(text) => text,
        }
    }
}

/// Texts as one value: RFC 6570's simple and form styles, as OpenAPI uses them.
fn value(
    place: Place,
    mut texts: Vec<String>,
    explode: bool,
    shape: Shape,
) -> Result<Value, Fault> {
    let plain = |text: &str| match place {
        Place::Path => unescaped(text).map_err(|Unreadable(wrong)| Fault::Is(wrong)),
        _ => Ok(text.to_owned()),
    };
    if shape.is_list() {
        // Several lines of a field are one list (RFC 9110 section 5.3).
        let parts: Vec<&str> = match place {
            Place::Query if explode => texts.iter().map(String::as_str).collect(),
            Place::Header => texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect(),
            _ if texts.len() > 1 => return Err(Fault::Is("stands there more than once")),
            _ => texts.iter().flat_map(|text| text.split(',')).collect(),
        };
        let parts = parts.into_iter().map(|part| Ok(coerce(&plain(part)?, shape.items)));
        return parts.collect::<Result<_, _>>().map(Value::Array);
    }
    // Two servers may each take another one.
    if texts.len() > 1 {
        return Err(Fault::Is("stands there more than once"));
    }
    let text = texts.pop().unwrap_or_default();
    Ok(coerce(plain(&text)?.as_str(), shape.kinds))
}

/// An object whose properties are texts by name: a query, header fields, cookies, a form.
pub(super) struct Fields {
    pub(super) properties: Vec<(Box<str>, Shape)>,
    pub(super) schema: Validator,
}

impl Fields {
    /// The fields that a schema names.
    ///
    /// # Errors
    /// The schema is wrong, or wants of a text what no text can be.
    pub(super) fn new<'a>(
        documents: &Documents<'a>,
        spot: &Spot,
        schema: &'a Value,
    ) -> Result<Self, Wrong> {
        let (validator, _) = documents.schema(spot, schema)?;
        let found = properties(spot, schema, &|at, schema| documents.referred(at, schema));
        let mut named = Vec::new();
        for (name, shape) in found {
            if shape.is_object() {
                let message = format!("`{name}` is an object, which no text can be");
                return Err(spot.wrong(message));
            }
            named.push((name.into(), shape));
        }
        Ok(Self { properties: named, schema: validator })
    }

    /// Holds what stands at `place` against the schema.
    pub(super) fn check(&self, place: Place, sources: &mut Sources<'_>, report: &mut Report) {
        let mut object = Map::new();
        for (name, shape) in &self.properties {
            let found = sources.values(place, name).map_err(|Unreadable(wrong)| Fault::Is(wrong));
            let value = match found {
                Ok(values) if values.is_empty() => continue,
                Ok(values) => value(place, values, true, *shape),
                Err(fault) => Err(fault),
            };
            match value {
                Ok(value) => drop(object.insert(name.to_string(), value)),
                Err(fault) => {
                    report.add(place.name(), format!("/{}", escaped(name)), fault.text());
                    return;
                }
            }
        }
        // What the schema does not name counts too, where all names are the caller's own.
        let others = match place {
            Place::Query => sources.query(),
            Place::Cookie => sources.cookies(),
            Place::Path | Place::Header => Ok(const { &Vec::new() }),
        };
        match others {
            Ok(pairs) => {
                for (name, value) in pairs {
                    if !object.contains_key(&**name) {
                        object.insert(name.to_string(), Value::String(value.to_string()));
                    }
                }
            }
            Err(Unreadable(wrong)) => {
                report.add(place.name(), "", wrong);
                return;
            }
        }
        report.check(place.name(), "", &self.schema, &Value::Object(object));
    }

    /// The object that a form is.
    pub(super) fn of_form(&self, text: &str) -> Result<Value, String> {
        let pairs = super::query::pairs(text).map_err(|Unreadable(wrong)| wrong.to_owned())?;
        let mut object = Map::new();
        for (name, text) in pairs {
            let known = self.properties.iter().find(|(known, _)| **known == *name);
            let shape = known.map_or_else(Shape::default, |(_, shape)| *shape);
            if shape.is_list() {
                let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(coerce(&text, shape.items));
                }
            } else if object.insert(name.into_owned(), coerce(&text, shape.kinds)).is_some() {
                return Err("a field of the form stands there more than once".to_owned());
            }
        }
        Ok(Value::Object(object))
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
