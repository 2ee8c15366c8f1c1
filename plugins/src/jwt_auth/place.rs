//! Where the token is in a request, and taking it out of there.

use super::config;
use crate::key_auth::source::{self, NoKey, Presented, Source, find};
use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};
use paifang_pipeline::{ConfigError, Exchange, RequestHead};
use std::borrow::Cow;

const MAX_PLACES: usize = 8;

/// One place to look at.
#[derive(PartialEq, Eq)]
pub(super) enum Place {
    /// Where keys may be, too.
    Source(Source),
    Cookie(Box<[u8]>),
}

/// Reads the option `from`.
pub(super) fn places(from: &[config::Place]) -> Result<Box<[Place]>, ConfigError> {
    if !(1..=MAX_PLACES).contains(&from.len()) {
        let message = format!("a token has 1 to {MAX_PLACES} places, not {}", from.len());
        return Err(ConfigError::at("/from", message));
    }
    let mut places: Vec<Place> = Vec::new();
    for (index, place) in from.iter().enumerate() {
        let at = format!("/from/{index}");
        let (kind, place) = match place {
            config::Place::Scheme(name) => {
                ("scheme", Place::Source(source::scheme(name, &format!("{at}/scheme"))?))
            }
            config::Place::Header(name) => {
                ("header", Place::Source(source::header(name, &format!("{at}/header"))?))
            }
            config::Place::Query(name) => {
                ("query", Place::Source(source::query(name, &format!("{at}/query"))?))
            }
            config::Place::Cookie(name) => {
                // A cookie's name is a token, like a header's (RFC 6265 section 4.1.1).
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                    ConfigError::at(format!("{at}/cookie"), format!("`{name}` is no cookie's name"))
                })?;
                ("cookie", Place::Cookie(name.as_bytes().into()))
            }
        };
        if places.contains(&place) {
            return Err(ConfigError::at(format!("{at}/{kind}"), "this place stands here twice"));
        }
        places.push(place);
    }
    Ok(places.into())
}

/// The token of a request, and the place that it is at: exactly one.
pub(super) fn token<'a>(
    places: &[Place],
    call: &'a Exchange,
) -> Result<(usize, Cow<'a, [u8]>), NoKey> {
    let mut found = None;
    for (index, place) in places.iter().enumerate() {
        let here = match place {
            Place::Source(source) => match find(std::slice::from_ref(source), call) {
                Ok(Presented { key, .. }) => key,
                Err(NoKey::Missing) => continue,
                Err(NoKey::Ambiguous) => return Err(NoKey::Ambiguous),
            },
            Place::Cookie(name) => {
                let mut values =
                    pairs(call.headers()).filter_map(|pair| value(pair, name)).map(Cow::Borrowed);
                match (values.next(), values.next()) {
                    (None, _) => continue,
                    (Some(value), None) => value,
                    (Some(_), Some(_)) => return Err(NoKey::Ambiguous),
                }
            }
        };
        if found.replace((index, here)).is_some() {
            return Err(NoKey::Ambiguous);
        }
    }
    found.ok_or(NoKey::Missing)
}

/// Takes the token out of the request.
///
/// # Errors
/// The request's target without it is none, which cannot happen.
pub(super) fn hide(place: &Place, head: &mut RequestHead) -> Result<(), source::HideError> {
    let name = match place {
        Place::Source(source) => return source::hide(source, head),
        Place::Cookie(name) => name,
    };
    let mut others = Vec::new();
    for pair in pairs(&head.headers).filter(|pair| value(pair, name).is_none()) {
        if !others.is_empty() {
            others.extend_from_slice(b"; ");
        }
        others.extend_from_slice(pair);
    }
    head.headers.remove(COOKIE);
    // Parts of a value make a value.
    if !others.is_empty()
        && let Ok(others) = HeaderValue::from_bytes(&others)
    {
        head.headers.insert(COOKIE, others);
    }
    Ok(())
}

/// All cookies as they were sent (RFC 6265 section 4.2.1).
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn value<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = pair.strip_prefix(name)?.trim_ascii_start();
    let value = rest.strip_prefix(b"=")?.trim_ascii();
    Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
}
