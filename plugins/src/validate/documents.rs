//! Places in documents, and the way from a `$ref` to what it names.

use super::{
    params::escaped,
    schemas::{ROOT, Schemas},
    shape::{Shape, shape},
    work::Works,
};
use jsonschema::{Draft, Validator};
use paifang_pipeline::ConfigError;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::{cell::RefCell, collections::BTreeMap};

/// So many references may lead to one another.
const MAX_HOPS: usize = 16;

/// All documents of a step: the one that it begins with, and those that a `$ref` may lead to.
pub(super) struct Documents<'a> {
    pub(super) root: &'a Value,
    others: &'a BTreeMap<String, Value>,
    /// Where the first one stands in the step's config.
    option: &'a str,
    draft: Option<Draft>,
    schemas: Schemas<'a>,
    works: RefCell<Works<'a>>,
}

/// A place in a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    document: String,
    pointer: String,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Wrong {
    spot: Spot,
    message: String,
    help: Option<String>,
}

/// How the names of the dialects end.
const DIALECTS: [(&str, Draft); 5] = [
    ("//json-schema.org/draft-04/schema", Draft::Draft4),
    ("//json-schema.org/draft-06/schema", Draft::Draft6),
    ("//json-schema.org/draft-07/schema", Draft::Draft7),
    ("//json-schema.org/draft/2019-09/schema", Draft::Draft201909),
    ("//json-schema.org/draft/2020-12/schema", Draft::Draft202012),
];
/// Stands for an option of the step in a [`Spot`].
const OPTION: &str = "-option-";

impl Spot {
    pub(super) fn root() -> Self {
        Self { document: ROOT.to_owned(), pointer: String::new() }
    }

    /// No place in a document, but an option of the step's config.
    pub(super) fn option(pointer: &str) -> Self {
        Self { document: OPTION.to_owned(), pointer: pointer.to_owned() }
    }

    pub(super) fn below(&self, name: &str) -> Self {
        let pointer = format!("{}/{}", self.pointer, escaped(name));
        Self { document: self.document.clone(), pointer }
    }

    /// Whether it is a document as a whole.
    pub(super) fn is_whole(&self) -> bool {
        self.pointer.is_empty()
    }

    pub(super) fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { spot: self.clone(), message: message.into(), help: None }
    }
}

impl Wrong {
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// As an error of the step's config, whose first document stands at `option`.
    pub(super) fn at(self, option: &str) -> ConfigError {
        let Spot { document, pointer } = self.spot;
        let pointer = match &*document {
            OPTION => pointer,
            ROOT => format!("{option}{pointer}"),
            name => format!("/documents/{}{pointer}", escaped(name)),
        };
        let error = ConfigError::at(pointer, self.message);
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

impl<'a> Documents<'a> {
    /// `option` is the first document's pointer in the step's config; `draft` what schemas follow
    /// that do not say it themselves.
    ///
    /// # Errors
    /// A document is none, or leads to one that is not there.
    pub(super) fn new(
        root: &'a Value,
        others: &'a BTreeMap<String, Value>,
        option: &'a str,
        draft: Option<Draft>,
    ) -> Result<Self, ConfigError> {
        let schemas = Schemas::new(root, others, draft)
            .map_err(|message| ConfigError::at(option, message))?;
        Ok(Self { root, others, option, draft, schemas, works: RefCell::default() })
    }

    /// What stands there, or what its `$ref` leads to.
    pub(super) fn follow(
        &self,
        mut spot: Spot,
        mut value: &'a Value,
    ) -> Result<(Spot, &'a Value), Wrong> {
        for _ in 0..MAX_HOPS {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
                return Ok((spot, value));
            };
            (spot, value) = self.target(&spot, reference)?;
        }
        Err(spot.wrong("references lead in a circle"))
    }

    /// What a reference that stands at `from` names.
    pub(super) fn target(&self, from: &Spot, reference: &str) -> Result<(Spot, &'a Value), Wrong> {
        let missing = || from.wrong(format!("`{reference}` leads nowhere"));
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let name = beside(&from.document, name);
        let document = match &*name {
            ROOT => self.root,
            name => self.others.get(name).ok_or_else(|| {
                from.wrong(format!("`{name}` is not under `documents`"))
                    .help("nothing is fetched: give each document that a `$ref` names there")
            })?,
        };
        let pointer = percent_decode_str(fragment).decode_utf8().map_err(|_| missing())?;
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            return Err(from
                .wrong(format!("`{reference}` is no reference by JSON pointer"))
                .help("write it as `#/components/schemas/Order`"));
        }
        let value = document.pointer(&pointer).ok_or_else(missing)?;
        Ok((Spot { document: name, pointer: pointer.into_owned() }, value))
    }

