//! Conditions on header fields.

use std::fmt;

use http::{HeaderMap, HeaderName};
use thiserror::Error;

/// A condition on one header field. Values are compared as bytes, case and all.
///
/// Exact and prefix tests hold only when the field stands exactly once: of two values, this gateway
/// and the upstream might each believe another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderCondition {
    name: HeaderName,
    test: HeaderTest,
}

/// What a [`HeaderCondition`] asks of its field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeaderTest {
    /// It is there, once or more, with any value.
    Present,
    /// Its value is this.
    Exact(Box<[u8]>),
    /// Its value begins with this.
    Prefix(Box<[u8]>),
}

/// Why something is no header condition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// An empty prefix is what `Present` says.
    #[error("an empty prefix says no more than that the header is present")]
    EmptyPrefix,
    /// No field value looks like this: a control character, or space at either end.
    #[error("no header value looks like this: spaces at an end, or control characters")]
    Unmatchable,
}

/// How specific a route's conditions are as a whole; the greater wins: more conditions, then more
/// exact ones, then more bytes of prefixes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::route) struct HeaderRank {
    count: usize,
    exact: usize,
    prefix_bytes: usize,
}

impl HeaderRank {
    pub(in crate::route) fn of(conditions: &[HeaderCondition]) -> Self {
        let mut rank = HeaderRank { count: conditions.len(), ..HeaderRank::default() };
        for condition in conditions {
            match &condition.test {
                HeaderTest::Present => {}
                HeaderTest::Exact(_) => rank.exact += 1,
                HeaderTest::Prefix(prefix) => rank.prefix_bytes += prefix.len(),
            }
        }
        rank
    }
}

impl HeaderCondition {
    /// A condition on the field `name`.
    ///
    /// # Errors
    /// [`ConditionError`], when no request could ever fulfil it or it says less than it seems to.
    pub fn new(name: HeaderName, test: HeaderTest) -> Result<Self, ConditionError> {
        let value: &[u8] = match &test {
            HeaderTest::Present => &[],
            HeaderTest::Exact(value) => value,
            HeaderTest::Prefix(prefix) if prefix.is_empty() => {
                return Err(ConditionError::EmptyPrefix);
            }
            HeaderTest::Prefix(prefix) => prefix,
        };
        let control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7F;
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        let exact = matches!(test, HeaderTest::Exact(_));
        if value.iter().any(control) || blank(value.first()) || (exact && blank(value.last())) {
            return Err(ConditionError::Unmatchable);
        }
        Ok(HeaderCondition { name, test })
    }

    /// The field's name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// What is asked of it.
    pub fn test(&self) -> &HeaderTest {
        &self.test
    }

    /// Whether `headers` fulfil it.
    pub fn holds(&self, headers: &HeaderMap) -> bool {
        match &self.test {
            HeaderTest::Present => headers.contains_key(&self.name),
            HeaderTest::Exact(value) => only(headers, &self.name) == Some(value),
            HeaderTest::Prefix(prefix) => {
                only(headers, &self.name).is_some_and(|value| value.starts_with(prefix))
            }
        }
    }

    /// Whether no request can fulfil both.
    pub(in crate::route) fn excludes(&self, other: &HeaderCondition) -> bool {
        use HeaderTest::{Exact, Prefix, Present};
        self.name == other.name
            && match (&self.test, &other.test) {
                (Present, _) | (_, Present) => false,
                (Exact(a), Exact(b)) => a != b,
                (Exact(value), Prefix(prefix)) | (Prefix(prefix), Exact(value)) => {
                    !value.starts_with(prefix)
                }
                (Prefix(a), Prefix(b)) => !a.starts_with(b) && !b.starts_with(a),
            }
    }
}

/// The value of a field that stands exactly once.
pub(in crate::route) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

impl fmt::Display for HeaderCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            HeaderTest::Present => write!(f, "{} present", self.name),
            HeaderTest::Exact(value) => {
                write!(f, "{}: {}", self.name, String::from_utf8_lossy(value))
            }
            HeaderTest::Prefix(prefix) => {
                write!(f, "{}: {}*", self.name, String::from_utf8_lossy(prefix))
            }
        }
    }
}
