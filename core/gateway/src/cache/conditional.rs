//! Conditions and ranges of requests, answered from what is kept (RFC 9110, sections 13 and 14).

use super::stored::Stored;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
    },
};
use paifang_pipeline::ResponseHead;
use std::ops::Range;

/// What of an answer is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its head alone: the client has the rest.
    NotModified,
    /// These bytes of the body.
    Bytes(Range<usize>),
    /// None: the range that is asked for begins behind the end.
    Unsatisfiable,
}

impl Part {
    /// What a request with these headers is given.
    pub(super) fn of(stored: &Stored, asked: &HeaderMap) -> Self {
        if stored.head.status != StatusCode::OK {
            return Self::Whole;
        }
        if not_modified(asked, &stored.head.headers) {
            return Self::NotModified;
        }
        match asked.get(RANGE) {
            Some(range) if range_holds(asked, &stored.head.headers) => {
                ranged(range, stored.body.len())
            }
            _ => Self::Whole,
        }
    }

    /// Makes the head of a whole answer that of this part of it.
    pub(super) fn apply(&self, head: &mut ResponseHead, length: usize) {
        match self {
            Self::Whole => {}
            Self::NotModified => not_modified_head(head),
            Self::Bytes(range) => {
                head.status = StatusCode::PARTIAL_CONTENT;
                let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                set(&mut head.headers, CONTENT_RANGE, &text);
                head.headers.insert(CONTENT_LENGTH, range.len().into());
            }
            Self::Unsatisfiable => {
                head.status = StatusCode::RANGE_NOT_SATISFIABLE;
                for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                    head.headers.remove(name);
                }
                set(&mut head.headers, CONTENT_RANGE, &format!("bytes */{length}"));
                head.headers.insert(CONTENT_LENGTH, 0.into());
            }
        }
    }
}

/// Makes a head that of a 304, which tells nothing of a body (RFC 9110, section 15.4.5).
pub(super) fn not_modified_head(head: &mut ResponseHead) {
    head.status = StatusCode::NOT_MODIFIED;
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_RANGE] {
        head.headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// Whether the client has this answer already: by `If-None-Match`, or without it by
/// `If-Modified-Since`.
pub(super) fn not_modified(asked: &HeaderMap, kept: &HeaderMap) -> bool {
    let mut tags = asked.get_all(IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let own = kept.get(ETAG).map(|tag| opaque(tag.as_bytes()));
        return tags.any(|value| {
            value.as_bytes().trim_ascii() == b"*"
                || own.is_some_and(|own| names(value.as_bytes(), own))
        });
    }
    match (date(asked, &IF_MODIFIED_SINCE), date(kept, &LAST_MODIFIED)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// An entity tag for the weak comparison: without `W/`.
fn opaque(tag: &[u8]) -> &[u8] {
    let tag = tag.trim_ascii();
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether a list of entity tags has this one. Tags may hold commas, so quotes are minded.
fn names(list: &[u8], own: &[u8]) -> bool {
    let mut quoted = false;
    let parts = list.split(|byte| {
        quoted ^= *byte == b'"';
        *byte == b',' && !quoted
    });
    parts.into_iter().any(|tag| opaque(tag) == own)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<std::time::SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Whether `If-Range`, where there is one, names this very answer.
fn range_holds(asked: &HeaderMap, kept: &HeaderMap) -> bool {
    let Some(condition) = asked.get(IF_RANGE) else { return true };
    let is = |name| kept.get(name) == Some(condition);
    let strong = condition.as_bytes().starts_with(b"\"");
    if strong { is(ETAG) } else { !condition.as_bytes().starts_with(b"W/") && is(LAST_MODIFIED) }
}

/// One range of bytes. Several at once, other units and what is no range give the whole.
fn ranged(value: &HeaderValue, length: usize) -> Part {
    let text = value.to_str().ok().and_then(|text| text.strip_prefix("bytes="));
    let Some((first, last)) = text.and_then(|text| text.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits alone are too many, not none.
        true if !text.is_empty() => Some(text.parse::<usize>().unwrap_or(usize::MAX)),
        _ => None,
    };
    match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => Part::Unsatisfiable,
            Some(_) if length == 0 => Part::Unsatisfiable,
            Some(count) => Part::Bytes(length.saturating_sub(count)..length),
            None => Part::Whole,
        },
        (first, last) => match (number(first), number(last), last.is_empty()) {
            (Some(first), Some(last), _) if last < first => Part::Whole,
            (Some(first), _, _) if first >= length => {
                match last.is_empty() || number(last).is_some() {
                    true => Part::Unsatisfiable,
                    false => Part::Whole,
                }
            }
            (Some(first), Some(last), _) => Part::Bytes(first..last.saturating_add(1).min(length)),
            (Some(first), None, true) => Part::Bytes(first..length),
            _ => Part::Whole,
        },
    }
}

#[cfg(test)]
mod tests {
    //! Ranges and entity tags, case by case.
    use super::{Part, names, not_modified, ranged};
    use http::{HeaderMap, HeaderValue, header::*};

    #[test]
    fn ranges() {
        let of = |text: &str| ranged(&HeaderValue::from_str(text).unwrap(), 10);
        assert_eq!(of("bytes=0-3"), Part::Bytes(0..4));
        assert_eq!(of("bytes=4-"), Part::Bytes(4..10));
        assert_eq!(of("bytes=-3"), Part::Bytes(7..10));
        assert_eq!(of("bytes=-30"), Part::Bytes(0..10));
        assert_eq!(of("bytes=8-99999999999999999999999"), Part::Bytes(8..10));
        assert_eq!(of("bytes=9-9"), Part::Bytes(9..10));
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(of(beyond), Part::Unsatisfiable, "{beyond}");
        }
        for whole in [
            "bytes=3-1",
            "bytes=0-1,4-5",
            "items=0-1",
            "bytes=a-b",
            "bytes=-",
            "bytes=1",
            "bytes=+1-2",
            "bytes=99-x",
        ] {
            assert_eq!(of(whole), Part::Whole, "{whole}");
        }
        assert_eq!(ranged(&HeaderValue::from_static("bytes=-1"), 0), Part::Unsatisfiable);
    }

    #[test]
    fn entity_tags_are_compared_weakly_and_may_hold_commas() {
        assert!(names(br#""a", W/"b,c" , "d""#, br#""b,c""#));
        assert!(!names(br#""a", "b""#, br#""a, ""#));
        assert!(!names(b"", br#""""#));
    }

    #[test]
    fn if_none_match_goes_before_if_modified_since() {
        let mut kept = HeaderMap::new();
        kept.insert(ETAG, HeaderValue::from_static("\"1\""));
        kept.insert(LAST_MODIFIED, HeaderValue::from_static("Tue, 15 Nov 1994 12:45:26 GMT"));
        let mut asked = HeaderMap::new();
        asked.insert(IF_MODIFIED_SINCE, HeaderValue::from_static("Tue, 15 Nov 1994 12:45:26 GMT"));
        assert!(not_modified(&asked, &kept));
        asked.insert(IF_NONE_MATCH, HeaderValue::from_static("\"2\""));
        assert!(!not_modified(&asked, &kept));
        asked.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        assert!(not_modified(&asked, &kept));
    }
}
