//! Operations: an API for each method of each path.

use std::collections::HashMap;
use std::sync::Arc;

use paifang_config::yaml::{Entry, Node as Yaml};

use super::paths::Taken;
use super::{Import, METHODS, OPERATIONS};
use crate::out::{Item, unique};
use crate::source::{entries, text};
use crate::{Fate, Fault, values};

/// The order of steps: who calls, what they may, then what they send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Identity,
    Rights,
    Request,
}

/// An API in the making.
pub(super) type Draft = crate::draft::Draft<Phase>;

/// One operation.
pub(super) struct Operation<'n> {
    /// As the description writes them.
    pub(super) path: &'n str,
    pub(super) method: &'n str,
    /// The entry of the method.
    pub(super) entry: &'n Entry,
    /// What its path has for all operations.
    pub(super) item: &'n Yaml,
    /// Its `operationId`.
    pub(super) id: Option<&'n str>,
}

impl<'n> Operation<'n> {
    /// The operation itself.
    pub(super) fn node(&self) -> &'n Yaml {
        &self.entry.value
    }
}

impl Import {
    /// The APIs of all operations.
    ///
    /// # Errors
    /// Two that no router could tell apart, or with one id; or there are too many, or none.
    pub(super) fn apis(&mut self) -> Result<Vec<Item>, Fault> {
        let root = Arc::clone(&self.root);
        let mut apis = Vec::new();
        let mut taken: HashMap<String, &Entry> = HashMap::new();
        let mut ids: HashMap<&str, &Entry> = HashMap::new();
        for path in root.get("paths").map(entries).unwrap_or_default() {
            if path.key.text.starts_with("x-") {
                self.extension(path);
                continue;
            }
            self.source.say(path, Fate::Taken, "");
            let item = super::refs::follow(&root, &path.value);
            for entry in entries(item) {
                let method = &*entry.key.text;
                if !METHODS.contains(&method) {
                    self.beside(entry);
                    continue;
                }
                let id = entry.value.as_map().and_then(|map| map.entry("operationId"));
                if let Some(named) = id.and_then(|id| id.value.as_text()) {
                    self.once(&mut ids, named, path, id.unwrap_or(entry))?;
                }
                let operation = Operation {
                    path: &path.key.text,
                    method,
                    entry,
                    item,
                    id: id.and_then(|id| id.value.as_text()),
                };
                if let Some((shape, api)) = self.operation(&operation)? {
                    let shape = format!("{method} {shape}");
                    if let Some(other) = taken.get(&shape) {
                        let (here, there) = (&path.key.text, &other.key.text);
                        let line = other.key.span.line;
                        let message = format!(
                            "`{method}` of `{here}` takes the same calls as that of `{there}` in line {line}"
                        );
                        return Err(Fault::new(self.source.place(path.key.span), message)
                            .help("names of parameters tell no paths apart: make one operation of the two"));
                    }
                    taken.insert(shape, path);
                    apis.push(api);
                }
                if taken.len() > OPERATIONS {
                    let place = self.source.place(path.key.span);
                    return Err(Fault::new(place, format!("more than {OPERATIONS} operations")));
                }
            }
        }
        match apis.is_empty() {
            true => Err(Fault::new(self.source.place(root.span), "no operation could be taken")
                .help("paths begin with `/` and have methods such as `get`")),
            false => Ok(apis),
        }
    }

    /// An id must stand once: what holds requests against the description finds operations by it.
    fn once<'n>(
        &self,
        ids: &mut HashMap<&'n str, &'n Entry>,
        id: &'n str,
        path: &Entry,
        at: &'n Entry,
    ) -> Result<(), Fault> {
        if let Some(first) = ids.get(id) {
            let line = first.key.span.line;
            let message = format!("the `operationId` `{id}` stands in line {line} already");
            // A path that is referred to from two others has its operations twice.
            let help = match first.key.span == at.key.span {
                true => format!(
                    "`{}` has the operations of another path: write them out",
                    path.key.text
                ),
                false => "give each operation an id of its own".into(),
            };
            return Err(Fault::new(self.source.place(at.key.span), message).help(help));
        }
        ids.insert(id, at);
        Ok(())
    }

    /// An operation as an API, with the shape of its path; nothing where its path is no pattern.
    fn operation(&mut self, operation: &Operation<'_>) -> Result<Option<(String, Item)>, Fault> {
        let root = Arc::clone(&self.root);
        let node = operation.node();
        let server = self.server(&[node, operation.item, &root]);
        let taken = match Taken::read(&server.base, operation.path) {
            Ok(taken) => taken,
            Err(why) => {
                self.source.say_all(operation.entry, Fate::NotTaken, &why);
                return Ok(None);
            }
        };
        let mut draft = Draft::default();
        match server.upstream {
            Ok(name) => draft.upstream = Some(name),
            Err(why) => draft.refuse(why),
        }
        self.security(&mut draft, operation)?;
        self.request(&mut draft, operation, &server.base);
        for entry in entries(node) {
            self.key(entry);
        }
        let id = self.id(operation);
        self.source.say(operation.entry, Fate::Taken, format!("API {id}"));
        let comment = format!(
            "{}: {} {}",
            self.source.origin(operation.entry.key.span),
            operation.method.to_ascii_uppercase(),
            operation.path
        );
        let matches = taken.matches(operation.method);
        // Without a server the upstream is what is missing, not an answer.
        let open = draft.upstream.is_some();
        draft.answered |= !open;
        let options = crate::Options { allow_unprotected: self.options.allow_unprotected && open };
        let api = draft.api(&id, matches, options, &mut self.source.book);
        Ok(Some((taken.shape(), api.commented(comment))))
    }

    fn id(&mut self, operation: &Operation<'_>) -> String {
        let base = match operation.id {
            Some(id) => values::name(id),
            None => {
                let note = "its id is made of method and path: an `operationId` would name it";
                self.source.say(operation.entry, Fate::Approximated, note);
                let path = operation.path.replace(['{', '}'], "");
                values::name(&format!("{}{path}", operation.method))
            }
        };
        let id = unique(&base, |id| self.ids.contains(id));
        self.ids.insert(id.clone());
        id
    }

    /// Says what became of an operation's own keys.
    fn key(&mut self, entry: &Entry) {
        let note = match &*entry.key.text {
            "operationId" => return self.source.say(entry, Fate::Taken, "the API's id"),
            "servers" | "security" | "parameters" | "requestBody" => return,
            "tags" | "summary" | "description" | "externalDocs" => {
                "it describes, and changes no answer"
            }
            "deprecated" => "clients are not told: a step `headers` can say `deprecation`",
            "responses" => "answers are not checked",
            "callbacks" => "calls that the server makes",
            _ => return self.extension(entry),
        };
        self.none(entry, note);
    }

    /// What stands beside the operations of a path.
    fn beside(&mut self, entry: &Entry) {
        match &*entry.key.text {
            "servers" | "parameters" => {}
            "$ref" => self.source.say(entry, Fate::Taken, "the path item that it names"),
            "summary" | "description" => self.none(entry, "it describes, and changes no answer"),
            _ => self.extension(entry),
        }
    }

    /// The text of a key of the operation, or of what its reference names.
    pub(super) fn text<'a>(&'a self, node: &'a Yaml, key: &str) -> Option<&'a str> {
        text(self.follow(node), key)
    }
}
