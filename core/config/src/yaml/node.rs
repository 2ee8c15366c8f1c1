//! The tree: nodes with their place, cheap to clone, because merged trees share what they did not
//! change with the files they came from.

use std::sync::Arc;

use super::{Digest, Span};

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where the value stands; after an overlay, where the winning value stands.
    pub span: Span,
    /// The value.
    pub kind: Kind,
    /// Places whose values were overridden by this one, the oldest first.
    pub overrode: Option<Arc<[Span]>>,
    /// Some scalar in here holds `${`.
    fillable: bool,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// `null`, `~` or nothing at all.
    Null,
    /// A text, a number, a boolean: the reader decides.
    Scalar(Scalar),
    /// A list.
    Seq(Arc<[Node]>),
    /// A map, in the order of the file.
    Map(Arc<Map>),
}

/// A scalar as it was written, escapes and folding already resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: Arc<str>,
    /// Whether it was quoted.
    pub style: Style,
    /// Whether `${…}` was filled in.
    pub filled: bool,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: a number, a boolean or a text.
    Plain,
    /// In quotes or as a block: a text.
    Quoted,
}

/// A map's entries, in the order of the file, no key twice.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// A key with its place.
#[derive(Debug, Clone)]
pub struct Key {
    /// The text.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// A node of its own. `fillable` is found out here, once.
    #[must_use]
    pub fn new(span: Span, kind: Kind) -> Self {
        let fillable = match &kind {
            Kind::Null => false,
            Kind::Scalar(scalar) => !scalar.filled && scalar.text.contains("${"),
            Kind::Seq(items) => items.iter().any(|item| item.fillable),
            Kind::Map(map) => map.entries.iter().any(|entry| entry.value.fillable),
        };
        Self { span, kind, overrode: None, fillable }
    }

    /// An empty map from nowhere.
    #[must_use]
    pub fn empty_map(span: Span) -> Self {
        Self::new(span, Kind::Map(Arc::default()))
    }

    /// A list.
    #[must_use]
    pub fn seq(span: Span, items: Vec<Node>) -> Self {
        Self::new(span, Kind::Seq(items.into()))
    }

    /// A map. The caller sees to it that no key stands twice.
    #[must_use]
    pub fn map(span: Span, entries: Vec<Entry>) -> Self {
        Self::new(span, Kind::Map(Arc::new(Map { entries })))
    }

    /// The same value, noting that it replaced `old`.
    #[must_use]
    pub fn overriding(mut self, old: &Self) -> Self {
        let mut places: Vec<Span> = old.overrode.as_deref().unwrap_or_default().to_vec();
        places.push(old.span);
        places.extend_from_slice(self.overrode.as_deref().unwrap_or_default());
        self.overrode = Some(places.into());
        self
    }

    /// Whether some scalar in here holds `${`.
    #[must_use]
    pub const fn is_fillable(&self) -> bool {
        self.fillable
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        if let Kind::Map(map) = &self.kind { Some(map) } else { None }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Node]> {
        if let Kind::Seq(items) = &self.kind { Some(items) } else { None }
    }

    /// The scalar's text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Kind::Scalar(scalar) = &self.kind { Some(&scalar.text) } else { None }
    }

    /// Whether the node is null.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The value under a key, when the node is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// What stands here, for messages: `a list`, `a map`, `nothing`, or the text itself, cut.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Null => "nothing".into(),
            Kind::Seq(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
            Kind::Scalar(scalar) => {
                let quote = if scalar.style == Style::Quoted { "\"" } else { "" };
                format!("`{quote}{}{quote}`", cut(&scalar.text))
            }
        }
    }
}

/// At most 40 visible characters of a text, on one line.
#[must_use]
pub(crate) fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown.replace("\\\"", "\"").replace("\\'", "'")
}

/// Equality looks at what is written, not where.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        Digest::of(self) == Digest::of(other)
    }
}

impl Map {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The value under a key. Linear: maps of config are small, and those that are not are walked.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry under a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.key.text == key)
    }
}
