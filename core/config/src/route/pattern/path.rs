//! Path patterns: `/v1/orders`, `/v1/orders/{id}`, `/files/{*rest}`, and prefixes.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::route::path::{EncodedSlash, NonAscii, PathError, hides_dot_segment, push_segment};

/// The most segments a pattern may have.
const MAX_SEGMENTS: usize = 64;

/// Which paths a route is for.
///
/// | text | matches |
/// |---|---|
/// | `/v1/orders` | that path; `/v1/orders/` is another one |
/// | `/v1/{shop}/orders` | `{shop}` is one segment, not empty |
/// | `/files/{*rest}` | everything under `/files/`, at least one character |
/// | prefix `/v1` or `/v1/` | `/v1`, `/v1/` and everything under it, not `/v10` |
///
/// Literals are brought into the normal form of paths; letters outside of ASCII are escaped as
/// UTF-8. A brace that shall be matched itself is written as its escape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Vec<Segment>,
    tail: Tail,
}

/// One segment before the tail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::route) enum Segment {
    /// Exactly this text, in normal form. Empty only as the last: a trailing slash.
    Literal(Box<str>),
    /// Any one segment that is not empty, under this name.
    Param(Arc<str>),
}

/// What follows the segments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::route) enum Tail {
    /// Nothing.
    End,
    /// `/` and at least one character, under this name.
    CatchAll(Arc<str>),
    /// Nothing, or `/` and anything.
    Prefix,
}

/// Why a text is no path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathPatternError {
    /// It must begin with `/`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// `//`, which no path holds once it is normalised.
    #[error("`//` never matches: double slashes of a request are merged")]
    DoubleSlash,
    /// `.` or `..`, which no path holds once it is normalised.
    #[error("`.` and `..` never match: dot segments of a request are resolved")]
    DotSegment,
    /// A query is not part of a path.
    #[error("a path has no `?`")]
    Query,
    /// A brace that does not enclose a whole segment.
    #[error("`{{…}}` stands for a whole segment; write a brace itself as %7B or %7D")]
    Brace,
    /// A parameter's name is not a letter or `_` and then letters, digits, `_`, `-`.
    #[error("`{0}` is no name for a path parameter")]
    Name(String),
    /// Two parameters of one name.
    #[error("the path parameter `{0}` stands twice")]
    Twice(String),
    /// `{*rest}` before the end, or in a prefix.
    #[error("`{{*{0}}}` stands only at the end of a path, and not in a prefix")]
    CatchAll(String),
    /// More than 64 segments.
    #[error("more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// The path itself would be refused in a request.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl PathPattern {
    /// Parses a pattern that must match the whole path.
    ///
    /// # Errors
    /// Each way to be wrong is a variant of [`PathPatternError`].
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        Self::build(text, false)
    }

    /// Parses a prefix, which matches on segment boundaries. It may hold parameters. A trailing
    /// slash makes no difference.
    ///
    /// # Errors
    /// Each way to be wrong is a variant of [`PathPatternError`].
    pub fn prefix(text: &str) -> Result<Self, PathPatternError> {
        Self::build(text, true)
    }

    /// Every path.
    pub fn any() -> Self {
        PathPattern { segments: Vec::new(), tail: Tail::Prefix }
    }

    /// The names of the parameters, in the order of the path, `{*rest}` last.
    pub fn param_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let last = match &self.tail {
            Tail::CatchAll(name) => Some(name),
            Tail::End | Tail::Prefix => None,
        };
        self.segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Param(name) => Some(name),
                Segment::Literal(_) => None,
            })
            .chain(last)
    }

    /// Whether a path in normal form matches.
    pub fn matches(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_prefix('/').map(Some) else { return false };
        for segment in &self.segments {
            let Some(text) = rest else { return false };
            let (head, tail) = match text.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (text, None),
            };
            let fits = match segment {
                Segment::Literal(literal) => **literal == *head,
                Segment::Param(_) => !head.is_empty(),
            };
            if !fits {
                return false;
            }
            rest = tail;
        }
        match self.tail {
            Tail::End => rest.is_none(),
            Tail::CatchAll(_) => rest.is_some_and(|rest| !rest.is_empty()),
            Tail::Prefix => true,
        }
    }

    pub(in crate::route) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(in crate::route) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Among patterns that match the same path, the one with the lesser shape wins: at the first
    /// difference a literal before a parameter before a catch-all before a prefix. (What has ended
    /// compares less than what goes on: `/v1` exactly before the prefix `/v1`.)
    pub(in crate::route) fn shape(&self) -> impl Iterator<Item = u8> {
        let tail = match self.tail {
            Tail::End => None,
            Tail::CatchAll(_) => Some(2),
            Tail::Prefix => Some(3),
        };
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Param(_) => 1,
        });
        segments.chain(tail)
    }

    fn build(text: &str, prefix: bool) -> Result<Self, PathPatternError> {
        let rest = text.strip_prefix('/').ok_or(PathPatternError::NotAbsolute)?;
        let rest = if prefix { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
        let mut pattern = PathPattern {
            segments: Vec::new(),
            tail: if prefix { Tail::Prefix } else { Tail::End },
        };
        if prefix && rest.is_empty() {
            return if text.ends_with("//") {
                Err(PathPatternError::DoubleSlash)
            } else {
                Ok(pattern)
            };
        }
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            if pattern.segments.len() == MAX_SEGMENTS {
                return Err(PathPatternError::TooManySegments);
            }
            if part.is_empty() && (!last || prefix) {
                return Err(PathPatternError::DoubleSlash);
            }
            match parameter(part)? {
                None => pattern.segments.push(Segment::Literal(literal(part)?)),
                Some(name) => {
                    let (star, name) = match name.strip_prefix('*') {
                        Some(name) => (true, name),
                        None => (false, name),
                    };
                    let name = pattern.new_name(name)?;
                    match star {
                        false => pattern.segments.push(Segment::Param(name)),
                        true if last && !prefix => pattern.tail = Tail::CatchAll(name),
                        true => return Err(PathPatternError::CatchAll(name.to_string())),
                    }
                }
            }
        }
        Ok(pattern)
    }

    fn new_name(&self, name: &str) -> Result<Arc<str>, PathPatternError> {
        let mut bytes = name.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(PathPatternError::Name(name.to_owned()));
        }
        if self.param_names().any(|other| **other == *name) {
            return Err(PathPatternError::Twice(name.to_owned()));
        }
        Ok(Arc::from(name))
    }
}

/// The inside of `{…}`, when the whole segment is one.
fn parameter(part: &str) -> Result<Option<&str>, PathPatternError> {
    let inner = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
    if inner.unwrap_or(part).contains(['{', '}']) {
        return Err(PathPatternError::Brace);
    }
    Ok(inner)
}

fn literal(part: &str) -> Result<Box<str>, PathPatternError> {
    if part.contains('?') {
        return Err(PathPatternError::Query);
    }
    let mut out = String::with_capacity(part.len());
    let (bytes, all) = (part.as_bytes(), 0..part.len());
    push_segment(&mut out, bytes, all, EncodedSlash::Keep, NonAscii::Encode)?;
    if out == "." || out == ".." || hides_dot_segment(&out) {
        return Err(PathPatternError::DotSegment);
    }
    Ok(out.into())
}

impl fmt::Display for PathPattern {
    /// As config writes it; a prefix ends in `/`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Param(name) => write!(f, "/{{{name}}}")?,
            }
        }
        match &self.tail {
            Tail::End => Ok(()),
            Tail::CatchAll(name) => write!(f, "/{{*{name}}}"),
            Tail::Prefix => f.write_str("/"),
        }
    }
}
