//! The name of a header, as a config gives it.

use serde::{Deserialize, Deserializer, de::Error};
use std::ops::Deref;

/// A header's name in lower case: 1 to 128 characters that HTTP allows there (RFC 9110 section
/// 5.6.2). In a schema: ``"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"``.
///
/// ```
/// use paifang_guest::HeaderName;
///
/// let name: HeaderName = serde_json::from_str("\"X-Session\"").unwrap();
/// assert_eq!(&*name, "x-session");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeaderName(String);

impl HeaderName {
    /// Reads it; `None` where the text is no header's name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let right = (1..=128).contains(&text.len()) && text.bytes().all(allowed);
        right.then(|| Self(text.to_ascii_lowercase()))
    }
}

impl HeaderName {
    /// A name that the handler itself knows, such as a default.
    ///
    /// # Panics
    /// Where the text is no header's name.
    #[must_use]
    pub fn known(text: &'static str) -> Self {
        Self::new(text).unwrap_or_else(|| panic!("`{text}` is no name of a header"))
    }
}

impl Deref for HeaderName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HeaderName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HeaderName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::new(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no name of a header")))
    }
}

#[cfg(test)]
mod tests {
    use super::HeaderName;

    #[test]
    fn only_what_http_allows_is_a_name() {
        assert_eq!(HeaderName::new("X-A_b.1").as_deref(), Some("x-a_b.1"));
        for text in ["", "a b", "a:b", "ä", "a\n", &"a".repeat(129)] {
            assert_eq!(HeaderName::new(text), None, "{text}");
        }
    }
}
