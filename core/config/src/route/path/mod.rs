//! Path normalisation: one spelling per path, found once, before routing, signing and forwarding.
//!
//! Normative: docs/specs/paths.md. In short: escapes of unreserved bytes are decoded, other escapes
//! get upper-case digits, what RFC 3986 does not allow raw is escaped, `//` becomes `/`, dot segments
//! are resolved. An escaped slash stays escaped and separates nothing. What two servers could read
//! in two ways is refused.

mod class;
mod rewrite;
mod scan;
mod target;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use thiserror::Error;

use super::host::HostError;
pub(super) use rewrite::{NonAscii, hides_dot_segment, push_segment};
pub use target::{Form, Target, normalize};

/// What the operator may choose about paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathPolicy {
    /// The longest request-target in bytes, before and after normalisation. Longer ones are
    /// [`PathError::TooLong`].
    pub max_len: usize,
    /// What becomes of `%2F` and `%5C`.
    pub encoded_slash: EncodedSlash,
}

impl Default for PathPolicy {
    /// 8 KiB, encoded slashes kept.
    fn default() -> Self {
        PathPolicy { max_len: 8 * 1024, encoded_slash: EncodedSlash::Keep }
    }
}

/// What becomes of an escaped `/` or `\` in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EncodedSlash {
    /// It stays escaped and is an ordinary character of its segment.
    #[default]
    Keep,
    /// The request is refused.
    Reject,
}

/// Why a request-target is refused. `at` counts bytes from the start of the path (or of the
/// request-target, where the path begins it).
///
/// [`PathError::TooLong`] is answered with 414, every other with 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// More than [`PathPolicy::max_len`] bytes.
    #[error("the request-target has {len} bytes, the limit is {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Neither `/…` nor `scheme://…` nor `*`.
    #[error("the request-target is no absolute path, no http URI and no `*`")]
    NotAbsolute,
    /// `*` with a method other than OPTIONS (RFC 9112 section 3.2.4).
    #[error("the request-target `*` is for OPTIONS only")]
    Asterisk,
    /// `host:port`, the form of CONNECT (RFC 9112 section 3.2.3). This gateway is no tunnel.
    #[error("the authority form of CONNECT is not served")]
    AuthorityForm,
    /// An absolute URI of another scheme than http and https.
    #[error("the request-target's scheme is not http or https")]
    Scheme,
    /// The authority of an absolute URI is bad.
    #[error("the request-target's authority: {0}")]
    Authority(#[source] HostError),
    /// A raw control character or a space, in path or query.
    #[error("control character or space 0x{byte:02X} at byte {at} of the request-target")]
    Control {
        /// Where.
        at: usize,
        /// Which.
        byte: u8,
    },
    /// A raw byte above 0x7F in the path, or a query that is not UTF-8.
    #[error("byte {at} of the request-target is not ASCII and not escaped")]
    NonAscii {
        /// Where.
        at: usize,
    },
    /// A raw `\`, which some servers take for `/`.
    #[error("backslash at byte {at} of the path")]
    Backslash {
        /// Where.
        at: usize,
    },
    /// A `#`: fragments are never sent (RFC 9110 section 4.2.5).
    #[error("fragment at byte {at} of the request-target")]
    Fragment {
        /// Where.
        at: usize,
    },
    /// A `%` without two hexadecimal digits after it.
    #[error("`%` without two hexadecimal digits at byte {at} of the path")]
    BadEscape {
        /// Where.
        at: usize,
    },
    /// `%00`, at which C strings end.
    #[error("`%00` at byte {at} of the path")]
    EncodedNul {
        /// Where.
        at: usize,
    },
    /// `%01` to `%1F` or `%7F`.
    #[error("escaped control character 0x{byte:02X} at byte {at} of the path")]
    EncodedControl {
        /// Where.
        at: usize,
        /// Which.
        byte: u8,
    },
    /// `%2F` or `%5C` under [`EncodedSlash::Reject`].
    #[error("escaped slash at byte {at} of the path")]
    EncodedSlash {
        /// Where.
        at: usize,
    },
    /// A segment like `..;x` or `a%2F..`, which a server that drops parameters or decodes slashes
    /// first would resolve to another path than this gateway matched.
    #[error("the segment at byte {at} of the path hides a dot segment")]
    HiddenDotSegment {
        /// Where the segment begins.
        at: usize,
    },
    /// More `..` than segments above them.
    #[error("the dot segment at byte {at} climbs above the root")]
    AboveRoot {
        /// Where.
        at: usize,
    },
}

/// The normal form of a path without query; borrowed exactly when `path` is in it already.
///
/// # Errors
/// Each way to be refused is a variant of [`PathError`]. A `?` is refused as
/// [`PathError::NotAbsolute`] is: the text is not a path.
pub fn normalize_path<'a>(path: &'a str, policy: &PathPolicy) -> Result<Cow<'a, str>, PathError> {
    let (normal, end) = prefix(path, policy)?;
    if end < path.len() { Err(PathError::NotAbsolute) } else { Ok(normal) }
}

/// Normalises the path at the start of `text` and tells where it ends: at a `?` or the end.
fn prefix<'a>(text: &'a str, policy: &PathPolicy) -> Result<(Cow<'a, str>, usize), PathError> {
    if !text.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    check_len(text.len(), policy)?;
    let bytes = text.as_bytes();
    // The scan lets escaped slashes pass; whoever refuses them pays for the slow way.
    let normal = match policy.encoded_slash {
        EncodedSlash::Keep => scan::normal_end(bytes),
        EncodedSlash::Reject => {
            scan::normal_end(bytes).filter(|&end| !rewrite::has_encoded_slash(&text[..end]))
        }
    };
    if let Some(end) = normal {
        return Ok((Cow::Borrowed(&text[..end]), end));
    }
    let end = text.find('?').unwrap_or(text.len());
    let out = rewrite::rewrite(&bytes[..end], policy.encoded_slash)?;
    check_len(out.len(), policy)?;
    // The scan may be unsure of a path that is normal; then nothing changed and nobody need rewrite.
    let path = if out == text[..end] { Cow::Borrowed(&text[..end]) } else { Cow::Owned(out) };
    Ok((path, end))
}

fn check_len(len: usize, policy: &PathPolicy) -> Result<(), PathError> {
    if len > policy.max_len {
        return Err(PathError::TooLong { len, max: policy.max_len });
    }
    Ok(())
}
