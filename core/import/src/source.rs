//! A YAML source as it was read, and saying what became of each line.

use std::path::Path;
use std::sync::Arc;

use paifang_config::source::FileSource;
use paifang_config::yaml::{Budget, Entry, FileId, Kind, Node, Span, parse};

use crate::report::Book;
use crate::{Fate, Fault, Place, Report};

/// The largest file.
const FILE_BYTES: u64 = 16 << 20;
/// What is said of lines that nothing here has looked at.
const UNKNOWN: &str = "the importer does not know it";

/// The file's tree, and the report in the making.
pub(crate) struct Source {
    pub(crate) root: Node,
    file: Arc<str>,
    pub(crate) book: Book,
}

impl Source {
    /// Reads a file; `help` is for one that is no YAML. Nothing is told of its lines until they are opened.
    ///
    /// # Errors
    /// When it cannot be read, or is no YAML.
    pub(crate) fn read(path: &Path, files: &dyn FileSource, help: &str) -> Result<Self, Fault> {
        let file: Arc<str> = path.display().to_string().into();
        let at = |line, column| Place { order: 0, file: Arc::clone(&file), line, column };
        let bytes = files
            .read(path, FILE_BYTES)
            .map_err(|error| Fault::new(at(1, 1), format!("it cannot be read: {error}")))?;
        if bytes.len() as u64 > FILE_BYTES {
            return Err(Fault::new(at(1, 1), "it has more than 16 MiB"));
        }
        let root = parse(FileId(0), &bytes, &Budget::default()).map_err(|problem| {
            let span = problem.span;
            Fault::new(at(span.line.max(1), span.column.max(1)), problem.message).help(help)
        })?;
        Ok(Self { root, file, book: Book::default() })
    }

    /// Opens a line of the report for each entry of a map, and for those within that `descend` says of by
    /// the keys on the way to them.
    pub(crate) fn open(&mut self, node: &Node, descend: &dyn Fn(&[&str]) -> bool) {
        self.open_within(node, &mut Vec::new(), descend);
    }

    fn open_within<'n>(
        &mut self,
        node: &'n Node,
        path: &mut Vec<&'n str>,
        descend: &dyn Fn(&[&str]) -> bool,
    ) {
        match &node.kind {
            Kind::Map(map) => {
                for entry in map.entries() {
                    let shown = match entry.value.as_text() {
                        // What may be a secret is not repeated.
                        Some(_) if secret(&entry.key.text) => "…".to_owned(),
                        Some(text) => text.to_owned(),
                        None => String::new(),
                    };
                    let place = self.place(entry.key.span);
                    self.book.open(
                        &place,
                        format!("{}: {shown}", entry.key.text).trim_end(),
                        UNKNOWN,
                    );
                    path.push(&entry.key.text);
                    if descend(path) {
                        self.open_within(&entry.value, path, descend);
                    }
                    path.pop();
                }
            }
            Kind::Seq(items) => {
                items.iter().for_each(|item| self.open_within(item, path, descend));
            }
            _ => {}
        }
    }

    /// A place in the file.
    pub(crate) fn place(&self, span: Span) -> Place {
        Place { order: 0, file: Arc::clone(&self.file), line: span.line, column: span.column }
    }

    /// Where something stands, short: `apisix.yaml:12`.
    pub(crate) fn origin(&self, span: Span) -> String {
        format!("{}:{}", self.file.rsplit('/').next().unwrap_or_default(), span.line)
    }

    /// Says what became of an entry alone.
    pub(crate) fn say(&mut self, entry: &Entry, fate: Fate, note: impl Into<String>) {
        let place = self.place(entry.key.span);
        self.book.say(&place, fate, note, UNKNOWN);
    }

    /// Says it of an entry with all in it.
    pub(crate) fn say_all(&mut self, entry: &Entry, fate: Fate, note: &str) {
        self.say(entry, fate, note);
        self.say_within(&entry.value, fate);
    }

    /// Says it of all that is in a node and has not been spoken of.
    pub(crate) fn say_within(&mut self, node: &Node, fate: Fate) {
        match &node.kind {
            Kind::Map(map) => {
                for entry in map.entries() {
                    let place = self.place(entry.key.span);
                    if self.book.unsaid(&place, UNKNOWN) {
                        self.book.say(&place, fate, "", UNKNOWN);
                    }
                    self.say_within(&entry.value, fate);
                }
            }
            Kind::Seq(items) => items.iter().for_each(|item| self.say_within(item, fate)),
            _ => {}
        }
    }

    /// Whether nobody has said anything of an entry.
    pub(crate) fn unsaid(&self, entry: &Entry) -> bool {
        self.book.unsaid(&self.place(entry.key.span), UNKNOWN)
    }

    pub(crate) fn protects(&mut self, entry: &Entry) {
        let place = self.place(entry.key.span);
        self.book.protects(&place);
    }

    pub(crate) fn finish(self) -> Report {
        self.book.finish()
    }
}

fn secret(key: &str) -> bool {
    ["key", "secret", "password", "private_key", "token", "public_key"].contains(&key)
}

/// The entries of a map; none of anything else.
pub(crate) fn entries(node: &Node) -> &[Entry] {
    node.as_map().map_or(&[], |map| map.entries())
}

/// The items of a list; none of anything else.
pub(crate) fn items(node: Option<&Node>) -> &[Node] {
    node.and_then(Node::as_seq).unwrap_or_default()
}

/// The text under a key.
pub(crate) fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key)?.as_text()
}

/// The number under a key.
pub(crate) fn number(node: &Node, key: &str) -> Option<f64> {
    text(node, key)?.parse().ok()
}

/// Whether the key says true.
pub(crate) fn flag(node: &Node, key: &str) -> Option<bool> {
    text(node, key)?.parse().ok()
}

/// A text, or all texts of a list.
pub(crate) fn texts(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.kind) {
        Some(Kind::Scalar(scalar)) => vec![scalar.text.to_string()],
        Some(Kind::Seq(items)) => {
            items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}
