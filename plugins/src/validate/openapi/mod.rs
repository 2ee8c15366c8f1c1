//! OpenAPI descriptions (3.0 and 3.1): which operations there are, and what each takes.

mod operation;
mod template;
mod three_zero;

use super::{
    body::Body,
    config::{Config, OpenApiConfig},
    documents::{Documents, Spot, Wrong},
    params::Parameter,
};
use http::Method;
use jsonschema::Draft;
use paifang_pipeline::ConfigError;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use template::Template;

/// The most operations of one description.
const MAX_OPERATIONS: usize = 2000;
/// Dialects of JSON Schema that a description may name.
const DIALECTS: [&str; 2] = [
    "https://spec.openapis.org/oas/3.1/dialect/base",
    "https://json-schema.org/draft/2020-12/schema",
];
/// Methods that a path can have operations for.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What calls with one method at one path must be.
pub(super) struct Operation {
    path: Template,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Body,
}

/// What a path has in the places of a template's parameters.
pub(super) type Captures<'a> = Vec<(&'a str, &'a str)>;

/// All operations of a description.
pub(super) enum Operations {
    /// The one that every call is.
    One(Operation),
    /// By method and number of a path's parts; those with the fewest parameters first.
    Many(HashMap<(Method, usize), Vec<Operation>>),
}

impl Operations {
    /// The operation that a call is. HEAD is GET without a body in the answer (RFC 9110 section
    /// 9.3.2), unless it is described itself.
    pub(super) fn find<'a>(
        &'a self,
        method: &Method,
        path: &'a str,
    ) -> Option<(&'a Operation, Captures<'a>)> {
        let many = match self {
            Self::One(one) => return Some((one, one.path.find(path).unwrap_or_default())),
            Self::Many(many) => many,
        };
        let of = |method: &Method| {
            let all = many.get(&(method.clone(), template::parts(path)))?;
            all.iter().find_map(|operation| Some((operation, operation.path.find(path)?)))
        };
        let found = of(method);
        if found.is_none() && *method == Method::HEAD { of(&Method::GET) } else { found }
    }
}

/// Reads the description.
///
/// # Errors
/// What is wrong with it, with a pointer into the step's config.
pub(super) fn operations(
    config: &Config,
    openapi: &OpenApiConfig,
) -> Result<Operations, ConfigError> {
    let document = &openapi.document;
    let version = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    let older = match version.split('.').take(2).collect::<Vec<_>>()[..] {
        ["3", "0"] => true,
        ["3", "1"] => false,
        _ => {
            return Err(ConfigError::at("/openapi/document", "this is no OpenAPI 3.0 or 3.1")
                .help("a description begins with `openapi: 3.1.0`; include a file with `{ $include: specs/api.yaml }`"));
        }
    };
    // What schemas follow that do not say it themselves (OpenAPI 3.1, "OpenAPI Object").
    let dialect = document.get("jsonSchemaDialect").and_then(Value::as_str);
    if let Some(dialect) = dialect.filter(|dialect| !DIALECTS.contains(dialect)) {
        let message = format!("the dialect `{dialect}` is not known here");
        return Err(ConfigError::at("/openapi/document/jsonSchemaDialect", message));
    }
    let root = three_zero::lowered(document, older);
    let others: BTreeMap<String, Value> = config
        .documents
        .iter()
        .map(|(name, document)| (name.clone(), three_zero::lowered(document, older)))
        .collect();
    let draft = if older { Draft::Draft4 } else { Draft::Draft202012 };
    let documents = Documents::new(&root, &others, "/openapi/document", Some(draft))?;
    let all = read(&documents, openapi)
        .and_then(|all| documents.bounded(config.max_depth).map(|()| all))
        .map_err(|wrong| documents.error(wrong))?;
    let mut many: HashMap<_, Vec<Operation>> = HashMap::new();
    for (method, operation) in all {
        if openapi.operation.is_some() {
            return Ok(Operations::One(operation));
        }
        many.entry((method, operation.path.parts())).or_default().push(operation);
    }
    // A path that is written out goes before one with a parameter in its place.
    many.values_mut().for_each(|list| list.sort_by_key(|operation| operation.path.parameters()));
    Ok(Operations::Many(many))
}

fn read(
    documents: &Documents<'_>,
    config: &OpenApiConfig,
) -> Result<Vec<(Method, Operation)>, Wrong> {
    let top = Spot::root();
    let paths = documents.root.get("paths").and_then(Value::as_object);
    let paths = paths.ok_or_else(|| top.wrong("the description has no `paths`"))?;
    let mut all = Vec::new();
    let mut found = false;
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with('/')) {
        let spot = top.below("paths").below(path);
        let (spot, item) = documents.follow(spot, item)?;
        let shared = item.get("parameters");
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let id = operation.get("operationId").and_then(Value::as_str);
            if config.operation.is_some() && config.operation.as_deref() != id {
                continue;
            }
            found = true;
            let at = spot.below(method);
            if all.len() == MAX_OPERATIONS {
                return Err(at.wrong(format!("more than {MAX_OPERATIONS} operations")));
            }
            let path = Template::parse(path)
                .map_err(|message| top.below("paths").below(path).wrong(message))?;
            let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes());
            let method = method.map_err(|_| at.wrong("no method"))?;
            let shared = shared.map(|list| (spot.below("parameters"), list));
            let (parameters, body) = operation::read(documents, &at, operation, shared, config)?;
            all.push((method, Operation { path, parameters, body }));
        }
    }
    if !found {
        let message = match &config.operation {
            Some(id) => format!("there is no operation `{id}`"),
            None => "the description has no operations".to_owned(),
        };
        let named = config.operation.is_some();
        let option = if named { "/openapi/operation" } else { "/openapi/document" };
        return Err(Spot::option(option).wrong(message));
    }
    Ok(all)
}

/// A path without what the config says it begins with; `None` where it does not.
pub(super) fn without_base<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(base)?;
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}
