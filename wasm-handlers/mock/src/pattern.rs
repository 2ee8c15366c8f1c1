//! Patterns of paths: `/v1/users/{id}`, `/v1/*/orders`, `/files/*`.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// A pattern, segment by segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Segment>);

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    /// This text, once decoded.
    Text(String),
    /// Any one segment.
    Any,
    /// Any one segment with something in it, by this name.
    Named(String),
    /// At least one segment, to the end.
    Rest,
}

/// What the named segments of a path are, decoded.
pub(crate) type Captured<'a> = Vec<(&'a str, String)>;

impl Pattern {
    /// Reads it; else says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("a path begins with `/`")?;
        let count = path.split('/').count();
        let mut names: Vec<&str> = Vec::new();
        let mut segments = Vec::with_capacity(count);
        for (at, segment) in path.split('/').enumerate() {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            segments.push(match (segment, name) {
                ("*", _) if at + 1 == count => Segment::Rest,
                ("*", _) => Segment::Any,
                (_, Some(name)) => {
                    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                    if name.is_empty() || !name.bytes().all(plain) {
                        return Err("a name is letters, digits, `_` and `-`");
                    }
                    if names.contains(&name) {
                        return Err("a name stands there twice");
                    }
                    names.push(name);
                    Segment::Named(name.to_owned())
                }
                _ if segment.contains(['{', '}', '*', '?', '#']) => {
                    return Err("`*` and `{name}` are whole segments, and `?` begins no path");
                }
                _ => Segment::Text(decoded(segment).into_owned()),
            });
        }
        Ok(Self(segments))
    }

    /// What the named segments are, where the path matches.
    pub(crate) fn captures(&self, path: &str) -> Option<Captured<'_>> {
        let mut captured = Captured::new();
        let mut left = path.strip_prefix('/')?.split('/');
        for segment in &self.0 {
            let found = left.next()?;
            match segment {
                Segment::Rest => return Some(captured),
                Segment::Any => {}
                Segment::Text(text) if decoded(found) == text.as_str() => {}
                Segment::Named(name) if !found.is_empty() => {
                    captured.push((name, decoded(found).into_owned()));
                }
                Segment::Text(_) | Segment::Named(_) => return None,
            }
        }
        left.next().is_none().then_some(captured)
    }
}

/// With its escapes read; bytes that are no text become U+FFFD.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn captures(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let pattern = Pattern::parse(pattern).unwrap();
        let found = pattern.captures(path)?;
        Some(found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn paths_match_segment_by_segment() {
        for (pattern, path) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a b", "/a%20b"),
            ("/a%20b", "/a%20b"),
            ("/a/*/c", "/a/b/c"),
            ("/a/*/c", "/a//c"),
            ("/*", "/"),
            ("/a/*", "/a/b"),
            ("/a/*", "/a/b/c/"),
            ("/a/*", "/a/"),
        ] {
            assert_eq!(captures(pattern, path), Some(vec![]), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/", "/a"),
            ("/a", "/"),
            ("/a", "/a/"),
            ("/a/", "/a"),
            ("/a", "/A"),
            ("/a/*", "/a"),
            ("/a/*/c", "/a/b/b/c"),
            ("/a/{x}", "/a/"),
            ("/a/{x}", "/a/b/c"),
            ("/a", "*"),
        ] {
            assert_eq!(captures(pattern, path), None, "{pattern} {path}");
        }
    }

    #[test]
    fn named_segments_are_captured_decoded() {
        let one = captures("/users/{id}/orders/{order-1}", "/users/j%C3%B6/orders/a%2Fb").unwrap();
        let expected = [("id", "jö"), ("order-1", "a/b")];
        assert_eq!(one, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "a", "/a*", "/{", "/{}", "/{a b}", "/{a}x", "/{a}/{a}", "/a?b", "/**"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
