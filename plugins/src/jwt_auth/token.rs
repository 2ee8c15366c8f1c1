//! A token's text: three parts in base64url, parted by dots (RFC 7515 section 7.1).
//!
//! Only what says which key and algorithm are meant is taken from the header. `jku`, `x5u`, `jwk`
//! and `x5c` say where a key could be had, and are not heard (RFC 8725 section 3.10).

use super::{algorithm::Algorithm, strict};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// The longest token that any config takes, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// The longest `kid`, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// A token that has been read and not yet believed.
#[derive(Debug)]
pub struct Token<'a> {
    /// What the signature must be made with.
    pub algorithm: Algorithm,
    /// The key's id (`kid`), for finding it among those that are known.
    pub key: Option<Box<str>>,
    /// What the token is (`typ`), in lower case and without `application/`.
    pub kind: Option<Box<str>>,
    /// What is signed: the first two parts with their dot.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: Vec<u8>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any token may be.
    #[error("the token is too long")]
    TooLong,
    /// Not three parts.
    #[error("the token has not three parts")]
    Parts,
    /// A part is not base64url without padding, in its one spelling.
    #[error("a part of the token is no base64url")]
    Base64,
    /// A part is no JSON object, has a name twice, or is nested too deep.
    #[error("a part of the token is no acceptable JSON object")]
    Json,
    /// The header says nothing usable of the algorithm: `none` is none.
    #[error("the token's algorithm is none that is taken")]
    Algorithm,
    /// `kid` or `typ` is no text, or too long.
    #[error("the token's header is malformed")]
    Header,
    /// Extensions that must be understood (RFC 7515 section 4.1.11); none are.
    #[error("the token has critical extensions")]
    Critical,
}

impl<'a> Token<'a> {
    /// Reads a token; nothing about it is verified.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn parse(text: &'a [u8]) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenError::TooLong);
        }
        let mut dots = text.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let (Some((first, _)), Some((second, _)), None) = (dots.next(), dots.next(), dots.next())
        else {
            return Err(TokenError::Parts);
        };
        let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Base64);
        let json = |part: &[u8]| strict::object(&decode(part)?).ok_or(TokenError::Json);
        let header = json(&text[..first])?;
        // Any value: an empty list is not allowed either.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(TokenError::Critical);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
        Ok(Self {
            algorithm: algorithm.ok_or(TokenError::Algorithm)?,
            key: short(&header, "kid")?.map(Into::into),
            kind: short(&header, "typ")?.map(kind),
            signed: &text[..second],
            signature: decode(&text[second + 1..])?,
            claims: json(&text[first + 1..second])?,
        })
    }
}

fn short<'a>(header: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_ID_BYTES => Ok(Some(text)),
        Some(_) => Err(TokenError::Header),
    }
}

/// A media type as `typ` is compared (RFC 7515 section 4.1.9).
pub(super) fn kind(text: &str) -> Box<str> {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").unwrap_or(&text).into()
}
