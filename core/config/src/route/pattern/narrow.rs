//! What narrows a route further than host, path and method: the listener that a request came by, and
//! regular expressions on its path.

use std::fmt;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

/// The longest expression, in bytes.
const MAX_PATTERN: usize = 1024;
/// What a compiled expression may cost, in bytes.
const MAX_COMPILED: usize = 1 << 20;

/// A regular expression on the normal path of a request. It is looked for anywhere in the path unless it
/// has anchors, in time linear in the path's length.
#[derive(Debug, Clone)]
pub struct PathRegex(Regex);

/// Why something is no [`PathRegex`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathRegexError {
    /// It has more than 1,024 bytes.
    #[error("longer than 1,024 bytes")]
    TooLong,
    /// Nothing is asked for.
    #[error("an empty expression takes every path")]
    Empty,
    /// It cannot be compiled; the reason in one line.
    #[error("{0}")]
    Invalid(String),
}

impl PathRegex {
    /// Reads an expression, as the crate `regex` knows them.
    ///
    /// # Errors
    /// [`PathRegexError`].
    pub fn parse(text: &str) -> Result<Self, PathRegexError> {
        match text.len() {
            0 => return Err(PathRegexError::Empty),
            1..=MAX_PATTERN => {}
            _ => return Err(PathRegexError::TooLong),
        }
        let built = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        built.map(Self).map_err(|error| PathRegexError::Invalid(reason(&error)))
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The last line of an error of the crate `regex` says what is wrong, those before it draw where.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// What a route asks of listener and path beside its patterns. The default asks nothing.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    /// Names of listeners, any of them; none means all.
    pub listeners: Vec<Box<str>>,
    /// All of these must be found in the path.
    pub matching: Vec<PathRegex>,
    /// None of these may be.
    pub excluding: Vec<PathRegex>,
}

/// How specific a [`Narrow`] is; the greater wins: with listeners, then more expressions to be found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::route) struct NarrowRank {
    listeners: bool,
    matching: usize,
}

impl Narrow {
    /// The first thing that a request lacks; `None` when all holds.
    pub(in crate::route) fn lacks(&self, listener: Option<&str>, path: &str) -> Option<Lack<'_>> {
        if !self.listeners.is_empty()
            && !listener.is_some_and(|name| self.listeners.iter().any(|known| **known == *name))
        {
            return Some(Lack::Listener(&self.listeners));
        }
        if let Some(regex) = self.matching.iter().find(|regex| !regex.0.is_match(path)) {
            return Some(Lack::Matching(regex));
        }
        self.excluding.iter().find(|regex| regex.0.is_match(path)).map(Lack::Excluding)
    }

    pub(in crate::route) fn rank(&self) -> NarrowRank {
        NarrowRank { listeners: !self.listeners.is_empty(), matching: self.matching.len() }
    }

    /// Whether no request can fulfil both: no listener in common, or one looks for what the other
    /// excludes, written alike.
    pub(in crate::route) fn excludes(&self, other: &Narrow) -> bool {
        let apart = !self.listeners.is_empty()
            && !other.listeners.is_empty()
            && !self.listeners.iter().any(|name| other.listeners.contains(name));
        let denies = |one: &Narrow, other: &Narrow| {
            let wanted = |regex: &PathRegex| {
                other.matching.iter().any(|matching| matching.as_str() == regex.as_str())
            };
            one.excluding.iter().any(wanted)
        };
        apart || denies(self, other) || denies(other, self)
    }
}

/// What a request lacks for a [`Narrow`].
#[derive(Debug, Clone, Copy)]
pub(in crate::route) enum Lack<'n> {
    Listener(&'n [Box<str>]),
    Matching(&'n PathRegex),
    Excluding(&'n PathRegex),
}

impl fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Listener(names) => write!(f, "listener: it is for {}", names.join(", ")),
            Lack::Matching(regex) => write!(f, "path: it asks for `{}`", regex.as_str()),
            Lack::Excluding(regex) => write!(f, "path: it excludes `{}`", regex.as_str()),
        }
    }
}
