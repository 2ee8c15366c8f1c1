//! The signature's header: `PF1-HMAC-SHA256 KeyId=…, Timestamp=…, Nonce=…, Signature=…` and, where
//! headers are signed, `SignedHeaders=a;b`.
//!
//! Normative: docs/plugins/signature.md. Every part has one spelling; whatever else is refused, so
//! that nothing can be read in two ways.

use smallvec::SmallVec;

/// The scheme, and the version of the canonical form.
pub const SCHEME: &str = "PF1-HMAC-SHA256";

/// The most headers that one signature names.
pub const MAX_SIGNED_HEADERS: usize = 32;

/// What the signature's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Which key: 1 to 128 of letters, digits, `.`, `_`, `-`.
    pub key_id: &'a str,
    /// When it was signed: seconds since the Unix epoch, 1 to 12 digits, no leading zero.
    pub timestamp: &'a str,
    /// Drawn anew for each request: 16 to 64 of letters, digits, `_`, `-`.
    pub nonce: &'a str,
    /// Names of signed headers: lower case, ascending, each once.
    pub signed_headers: SmallVec<[&'a str; 8]>,
    /// HMAC-SHA256 of the canonical form; 64 lower-case hexadecimal digits in the header.
    pub signature: [u8; 32],
}

/// Why a header is no signature's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Another scheme: not a broken signature, but none.
    #[error("the scheme is not {SCHEME}")]
    OtherScheme,
    /// Bytes that are not printable ASCII.
    #[error("the header has characters outside of ASCII")]
    NotText,
    /// A parameter that is no `Name=value`, or of no known name.
    #[error("unknown or malformed parameter")]
    Parameter,
    /// A parameter that stands there twice.
    #[error("`{0}` stands there twice")]
    Twice(&'static str),
    /// A parameter that is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value that breaks the rules of its parameter.
    #[error("`{0}` is malformed")]
    Value(&'static str),
}

use CredentialsError::{Missing, NotText, OtherScheme, Parameter, Twice, Value};

impl<'a> Credentials<'a> {
    /// Reads the header's value.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn parse(field: &'a [u8]) -> Result<Self, CredentialsError> {
        let scheme = field.split(|byte| *byte == b' ').next().unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
            return Err(OtherScheme);
        }
        let rest = std::str::from_utf8(&field[scheme.len()..]).map_err(|_| NotText)?;
        let mut found = Found::default();
        for parameter in rest.split(',') {
            let (name, value) =
                parameter.trim_matches([' ', '\t']).split_once('=').ok_or(Parameter)?;
            let (name, place) = match name {
                "KeyId" => ("KeyId", &mut found.key_id),
                "Timestamp" => ("Timestamp", &mut found.timestamp),
                "Nonce" => ("Nonce", &mut found.nonce),
                "SignedHeaders" => ("SignedHeaders", &mut found.signed_headers),
                "Signature" => ("Signature", &mut found.signature),
                _ => return Err(Parameter),
            };
            if place.replace(value).is_some() {
                return Err(Twice(name));
            }
        }
        found.check()
    }

    /// The timestamp as a number.
    #[must_use]
    pub fn unix_seconds(&self) -> u64 {
        // Twelve digits always fit.
        self.timestamp.parse().unwrap_or(0)
    }
}

#[derive(Default)]
struct Found<'a> {
    key_id: Option<&'a str>,
    timestamp: Option<&'a str>,
    nonce: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn check(self) -> Result<Credentials<'a>, CredentialsError> {
        let word = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
        let get = |value: Option<&'a str>, name, rule: &dyn Fn(&str) -> bool| {
            let value = value.ok_or(Missing(name))?;
            if rule(value) { Ok(value) } else { Err(Value(name)) }
        };
        Ok(Credentials {
            key_id: get(self.key_id, "KeyId", &is_key_id)?,
            timestamp: get(self.timestamp, "Timestamp", &|text| {
                (1..=12).contains(&text.len())
                    && text.bytes().all(|c| c.is_ascii_digit())
                    && !text.starts_with('0')
            })?,
            nonce: get(self.nonce, "Nonce", &|text| {
                (16..=64).contains(&text.len()) && text.bytes().all(word)
            })?,
            signed_headers: match self.signed_headers {
                None => SmallVec::new(),
                Some(list) => names(list).ok_or(Value("SignedHeaders"))?,
            },
            signature: self
                .signature
                .ok_or(Missing("Signature"))
                .and_then(|text| hex(text).ok_or(Value("Signature")))?,
        })
    }
}

/// Whether a key of this id can be named in a signature's header.
#[must_use]
pub fn is_key_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

/// Whether `text` is a header's name in lower case (RFC 9110 section 5.6.2).
fn is_name(text: &str) -> bool {
    let tchar =
        |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&c);
    !text.is_empty() && text.bytes().all(tchar)
}