    /// The schema at this place, compiled, and what types it allows.
    pub(super) fn schema(
        &self,
        spot: &Spot,
        schema: &'a Value,
    ) -> Result<(Validator, Shape), Wrong> {
        self.works.borrow_mut().add(self, spot, schema)?;
        let compiled = self.schemas.compile(&spot.document, &spot.pointer);
        let validator = compiled.map_err(|(_, message)| spot.wrong(message))?;
        Ok((validator, shape(spot, schema, &|at, schema| self.referred(at, schema))))
    }

    /// Whether a schema is one, by the schema of schemas.
    ///
    /// # Errors
    /// What is wrong in it.
    pub(super) fn lawful(&self, spot: &Spot, schema: &Value) -> Result<(), Wrong> {
        let whole = self.others.get(&spot.document).unwrap_or(self.root);
        let dialect = whole.get("$schema").and_then(Value::as_str);
        let dialect = dialect.map(|name| {
            let named = |(end, draft)| name.trim_end_matches('#').ends_with(end).then_some(draft);
            DIALECTS.into_iter().find_map(named).ok_or(name)
        });
        let draft = match dialect {
            None => self.draft.unwrap_or(Draft::Draft202012),
            Some(Ok(draft)) => draft,
            Some(Err(name)) => {
                let at = Spot { document: spot.document.clone(), pointer: "/$schema".to_owned() };
                return Err(at.wrong(format!("the dialect `{name}` is not known here")));
            }
        };
        let lawful = match draft {
            Draft::Draft4 => jsonschema::draft4::meta::validate(schema),
            Draft::Draft6 => jsonschema::draft6::meta::validate(schema),
            Draft::Draft7 => jsonschema::draft7::meta::validate(schema),
            Draft::Draft201909 => jsonschema::draft201909::meta::validate(schema),
            _ => jsonschema::draft202012::meta::validate(schema),
        };
        lawful.map_err(|error| {
            let pointer = format!("{}{}", spot.pointer, error.instance_path());
            let at = Spot { document: spot.document.clone(), pointer };
            at.wrong(format!("this is no JSON Schema: {error}"))
        })
    }

    /// What the `$ref` of a schema leads to, if it has one.
    pub(super) fn referred(&self, at: &Spot, schema: &'a Value) -> Option<(Spot, &'a Value)> {
        self.target(at, schema.get("$ref")?.as_str()?).ok()
    }

    /// To be asked when all schemas are compiled, with the depth that values may have.
    ///
    /// # Errors
    /// A schema could cost too much.
    pub(super) fn bounded(&self, depth: u32) -> Result<(), Wrong> {
        self.works.borrow().bounded(depth)
    }

    /// An error of the step's config.
    pub(super) fn error(&self, wrong: Wrong) -> ConfigError {
        wrong.at(self.option)
    }
}

/// The name of a document that another one names (RFC 3986 section 5.2, of relative paths).
fn beside(from: &str, name: &str) -> String {
    if name.is_empty() {
        return from.to_owned();
    }
    if name.contains("://") {
        return name.to_owned();
    }
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    //! Names of documents.
    use super::{ROOT, beside};

    #[test]
    fn names_are_relative_to_the_document_they_stand_in() {
        for (from, name, wanted) in [
            (ROOT, "a.yaml", "a.yaml"),
            (ROOT, "./s/a.yaml", "s/a.yaml"),
            ("s/a.yaml", "b.yaml", "s/b.yaml"),
            ("s/a.yaml", "../b.yaml", "b.yaml"),
            ("s/a.yaml", "../../b.yaml", "b.yaml"),
            ("s/a.yaml", "", "s/a.yaml"),
            ("s/a.yaml", "http://a.example/b", "http://a.example/b"),
        ] {
            assert_eq!(beside(from, name), wanted, "{from} {name}");
        }
    }
}
