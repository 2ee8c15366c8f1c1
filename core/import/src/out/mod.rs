//! A config of ours in the making: nodes with comments, written as YAML.

pub mod chains;
mod write;

pub use write::write;

/// A node of YAML, with a comment that is written above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A scalar that is written as it stands: a number, a duration, `true`.
    Plain(String),
    /// A text, quoted where it must be.
    Text(String),
    /// A list.
    List(Vec<Item>),
    /// A map, in this order.
    Map(Vec<(String, Item)>),
}

/// A node in its place, with comment lines above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Lines without `# `.
    pub comment: Vec<String>,
    /// The node.
    pub node: Node,
}

impl From<Node> for Item {
    fn from(node: Node) -> Self {
        Item { comment: Vec::new(), node }
    }
}

impl Node {
    /// An empty map.
    #[must_use]
    pub fn map() -> Self {
        Node::Map(Vec::new())
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Node::Text(text.into())
    }

    /// Something that is no text: a number, a duration.
    pub fn plain(text: impl ToString) -> Self {
        Node::Plain(text.to_string())
    }

    /// A list of texts.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Node::List(texts.into_iter().map(|text| Node::text(text).into()).collect())
    }

    /// A list of texts; a single one stands without a list.
    pub fn one_or_texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        match texts.len() {
            1 => Node::Text(texts.remove(0)),
            _ => Node::texts(texts),
        }
    }

    /// The map with one more entry.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Item>) -> Self {
        self.put(key, value);
        self
    }

    /// Adds an entry to a map; nothing else takes one.
    pub fn put(&mut self, key: &str, value: impl Into<Item>) {
        if let Node::Map(entries) = self {
            entries.push((key.to_owned(), value.into()));
        }
    }

    /// Whether it is a list or a map without anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Node::List(items) => items.is_empty(),
            Node::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// The node below a comment.
    pub fn commented(self, comment: impl Into<String>) -> Item {
        Item { comment: vec![comment.into()], node: self }
    }
}

/// A step of a chain: `{ KIND: CONFIG, … }`.
#[must_use]
pub fn step(kind: &str, config: Node) -> Node {
    Node::map().with(kind, config)
}

/// A name that nothing has yet: the one that is wanted, or it with a number behind.
pub(crate) fn unique(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while taken(&name) {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}
