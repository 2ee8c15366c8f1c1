//! The canonical form: the text that partners sign. Pure but for the digests, which are handed in.

use crate::encoding::Encoding;
use paifang_guest::{ConfigError, HeaderName, host::crypto::HashAlgorithm, prelude::*};
use percent_encoding::percent_decode_str;

const MAX_PARTS: usize = 32;

/// A part of the form, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Method,
    Host,
    Path,
    /// Its parameters between `&`, sorted by their bytes.
    Query,
    /// As it is.
    RawQuery,
    /// The value, without white space around it; empty where there is none.
    Header(HeaderName),
    /// The body itself.
    Body,
    BodySha256,
    BodySha512,
    /// This text.
    Literal(String),
}

/// Why a request has no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsignable {
    /// A header of the form is there several times.
    RepeatedHeader,
    /// A parameter is there several times, so that sorting would lose something.
    RepeatedParameter,
    /// A part has the separator in it, so that its end could be read in two ways.
    Separator,
}

/// The form, ready to be written.
#[derive(Debug)]
pub(crate) struct Form {
    parts: Vec<Part>,
    separator: String,
    digests: Encoding,
}

impl Form {
    pub(crate) fn new(
        parts: Vec<Part>,
        separator: String,
        digests: Encoding,
    ) -> Result<Self, ConfigError> {
        if !(1..=MAX_PARTS).contains(&parts.len()) {
            return Err(ConfigError::at("/form", format!("1 to {MAX_PARTS} parts")));
        }
        if parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            return Err(ConfigError::at("/form", "nothing of the request is signed"));
        }
        Ok(Self { parts, separator, digests })
    }

    /// What it needs of a request, but the body.
    pub(crate) fn reads(&self) -> Reads {
        self.parts.iter().fold(Reads::new(), |reads, part| match part {
            Part::Method => reads.facts(Facts::METHOD),
            Part::Host => reads.facts(Facts::HOST),
            Part::Path => reads.facts(Facts::PATH),
            Part::Query | Part::RawQuery => reads.facts(Facts::QUERY),
            Part::Header(name) => reads.header(name),
            Part::Body | Part::BodySha256 | Part::BodySha512 | Part::Literal(_) => reads,
        })
    }

    pub(crate) fn needs_body(&self) -> bool {
        let of_body =
            |part: &Part| matches!(part, Part::Body | Part::BodySha256 | Part::BodySha512);
        self.parts.iter().any(of_body)
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.parts.iter().filter_map(|part| match part {
            Part::Header(name) => Some(name),
            _ => None,
        })
    }

    /// Writes the form of a request. `hash` is the host's.
    pub(crate) fn write(
        &self,
        call: &Call,
        body: &[u8],
        hash: impl Fn(HashAlgorithm, &[u8]) -> Vec<u8>,
    ) -> Result<Vec<u8>, Unsignable> {
        let separator = self.separator.as_bytes();
        let mut text = Vec::with_capacity(256);
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                text.extend_from_slice(separator);
            }
            let begin = text.len();
            self.part(part, call, body, &hash, &mut text)?;
            let last = at + 1 == self.parts.len();
            let open = last || separator.is_empty() || matches!(part, Part::Literal(_));
            if !open && contains(&text[begin..], separator) {
                return Err(Unsignable::Separator);
            }
        }
        Ok(text)
    }

    fn part(
        &self,
        part: &Part,
        call: &Call,
        body: &[u8],
        hash: &impl Fn(HashAlgorithm, &[u8]) -> Vec<u8>,
        text: &mut Vec<u8>,
    ) -> Result<(), Unsignable> {
        let digest = |algorithm| self.digests.encode(&hash(algorithm, body));
        let fact = |fact: &Option<String>| fact.clone().unwrap_or_default();
        match part {
            Part::Method => text.extend(fact(&call.method).bytes()),
            Part::Host => text.extend(fact(&call.host).bytes()),
            Part::Path => text.extend(fact(&call.path).bytes()),
            Part::Query => text.extend(sorted(call.query.as_deref().unwrap_or_default())?.bytes()),
            Part::RawQuery => text.extend(fact(&call.query).bytes()),
            Part::Header(name) => {
                let mut values = call.header_bytes(name);
                text.extend(values.next().unwrap_or_default().trim_ascii());
                if values.next().is_some() {
                    return Err(Unsignable::RepeatedHeader);
                }
            }
            Part::Body => text.extend_from_slice(body),
            Part::BodySha256 => text.extend(digest(HashAlgorithm::Sha256).bytes()),
            Part::BodySha512 => text.extend(digest(HashAlgorithm::Sha512).bytes()),
            Part::Literal(literal) => text.extend(literal.bytes()),
        }
        Ok(())
    }
}

/// The query's parameters in the order of their bytes. A name may be there once, as form decoding
/// reads it: the order of two would be lost, and with it which of them an upstream takes.
fn sorted(query: &str) -> Result<String, Unsignable> {
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_unstable();
    let mut names: Vec<Vec<u8>> = parts.iter().map(|part| name(part)).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Unsignable::RepeatedParameter);
    }
    Ok(parts.join("&"))
}

fn name(part: &str) -> Vec<u8> {
    let raw = part.split('=').next().unwrap_or_default().replace('+', " ");
    percent_decode_str(&raw).collect()
}

fn contains(text: &[u8], separator: &[u8]) -> bool {
    text.windows(separator.len()).any(|part| part == separator)
}
