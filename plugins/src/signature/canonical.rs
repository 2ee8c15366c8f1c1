//! The canonical form: the text that is signed. Pure functions of what a request says.
//!
//! Normative: docs/plugins/signature.md. Lines, each ended by LF:
//!
//! ```text
//! PF1-HMAC-SHA256
//! <method>
//! <host, lower case, without port>
//! <normalised path>
//! <query, its parts between & sorted by their bytes>
//! <key id>
//! <timestamp>
//! <nonce>
//! <SHA-256 of the body, lower-case hexadecimal>
//! <name>:<value>              one line for each signed header, by name
//! ```
//!
//! Two requests have the same text only when they mean the same: no part can contain a LF, parts
//! come in a fixed order, nothing is decoded, and what only differs in the order of its parameters
//! has no parameter twice, so their order carries no meaning.

use super::credentials::{Credentials, SCHEME};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;
use std::borrow::Cow;

/// What of a request is signed, besides its body and what its credentials say.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The method, as it is.
    pub method: &'a str,
    /// The host in lower case, without port; empty where there is none.
    pub host: &'a str,
    /// The normalised path.
    pub path: &'a str,
    /// The query without `?`, as it is; empty where there is none.
    pub query: &'a str,
    /// The headers, of which those are signed that the credentials name.
    pub headers: &'a HeaderMap,
}

/// Why a request has no canonical form under its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsignable {
    /// A query parameter stands there twice; names are compared decoded, for so the upstream does.
    #[error("a query parameter stands there twice")]
    RepeatedParameter,
    /// A signed header is missing.
    #[error("a signed header is missing")]
    MissingHeader,
    /// A signed header has more than one value.
    #[error("a signed header stands there twice")]
    RepeatedHeader,
}

/// A request in canonical form, up to its body.
#[derive(Debug)]
pub struct Canonical<'a, 'c> {
    signed: Signed<'a>,
    credentials: &'a Credentials<'c>,
    query: SmallVec<[&'a str; 16]>,
}

impl<'a, 'c> Canonical<'a, 'c> {
    /// Checks and sorts what is known before the body is there.
    ///
    /// # Errors
    /// See [`Unsignable`].
    pub fn new(signed: Signed<'a>, credentials: &'a Credentials<'c>) -> Result<Self, Unsignable> {
        let mut query: SmallVec<[&str; 16]> = signed.query.split('&').collect();
        query.sort_unstable();
        if has_repeated_name(&query) {
            return Err(Unsignable::RepeatedParameter);
        }
        for name in &credentials.signed_headers {
            let mut values = signed.headers.get_all(*name).iter();
            if values.next().is_none() {
                return Err(Unsignable::MissingHeader);
            }
            if values.next().is_some() {
                return Err(Unsignable::RepeatedHeader);
            }
        }
        Ok(Self { signed, credentials, query })
    }

    /// Appends the whole text to `out`.
    pub fn write(&self, body_sha256: &[u8; 32], out: &mut impl Extend<u8>) {
        let Self { signed, credentials, query } = self;
        for line in [SCHEME, signed.method, signed.host, signed.path] {
            push_line(out, line.as_bytes());
        }
        for (index, part) in query.iter().enumerate() {
            out.extend((index > 0).then_some(b'&'));
            out.extend(part.bytes());
        }
        push_line(out, b"");
        for line in [credentials.key_id, credentials.timestamp, credentials.nonce] {
            push_line(out, line.as_bytes());
        }
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| HEX[usize::from(value)];
        out.extend(body_sha256.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        push_line(out, b"");
        for name in &credentials.signed_headers {
            out.extend(name.bytes());
            out.extend([b':']);
            let value = signed.headers.get(*name).map_or(&b""[..], |value| value.as_bytes());
            push_line(out, trim(value));
        }
    }
}

fn push_line(out: &mut impl Extend<u8>, text: &[u8]) {
    out.extend(text.iter().copied());
    out.extend([b'\n']);
}

/// Without the white space around a field value (RFC 9110 section 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn has_repeated_name(parts: &[&str]) -> bool {
    if parts.len() < 2 {
        return false;
    }
    let mut names: SmallVec<[Cow<'_, [u8]>; 16]> = parts.iter().map(|part| name(part)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// A parameter's name as form decoding reads it: `+` is a space.
fn name(part: &str) -> Cow<'_, [u8]> {
    let raw = part.split('=').next().unwrap_or_default();
    let decoded = Cow::from(percent_decode_str(raw));
    if !raw.contains('+') {
        return decoded;
    }
    let spaced = raw.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).collect())
}

#[cfg(test)]
mod tests {
    //! The form's rules one by one; whole texts are in the test vectors.
    #![allow(clippy::unwrap_used)]
    use super::{Canonical, Credentials, Signed, Unsignable};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn text(query: &str, headers: &[(&str, &str)], signed: &[&str]) -> Result<String, Unsignable> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let credentials = Credentials {
            key_id: "k",
            timestamp: "1",
            nonce: "n",
            signed_headers: signed.iter().copied().collect(),
            signature: [0; 32],
        };
        let signed = Signed { method: "GET", host: "a", path: "/p", query, headers: &headers };
        let mut out = Vec::new();
        Canonical::new(signed, &credentials)?.write(&[0xAB; 32], &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn has_the_lines_of_the_page() {
        let body = "ab".repeat(32);
        assert_eq!(
            text("b=2&a=1", &[("x-b", "2"), ("x-a", " 1 1\t"), ("x-c", "3")], &["x-a", "x-b"]),
            Ok(format!("PF1-HMAC-SHA256\nGET\na\n/p\na=1&b=2\nk\n1\nn\n{body}\nx-a:1 1\nx-b:2\n"))
        );
    }

    #[test]
    fn the_query_is_sorted_by_parts_and_nothing_is_decoded() {
        let query = |query: &str| {
            text(query, &[], &[]).map(|text| text.split('\n').nth(4).unwrap().to_owned())
        };
        for (sent, line) in [
            ("", ""),
            ("a", "a"),
            ("b&a", "a&b"),
            ("a=1&a-b=2", "a-b=2&a=1"),
            ("b=1&&a=2", "&a=2&b=1"),
            ("q=a%2Bb", "q=a%2Bb"),
            ("q=a+b", "q=a+b"),
            ("q=%e4", "q=%e4"),
            ("q=%", "q=%"),
            ("B=1&a=1&C=1", "B=1&C=1&a=1"),
            ("a=b=c", "a=b=c"),
        ] {
            assert_eq!(query(sent), Ok(line.to_owned()), "{sent}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for query in ["a=1&a=2", "a=1&b&a", "a=1&%61=2", "a%20b&a+b", "&", "a=1&=2&=3"] {
            assert_eq!(text(query, &[], &[]), Err(Unsignable::RepeatedParameter), "{query}");
        }
        assert_eq!(text("", &[], &["x"]), Err(Unsignable::MissingHeader));
        let twice = &[("x", "1"), ("x", "1")];
        assert_eq!(text("", twice, &["x"]), Err(Unsignable::RepeatedHeader));
        assert!(text("", twice, &[]).is_ok(), "what is not signed may repeat");
    }
}
