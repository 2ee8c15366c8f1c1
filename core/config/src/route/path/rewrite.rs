//! The slow path: brings a path into normal form, or says why it must be refused.

use super::class::{Class, HEX, class, escaped, is_unreserved};
use super::{EncodedSlash, PathError};

/// What to do with raw bytes above 0x7F.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonAscii {
    /// Refuse them, as RFC 3986 does: for what comes from the network.
    Refuse,
    /// Escape them as they stand: for patterns, which people write in their own script.
    Encode,
}

/// The normal form of `path`, which must begin with `/` and hold no query.
///
/// Slashes are merged before dot segments are removed: `/a//../b` is `/b`.
pub(super) fn rewrite(path: &[u8], slash: EncodedSlash) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len() + 8);
    out.push('/');
    let mut at = 1;
    // Here `out` ends in `/`, and a segment begins at `at`.
    while at < path.len() {
        if path[at] == b'/' {
            at += 1;
            continue;
        }
        let begin = out.len();
        let end = path[at..].iter().position(|&b| b == b'/').map_or(path.len(), |n| at + n);
        push_segment(&mut out, path, at..end, slash, NonAscii::Refuse)?;
        match &out[begin..] {
            "." => out.truncate(begin),
            ".." if begin == 1 => return Err(PathError::AboveRoot { at }),
            ".." => {
                let parent = out[..begin - 1].rfind('/').map_or(1, |slash| slash + 1);
                out.truncate(parent);
            }
            segment if hides_dot_segment(segment) => {
                return Err(PathError::HiddenDotSegment { at });
            }
            _ if end < path.len() => out.push('/'),
            _ => {}
        }
        at = end + 1;
    }
    Ok(out)
}

/// Appends the normal form of the bytes `range` of `path`, which hold no `/`.
pub(crate) fn push_segment(
    out: &mut String,
    path: &[u8],
    range: std::ops::Range<usize>,
    slash: EncodedSlash,
    non_ascii: NonAscii,
) -> Result<(), PathError> {
    let mut at = range.start;
    while at < range.end {
        let byte = path[at];
        match class(byte) {
            Class::Plain | Class::Dot | Class::Slash => out.push(char::from(byte)),
            // A query has been cut off before; in a pattern it is a mistake.
            Class::Question | Class::Encode => push_escape(out, byte),
            Class::NonAscii if non_ascii == NonAscii::Encode => push_escape(out, byte),
            Class::NonAscii => return Err(PathError::NonAscii { at }),
            Class::Hash => return Err(PathError::Fragment { at }),
            Class::Backslash => return Err(PathError::Backslash { at }),
            Class::Control => return Err(PathError::Control { at, byte }),
            Class::Percent => {
                let value = escaped(&path[at..range.end]).ok_or(PathError::BadEscape { at })?;
                match value {
                    0 => return Err(PathError::EncodedNul { at }),
                    value if value.is_ascii_control() => {
                        return Err(PathError::EncodedControl { at, byte: value });
                    }
                    b'/' | b'\\' if slash == EncodedSlash::Reject => {
                        return Err(PathError::EncodedSlash { at });
                    }
                    value if is_unreserved(value) => out.push(char::from(value)),
                    value => push_escape(out, value),
                }
                at += 2;
            }
        }
        at += 1;
    }
    Ok(())
}

/// Whether `normal`, a path in normal form, holds an escaped `/` or `\\`.
pub(super) fn has_encoded_slash(normal: &str) -> bool {
    normal.contains("%2F") || normal.contains("%5C")
}

fn push_escape(out: &mut String, byte: u8) {
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// Whether a server that decodes slashes, or drops `;` parameters, before it resolves dot segments
/// would find one in `segment`, which is in normal form and not itself `.` or `..`.
pub(crate) fn hides_dot_segment(segment: &str) -> bool {
    let mut part = segment;
    loop {
        let name = part.trim_start_matches('.');
        let ends =
            name.is_empty() || [";", "%3B", "%2F", "%5C"].iter().any(|end| name.starts_with(end));
        if ends && matches!(part.len() - name.len(), 1 | 2) {
            return true;
        }
        let next = [part.find("%2F"), part.find("%5C")].into_iter().flatten().min();
        match next {
            Some(escape) => part = &part[escape + 3..],
            None => return false,
        }
    }
}
