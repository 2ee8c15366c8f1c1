//! How an answer's body is framed, whichever version carries it.

use super::{
    fields::{Field, Fields},
    hop,
};
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_LENGTH};
use paifang_pipeline::{BodySize, ResponseHead};

/// What follows a final head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed {
    /// Nothing: the answer is complete with its head.
    Complete,
    /// As many bytes as `Content-Length` says.
    Sized(u64),
    /// Nobody knows how many.
    Unsized,
}

/// What has become of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// No final head went out.
    Due,
    /// The head went out; a body follows.
    Body,
    /// Protocols were switched; what follows are the tunnel's bytes. HTTP/1 only.
    Tunnel,
    /// All of it went out.
    Complete,
    /// It breaks off where it is.
    Broken,
}

/// Makes `head` ready for the client: without the fields that concerned the connection it came
/// over, and with the `Content-Length` that `size` calls for.
///
/// Answers to HEAD (`to_head`), 204 and 304 have no body whatever `size` says (RFC 9112 section
/// 6.3); HEAD and 304 keep a length that was declared, 204 has none (RFC 9110 section 8.6). A
/// declared length that is not one plain number counts for nothing.
pub(super) fn frame(head: &mut ResponseHead, size: BodySize, to_head: bool) -> Framed {
    let fields = Fields::of(&head.headers);
    let headers = &mut head.headers;
    hop::strip_response(fields, headers, false);
    let declared = if fields.has(Field::ContentLength) { declared(headers) } else { None };
    let bodyless = match head.status {
        StatusCode::NO_CONTENT => {
            fields.take(Field::ContentLength, headers);
            return Framed::Complete;
        }
        StatusCode::NOT_MODIFIED => true,
        _ => to_head,
    };
    let length = match size {
        BodySize::Exact(length) => Some(length),
        BodySize::Declared => declared,
        BodySize::Unknown => None,
        // What a HEAD or 304 declares is about the body that it does not have.
        BodySize::Empty if bodyless => declared,
        BodySize::Empty => Some(0),
    };
    match length {
        None => fields.take(Field::ContentLength, headers),
        Some(length) if declared == Some(length) => {}
        Some(length) => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(length))),
    }
    match length {
        _ if bodyless => Framed::Complete,
        Some(0) => Framed::Complete,
        Some(length) => Framed::Sized(length),
        None => Framed::Unsized,
    }
}

/// The one `Content-Length` that stands there; anything else is taken out.
fn declared(headers: &mut HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let length = values.next().and_then(content_length);
    if values.next().is_some() || length.is_none() {
        headers.remove(CONTENT_LENGTH);
        return None;
    }
    length
}

/// `1*DIGIT` (RFC 9110 section 8.6), and no more of them than a `u64` holds.
pub(super) fn content_length(value: &HeaderValue) -> Option<u64> {
    let digits = value.as_bytes();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |length, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Framed, frame};
    use http::Response;
    use paifang_pipeline::BodySize::{self, Declared, Empty, Exact, Unknown};

    #[track_caller]
    fn framed(
        status: u16,
        lengths: &[&str],
        size: BodySize,
        to_head: bool,
        expected: Framed,
        length: Option<&str>,
    ) {
        let mut builder = Response::builder().status(status).header("transfer-encoding", "chunked");
        for length in lengths {
            builder = builder.header("content-length", *length);
        }
        let mut head = builder.body(()).unwrap().into_parts().0;
        assert_eq!(frame(&mut head, size, to_head), expected);
        let left: Vec<_> =
            head.headers.get_all("content-length").iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(left, length.into_iter().collect::<Vec<_>>());
        assert!(!head.headers.contains_key("transfer-encoding"));
    }

    #[test]
    fn bodies() {
        framed(200, &[], Exact(3), false, Framed::Sized(3), Some("3"));
        framed(200, &["9"], Exact(3), false, Framed::Sized(3), Some("3"));
        framed(200, &[], Exact(0), false, Framed::Complete, Some("0"));
        framed(200, &["9"], Unknown, false, Framed::Unsized, None);
        framed(200, &["9"], Declared, false, Framed::Sized(9), Some("9"));
        framed(200, &["0"], Declared, false, Framed::Complete, Some("0"));
        framed(200, &[], Declared, false, Framed::Unsized, None);
        framed(200, &["9"], Empty, false, Framed::Complete, Some("0"));
    }

    #[test]
    fn answers_without_a_body() {
        framed(200, &["9"], Empty, true, Framed::Complete, Some("9"));
        framed(200, &[], Empty, true, Framed::Complete, None);
        framed(200, &[], Exact(7), true, Framed::Complete, Some("7"));
        framed(200, &["9"], Declared, true, Framed::Complete, Some("9"));
        framed(304, &["9"], Empty, false, Framed::Complete, Some("9"));
        framed(304, &["9"], Unknown, false, Framed::Complete, None);
        framed(204, &["9"], Empty, false, Framed::Complete, None);
        framed(204, &[], Exact(0), false, Framed::Complete, None);
    }

    #[test]
    fn a_length_that_is_not_one_number_counts_for_nothing() {
        for lengths in [&["9", "9"][..], &["9, 9"], &["+9"], &["-1"], &["99999999999999999999"]] {
            framed(200, lengths, Declared, false, Framed::Unsized, None);
            framed(200, lengths, Empty, true, Framed::Complete, None);
        }
    }
}
