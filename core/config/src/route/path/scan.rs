//! The fast path: is this path already in its normal form?

use super::class::{Class, class, escaped, is_unreserved};

/// Where the path at the start of `text` ends (at a `?` or the end of `text`), when it is certainly
/// in normal form already; `None` when only [`super::rewrite`] can tell.
///
/// One pass, no allocation. `text` must begin with `/`. It may answer `None` for a path that turns
/// out to be normal (an escape right after leading dots), never `Some` for one that is not:
/// all errors are found by the rewriter, so that they are found in one place only.
pub(super) fn normal_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match class(byte) {
            Class::Plain => at += 1,
            Class::Slash if text[at - 1] == b'/' => return None,
            Class::Slash => at += 1,
            Class::Question => return Some(at),
            Class::Dot if begins_part(text, at) && may_be_dots(&text[at..]) => return None,
            Class::Dot => at += 1,
            Class::Percent => {
                let value = escaped(&text[at..])?;
                let lower = text[at + 1].is_ascii_lowercase() || text[at + 2].is_ascii_lowercase();
                if lower || is_unreserved(value) || value.is_ascii_control() {
                    return None;
                }
                at += 3;
            }
            Class::Hash | Class::Encode | Class::Backslash | Class::Control | Class::NonAscii => {
                return None;
            }
        }
    }
    Some(at)
}

/// Whether a server that decodes `%2F` or `%5C` might see a segment begin at `at`.
fn begins_part(text: &[u8], at: usize) -> bool {
    text[at - 1] == b'/' || text[..at].ends_with(b"%2F") || text[..at].ends_with(b"%5C")
}

/// Whether `rest` begins with one or two dots and then something that might end a segment.
fn may_be_dots(rest: &[u8]) -> bool {
    let after = match rest {
        [b'.', b'.', after @ ..] | [b'.', after @ ..] => after,
        _ => return false,
    };
    matches!(after.first(), None | Some(b'/' | b'?' | b';' | b'%'))
}
