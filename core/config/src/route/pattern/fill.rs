//! A pattern filled in: the path of a call that names an operation and gives its parameters.

use std::{ops::Range, sync::Arc};

use super::path::{PathPattern, Segment, Tail};
use crate::route::path::hides_dot_segment;

/// A path, and where its parameters stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The path in normal form.
    pub path: String,
    /// Each parameter with the bytes of its value in `path`.
    pub params: Vec<(Arc<str>, Range<u32>)>,
}

/// Why a pattern cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// A parameter has no value, or an empty one.
    #[error("the parameter `{0}` is missing or empty")]
    Missing(Arc<str>),
    /// A value that would be a dot segment.
    #[error("the parameter `{0}` may not be `.` or `..`")]
    Dots(Arc<str>),
    /// A value with a slash where slashes are refused, or a control character.
    #[error("the parameter `{0}` holds a character that a path may not have")]
    Character(Arc<str>),
}

impl PathPattern {
    /// The path in which each parameter stands for what `value` says, which is not encoded. `slashes` says whether a parameter of one
    /// segment may hold a slash, which is escaped then; that of a catch-all may always, as itself.
    ///
    /// # Errors
    /// When a parameter has no value, or one that no path may have.
    pub fn fill<'a>(
        &self,
        slashes: bool,
        value: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Filled, FillError> {
        let mut filled = Filled { path: String::with_capacity(64), params: Vec::new() };
        for segment in self.segments() {
            filled.path.push('/');
            match segment {
                Segment::Literal(text) => filled.path.push_str(text),
                Segment::Param(name) => filled.put(name, value(name), slashes, false)?,
            }
        }
        match self.tail() {
            Tail::CatchAll(name) => {
                filled.path.push('/');
                filled.put(name, value(name), slashes, true)?;
            }
            Tail::Prefix | Tail::End if filled.path.is_empty() => filled.path.push('/'),
            Tail::Prefix | Tail::End => {}
        }
        Ok(filled)
    }
}

impl Filled {
    fn put(
        &mut self,
        name: &Arc<str>,
        value: Option<&str>,
        slashes: bool,
        rest: bool,
    ) -> Result<(), FillError> {
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| FillError::Missing(name.clone()))?;
        let begin = self.path.len();
        for (index, segment) in value.split('/').enumerate() {
            if rest && segment.is_empty() {
                return Err(FillError::Character(name.clone()));
            }
            if index > 0 {
                match (rest, slashes) {
                    (true, _) => self.path.push('/'),
                    (false, true) => self.path.push_str("%2F"),
                    (false, false) => return Err(FillError::Character(name.clone())),
                }
            }
            if segment.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\') {
                return Err(FillError::Character(name.clone()));
            }
            let piece = self.path.len();
            escape(&mut self.path, segment);
            let written = &self.path[if rest { piece } else { begin }..];
            if matches!(segment, "." | "..") || hides_dot_segment(written) {
                return Err(FillError::Dots(name.clone()));
            }
        }
        // Paths are short: the head that the value came in has a few kilobytes.
        let range = begin as u32..self.path.len() as u32;
        self.params.push((name.clone(), range));
        Ok(())
    }
}

/// Appends `text` with every byte escaped that RFC 3986 section 3.3 does not have in a segment.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+'
            | b',' | b';' | b'=' | b':' | b'@' => out.push(char::from(byte)),
            _ => {
                let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fill(pattern: &str, slashes: bool, value: &str) -> Result<String, FillError> {
        let pattern = PathPattern::parse(pattern).unwrap();
        let filled = pattern.fill(slashes, |_| Some(value))?;
        assert!(pattern.matches(&filled.path), "{}", filled.path);
        for (_, range) in &filled.params {
            assert!(filled.path.get(range.start as usize..range.end as usize).is_some());
        }
        Ok(filled.path)
    }

    #[test]
    fn values_become_segments() {
        assert_eq!(
            fill("/v1/orders/{id}", false, "a b?c#d%").unwrap(),
            "/v1/orders/a%20b%3Fc%23d%25"
        );
        assert_eq!(fill("/{a}/x", false, "café").unwrap(), "/caf%C3%A9/x");
        assert_eq!(fill("/{a}", true, "b/c").unwrap(), "/b%2Fc");
        assert_eq!(fill("/files/{*rest}", false, "b/c d").unwrap(), "/files/b/c%20d");
        assert_eq!(PathPattern::any().fill(false, |_| None).unwrap().path, "/");
        assert_eq!(PathPattern::prefix("/v1").unwrap().fill(false, |_| None).unwrap().path, "/v1");
    }

    #[test]
    fn values_cannot_leave_their_place() {
        for value in ["", ".", "..", "a/b", "a\\b", "a\nb", "%2e%2e"] {
            let filled = fill("/v1/{a}", false, value);
            match value {
                // Its percent signs are escaped themselves, so it hides nothing.
                "%2e%2e" => assert!(filled.is_err() || filled == Ok("/v1/%252e%252e".into())),
                _ => assert!(filled.is_err(), "{value:?} {filled:?}"),
            }
        }
        for value in ["a/../b", "a//b", "/a", "a/"] {
            assert!(fill("/f/{*rest}", true, value).is_err(), "{value:?}");
        }
    }
}