fn names(list: &str) -> Option<SmallVec<[&str; 8]>> {
    let mut names: SmallVec<[&str; 8]> = SmallVec::new();
    for name in list.split(';') {
        let follows = names.last().is_none_or(|last| *last < name);
        if !follows || !is_name(name) || names.len() == MAX_SIGNED_HEADERS {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    //! One spelling, everything else refused.
    #![allow(clippy::unwrap_used)]
    use super::{Credentials, CredentialsError as E};

    const HEX: &str = "00ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e";

    fn parse(parameters: &str) -> Result<(), E> {
        let field = format!("PF1-HMAC-SHA256 {}", parameters.replace("HEX", HEX));
        Credentials::parse(field.as_bytes()).map(|_| ())
    }

    #[test]
    fn reads_what_the_page_says() {
        let field = format!(
            "PF1-HMAC-SHA256 KeyId=k.1_a-b, Timestamp=1767225600,Nonce=0123456789abcdef,\tSignedHeaders=accept;x-user, Signature={HEX}"
        );
        let read = Credentials::parse(field.as_bytes()).unwrap();
        assert_eq!((read.key_id, read.nonce), ("k.1_a-b", "0123456789abcdef"));
        assert_eq!((read.timestamp, read.unix_seconds()), ("1767225600", 1_767_225_600));
        assert_eq!(&read.signed_headers[..], ["accept", "x-user"]);
        assert_eq!(read.signature[..3], [0, 255, 1]);
    }

    #[test]
    fn order_does_not_matter_and_signed_headers_may_be_absent() {
        assert_eq!(parse("Signature=HEX, Nonce=0123456789abcdef, KeyId=k, Timestamp=1"), Ok(()));
    }

    #[test]
    fn refuses_everything_else() {
        let with = |name: &str, value: &str| {
            let mut all = vec![
                ("KeyId", "k"),
                ("Timestamp", "1"),
                ("Nonce", "0123456789abcdef"),
                ("Signature", HEX),
            ];
            all.retain(|(other, _)| *other != name);
            all.push((name, value));
            let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
            parse(&all.join(", "))
        };
        let long = "k".repeat(129);
        for (name, value, error) in [
            ("KeyId", "", E::Value("KeyId")),
            ("KeyId", "a/b", E::Value("KeyId")),
            ("KeyId", "\"k\"", E::Value("KeyId")),
            ("KeyId", &long, E::Value("KeyId")),
            ("Timestamp", "", E::Value("Timestamp")),
            ("Timestamp", "01", E::Value("Timestamp")),
            ("Timestamp", "+1", E::Value("Timestamp")),
            ("Timestamp", "-1", E::Value("Timestamp")),
            ("Timestamp", "1.5", E::Value("Timestamp")),
            ("Timestamp", "1234567890123", E::Value("Timestamp")),
            ("Nonce", "0123456789abcde", E::Value("Nonce")),
            ("Nonce", "0123456789abcde=", E::Value("Nonce")),
            ("Nonce", &long, E::Value("Nonce")),
            ("SignedHeaders", "", E::Value("SignedHeaders")),
            ("SignedHeaders", "b;a", E::Value("SignedHeaders")),
            ("SignedHeaders", "a;a", E::Value("SignedHeaders")),
            ("SignedHeaders", "A", E::Value("SignedHeaders")),
            ("SignedHeaders", "a;", E::Value("SignedHeaders")),
            ("SignedHeaders", "a:b", E::Value("SignedHeaders")),
            ("Signature", &HEX[1..], E::Value("Signature")),
            ("Signature", &HEX.to_uppercase(), E::Value("Signature")),
            ("Extra", "1", E::Parameter),
            ("keyid", "1", E::Parameter),
        ] {
            assert_eq!(with(name, value), Err(error), "{name}={value}");
        }
        assert_eq!(parse(""), Err(E::Parameter));
        assert_eq!(parse("KeyId=k"), Err(E::Missing("Timestamp")));
        assert_eq!(parse("KeyId=k, KeyId=k"), Err(E::Twice("KeyId")));
        assert_eq!(parse("KeyId=k,, Nonce=x"), Err(E::Parameter));
        assert_eq!(Credentials::parse(b"Bearer x"), Err(E::OtherScheme));
        assert_eq!(Credentials::parse(b"PF1-HMAC-SHA256x KeyId=k"), Err(E::OtherScheme));
        assert_eq!(Credentials::parse(b"PF1-HMAC-SHA256 KeyId=\xFF"), Err(E::NotText));
    }

    #[test]
    fn signed_headers_are_bounded() {
        let list = |count: usize| {
            let names: Vec<_> = (0..count).map(|number| format!("h{number:02}")).collect();
            let all = format!(
                "KeyId=k, Timestamp=1, Nonce=0123456789abcdef, Signature=HEX, SignedHeaders={}",
                names.join(";")
            );
            parse(&all)
        };
        assert_eq!(list(32), Ok(()));
        assert_eq!(list(33), Err(E::Value("SignedHeaders")));
    }
}
