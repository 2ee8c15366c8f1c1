//! OpenAPI: a description of version 3.0 or 3.1, in YAML or JSON.
//!
//! Each operation becomes an API: its path and method with the base path of its server, which becomes the
//! upstream; what its security schemes ask for becomes steps, and the API stays offline until somebody has
//! given them keys; parameters and body are held against the description by `validate`.
//! docs/from-openapi.md says what becomes of each part.

mod operations;
mod paths;
mod refs;
mod requests;
mod schemes;
mod security;
mod servers;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use paifang_config::source::FileSource;
use paifang_config::yaml::{Entry, Node as Yaml};

use crate::finish::Parts;
use crate::out::{Item, Node};
use crate::source::{Source, entries, text};
use crate::{Fate, Fault, Imported, Options};

/// Methods that a path can have operations for.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
/// The most operations.
const OPERATIONS: usize = 10_000;
/// The chain that holds requests against the description.
const CHAIN: &str = "openapi.document";

/// An import on its way.
struct Import {
    source: Source,
    root: Arc<Yaml>,
    options: Options,
    /// The description's own path, for the config to include it.
    document: String,
    apps: Vec<(String, Item)>,
    upstreams: Vec<(String, Item)>,
    chains: Vec<(String, Item)>,
    ids: BTreeSet<String>,
}

/// Imports the description in `path`.
///
/// # Errors
/// Why it cannot be read: what it is not, references that lead nowhere or elsewhere, operations that no
/// router could tell apart.
pub fn import(path: &Path, files: &dyn FileSource, options: Options) -> Result<Imported, Fault> {
    let mut source = Source::read(path, files, "is it an OpenAPI description, in YAML or JSON?")?;
    let root = Arc::new(source.root.clone());
    version(&source, &root)?;
    refs::check(&source, &root)?;
    source.open(&root, &told);
    let mut import = Import {
        source,
        root,
        options,
        document: path.display().to_string(),
        apps: Vec::new(),
        upstreams: Vec::new(),
        chains: Vec::new(),
        ids: BTreeSet::from([CHAIN.to_owned()]),
    };
    let apis = import.apis()?;
    import.rest();
    let listener = Node::map()
        .with("name", Node::text("http"))
        .with("address", Node::text("0.0.0.0:8080"))
        .commented("a description does not say where the gateway listens");
    Ok(Parts {
        from: path,
        remark: "APIs with security are offline: give them keys, then take `state` out.",
        head: vec![("listeners", Node::List(vec![listener])), ("apps", Node::Map(import.apps))],
        upstreams: import.upstreams,
        chains: import.chains,
        apis,
        report: import.source.finish(),
    }
    .imported())
}

/// Which entries have lines of their own in the report: what is in schemas, answers and examples has not.
fn told(path: &[&str]) -> bool {
    let named = |name: &str| !name.starts_with("x-");
    match path {
        ["paths" | "components"] => true,
        ["paths", path] => named(path),
        ["paths", _, method] => METHODS.contains(method),
        ["components", kind] => named(kind),
        ["components", "securitySchemes", name] => named(name),
        _ => false,
    }
}

/// # Errors
/// It is no description of a version that is read.
fn version(source: &Source, root: &Yaml) -> Result<(), Fault> {
    let at = |key: &str| {
        let entry = root.as_map().and_then(|map| map.entry(key));
        source.place(entry.map_or(root.span, |entry| entry.key.span))
    };
    if root.get("swagger").is_some() {
        return Err(Fault::new(at("swagger"), "this is Swagger 2.0, which is not read").help(
            "convert it to OpenAPI 3.0 first; there are converters under the name swagger2openapi",
        ));
    }
    let help = "a description begins with `openapi: 3.0.3` or `openapi: 3.1.0`";
    let version = text(root, "openapi");
    let version = version.ok_or_else(|| {
        Fault::new(source.place(root.span), "there is no `openapi` in it").help(help)
    })?;
    let mut parts = version.split('.');
    if !matches!((parts.next(), parts.next()), (Some("3"), Some("0" | "1"))) {
        let message = format!("OpenAPI {version} is not read");
        return Err(Fault::new(at("openapi"), message).help(help));
    }
    match root.get("paths").map(entries) {
        None | Some([]) => Err(Fault::new(at("paths"), "there are no `paths` in it")
            .help("a description of webhooks alone has no calls to take")),
        Some(_) => Ok(()),
    }
}

impl Import {
    /// What stands there, or what its `$ref` leads to.
    fn follow<'n>(&'n self, node: &'n Yaml) -> &'n Yaml {
        refs::follow(&self.root, node)
    }

    /// What stands beside operations.
    fn rest(&mut self) {
        let root = Arc::clone(&self.root);
        for entry in entries(&root) {
            match &*entry.key.text {
                "openapi" | "paths" => self.source.say(entry, Fate::Taken, ""),
                "components" => {
                    self.source.say(entry, Fate::Taken, "where operations name them");
                    self.components(&entry.value);
                }
                "servers" | "security" => {
                    self.none(entry, "every operation has its own");
                }
                "info" | "tags" | "externalDocs" | "jsonSchemaDialect" => {
                    self.none(entry, "it describes, and changes no answer");
                }
                "webhooks" => self.none(entry, "calls that the server makes"),
                _ => self.extension(entry),
            }
        }
    }

    fn components(&mut self, components: &Yaml) {
        for kind in entries(components) {
            let note = match &*kind.key.text {
                "schemas" | "parameters" | "requestBodies" | "pathItems" => {
                    self.source.say(kind, Fate::Taken, "where operations name them");
                    for entry in entries(&kind.value) {
                        if self.source.unsaid(entry) {
                            self.source.say(entry, Fate::Taken, "");
                        }
                    }
                    continue;
                }
                "securitySchemes" => {
                    self.source.say(kind, Fate::Taken, "where operations name them");
                    "no operation names it"
                }
                "responses" | "headers" => "answers are not checked",
                "examples" | "links" | "callbacks" => "it describes, and changes no answer",
                _ => {
                    self.extension(kind);
                    continue;
                }
            };
            self.none(kind, note);
            for entry in entries(&kind.value) {
                self.none(entry, note);
                for inner in entries(&entry.value) {
                    self.none(inner, note);
                }
            }
        }
    }

    /// Says of an entry that nobody has spoken of that no answer depends on it.
    fn none(&mut self, entry: &Entry, note: &str) {
        if self.source.unsaid(entry) {
            self.source.say(entry, Fate::NoEffect, note);
        }
    }

    /// An entry that the specification does not know, `x-…` mostly.
    fn extension(&mut self, entry: &Entry) {
        if !self.source.unsaid(entry) {
            return;
        }
        let note = match entry.key.text.starts_with("x-") {
            true => "an extension: nothing here reads it",
            false => "OpenAPI has no such key",
        };
        self.source.say(entry, Fate::NotTaken, note);
    }
}
