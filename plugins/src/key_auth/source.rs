//! Finding the key in a request, and taking it out.

use super::config;
use http::{
    HeaderName, Uri,
    header::AUTHORIZATION,
    uri::{InvalidUri, InvalidUriParts, PathAndQuery},
};
use paifang_pipeline::{ConfigError, Exchange, RequestHead};
use percent_encoding::percent_decode;
use std::borrow::Cow;

const MAX_SOURCES: usize = 8;

/// One place to look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Header(HeaderName),
    Query(Box<[u8]>),
    /// Compared without regard to case (RFC 9110 section 11.1).
    Scheme(Box<str>),
}

/// A key, as the client sent it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Presented<'a> {
    /// The place it was found at.
    pub(crate) source: usize,
    /// As it stands in its header, or decoded from its parameter.
    pub(crate) key: Cow<'a, [u8]>,
}

/// There is no one key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    Missing,
    Ambiguous,
}

/// Reads the option `from`.
pub(super) fn sources(from: &[config::Source]) -> Result<Box<[Source]>, ConfigError> {
    if !(1..=MAX_SOURCES).contains(&from.len()) {
        let message = format!("a key has 1 to {MAX_SOURCES} places, not {}", from.len());
        return Err(ConfigError::at("/from", message));
    }
    let mut sources: Vec<Source> = Vec::new();
    for (index, source) in from.iter().enumerate() {
        let at = |kind: &str| format!("/from/{index}/{kind}");
        let (pointer, source) = match source {
            config::Source::Header(name) => (at("header"), header(name, &at("header"))?),
            config::Source::Query(name) => (at("query"), query(name, &at("query"))?),
            config::Source::Scheme(name) => (at("scheme"), scheme(name, &at("scheme"))?),
        };
        if sources.contains(&source) {
            return Err(ConfigError::at(&pointer, "this place stands here twice"));
        }
        sources.push(source);
    }
    Ok(sources.into())
}

/// A header other than `Authorization`; `at` is where its name stands.
pub(crate) fn header(name: &str, at: &str) -> Result<Source, ConfigError> {
    match token(name, "header", at)? {
        AUTHORIZATION => Err(ConfigError::at(at, "the key is only a part of this header")
            .help("write `{ scheme: ApiKey }`, or another scheme")),
        name => Ok(Source::Header(name)),
    }
}

/// A scheme of `Authorization`.
pub(crate) fn scheme(name: &str, at: &str) -> Result<Source, ConfigError> {
    token(name, "scheme", at).map(|_| Source::Scheme(name.into()))
}

/// A query parameter.
pub(crate) fn query(name: &str, at: &str) -> Result<Source, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::at(at, "a query parameter has a name"));
    }
    Ok(Source::Query(name.as_bytes().into()))
}

/// A scheme is a token, like a header's name (RFC 9110 section 11.1).
fn token(name: &str, kind: &str, at: &str) -> Result<HeaderName, ConfigError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| ConfigError::at(at, format!("`{name}` is no {kind}'s name")))
}

/// The key of a request: exactly one, at one of the places.
pub(crate) fn find<'a>(sources: &[Source], call: &'a Exchange) -> Result<Presented<'a>, NoKey> {
    let mut found = None;
    for (index, source) in sources.iter().enumerate() {
        let mut one = |key| match found.replace(Presented { source: index, key }) {
            None => Ok(()),
            Some(_) => Err(NoKey::Ambiguous),
        };
        match source {
            Source::Header(name) => call
                .headers()
                .get_all(name)
                .iter()
                .try_for_each(|value| one(Cow::Borrowed(value.as_bytes())))?,
            Source::Scheme(scheme) => {
                let mut fields = call.headers().get_all(AUTHORIZATION).iter();
                let Some(field) = fields.next() else { continue };
                if fields.next().is_some() {
                    return Err(NoKey::Ambiguous);
                }
                if let Some(key) = after_scheme(field.as_bytes(), scheme) {
                    one(Cow::Borrowed(key))?;
                }
            }
            Source::Query(name) => pieces(call.query())
                .filter(|piece| is_named(piece, name))
                .try_for_each(|piece| one(Cow::Owned(value(piece).collect())))?,
        }
    }
    found.ok_or(NoKey::Missing)
}

/// Takes the key out of the request: every value of its header, or its query parameter.
pub(crate) fn hide(source: &Source, head: &mut RequestHead) -> Result<(), HideError> {
    match source {
        Source::Header(name) => drop(head.headers.remove(name)),
        Source::Scheme(_) => drop(head.headers.remove(AUTHORIZATION)),
        Source::Query(name) => {
            let uri = &head.uri;
            let mut target = String::with_capacity(uri.path().len() + 64);
            target.push_str(uri.path());
            let others = pieces(uri.query()).filter(|piece| !is_named(piece, name));
            for (index, piece) in others.enumerate() {
                target.push(if index == 0 { '?' } else { '&' });
                target.push_str(piece);
            }
            let mut parts = std::mem::take(&mut head.uri).into_parts();
            parts.path_and_query = Some(PathAndQuery::try_from(target)?);
            head.uri = Uri::from_parts(parts)?;
        }
    }
    Ok(())
}

/// A target without the key is no target; cannot happen, since parts of a target make targets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HideError {
    #[error("the target without the key: {0}")]
    Target(#[from] InvalidUri),
    #[error("the URI without the key: {0}")]
    Uri(#[from] InvalidUriParts),
}

/// `Scheme SP+ key`; the key as it is, without white space around it.
fn after_scheme<'a>(field: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = field.split_at_checked(scheme.len())?;
    let is_scheme = name.eq_ignore_ascii_case(scheme.as_bytes());
    match rest {
        [] if is_scheme => Some(b""),
        [b' ', key @ ..] if is_scheme => Some(key.trim_ascii()),
        _ => None,
    }
}

fn pieces(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.into_iter().flat_map(|query| query.split('&'))
}

fn is_named(piece: &str, name: &[u8]) -> bool {
    let raw = piece.split('=').next().unwrap_or_default();
    decode(raw).eq(name.iter().copied())
}

fn value(piece: &str) -> impl Iterator<Item = u8> {
    decode(piece.split_once('=').map_or("", |(_, value)| value))
}

/// Form decoding: `+` is a space, `%20` too. So a name is found however it is spelt.
fn decode(text: &str) -> impl Iterator<Item = u8> {
    text.split('+').enumerate().flat_map(|(index, part)| {
        (index > 0).then_some(b' ').into_iter().chain(percent_decode(part.as_bytes()))
    })
}
