//! Names and values of a query, a form, or a cookie field.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The most pairs that are looked at; more are a fault.
const MAX_PAIRS: usize = 1000;

/// Names with their values.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What is no text in UTF-8, or has too many pairs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) &'static str);

/// `a=1&b=2` as browsers send it: `+` is a space, `%` begins an escape.
pub(super) fn pairs(text: &str) -> Result<Pairs<'_>, Unreadable> {
    let mut all = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if all.len() == MAX_PAIRS {
            return Err(Unreadable("has too many parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        all.push((decode(name)?, decode(value)?));
    }
    Ok(all)
}

fn decode(text: &str) -> Result<Cow<'_, str>, Unreadable> {
    let wrong = |_| Unreadable("is no text in UTF-8");
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let plain = percent_decode_str(&spaced).decode_utf8().map_err(wrong)?;
        return Ok(Cow::Owned(plain.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(wrong)
}

/// `a=1; b=2` (RFC 6265 section 5.4); values are as they stand there.
pub(super) fn cookies<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Pairs<'a>, Unreadable> {
    let mut all = Vec::new();
    for field in fields {
        let text = std::str::from_utf8(field).map_err(|_| Unreadable("is no text in UTF-8"))?;
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            if all.len() == MAX_PAIRS {
                return Err(Unreadable("has too many cookies"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            all.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        }
    }
    Ok(all)
}
