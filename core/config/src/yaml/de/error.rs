//! Errors of a read: serde's words in ours, with the node to blame.

use std::fmt;

use serde::de::{Expected, Unexpected};

use super::address;
use crate::diag::{Problem, did_you_mean};
use crate::yaml::{Entry, Node, Span};

/// Why a node does not fit. Boxed, because it is rare and large.
#[derive(Debug)]
pub(super) struct DeError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    help: Option<String>,
    /// The place, and the address of the node to blame.
    place: Option<(Span, usize)>,
    missing: Option<&'static str>,
    /// It only follows from another error, which was told.
    follows: bool,
    hidden: bool,
}

impl DeError {
    fn new(message: String) -> Self {
        Self(Box::new(Inner {
            message,
            help: None,
            place: None,
            missing: None,
            follows: false,
            hidden: false,
        }))
    }

    pub(super) fn at(node: &Node, message: String) -> Self {
        Self::at_span(node, node.span, message)
    }

    pub(super) fn at_span(node: &Node, span: Span, message: String) -> Self {
        let mut error = Self::new(message);
        error.0.place = Some((span, address(node)));
        error
    }

    /// The innermost node through which the error passes is to blame.
    pub(super) fn or_at(mut self, node: &Node) -> Self {
        self.0.place.get_or_insert((node.span, address(node)));
        self
    }

    /// A key that does not fit: told at the key, its value is left out.
    pub(super) fn or_at_key(mut self, entry: &Entry) -> Self {
        self.0.place.get_or_insert((entry.key.span, address(&entry.value)));
        self
    }

    pub(super) fn help(mut self, help: &str) -> Self {
        self.0.help = Some(help.to_owned());
        self
    }

    pub(super) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.0.help = help;
        self
    }

    pub(super) fn hidden(mut self) -> Self {
        self.0.hidden = true;
        self
    }

    /// It only follows from an error that was told.
    pub(super) fn following(mut self) -> Self {
        self.0.follows = true;
        self
    }

    pub(super) const fn follows(&self) -> bool {
        self.0.follows
    }

    pub(super) const fn missing(&self) -> Option<&'static str> {
        self.0.missing
    }

    pub(super) fn place(&self, root: &Node) -> (Span, usize) {
        self.0.place.unwrap_or((root.span, address(root)))
    }

    pub(super) fn problem(self, span: Span) -> Problem {
        let problem = Problem::new(span, self.0.message).maybe_help(self.0.help);
        if self.0.hidden { problem.hidden() } else { problem }
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DeError {}

impl serde::de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        if message.starts_with("data did not match any variant of untagged enum") {
            return Self::new("none of the forms that are allowed here".into())
                .help("a number or `true` that is meant as a text needs quotes");
        }
        Self::new(message)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {}", found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {}", found(unexpected)))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("the key `{field}` is missing"));
        error.0.missing = Some(field);
        error
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key `{field}`"))
            .maybe_help(did_you_mean(field, expected.iter().copied()))
    }
}

fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Str(text) => format!("`{}`", crate::yaml::node::cut(text)),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        other => other.to_string(),
    }
}

/// What a visitor wants, in its own words; a text, for Rust's own string types.
pub(super) fn expectation(expected: &dyn Expected) -> String {
    match expected.to_string() {
        wanted if matches!(&*wanted, "a string" | "path string") => "a text".into(),
        wanted => wanted,
    }
}
