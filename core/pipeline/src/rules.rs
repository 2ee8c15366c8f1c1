//! Rules that hold whoever changes a message: which header fields are the gateway's own, and which
//! paths are in their one spelling.

/// Fields that belong to one connection or to framing (RFC 9110 section 7.6.1, RFC 9112 section 6):
/// the gateway sets them itself, whatever a handler does. So does it those that begin with `proxy-`.
pub const MANAGED_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a field, its name in lower case, is the gateway's own.
#[must_use]
pub fn is_managed_field(name: &str) -> bool {
    MANAGED_FIELDS.contains(&name) || name.starts_with("proxy-")
}

/// Whether a path is such as normalisation leaves it (`docs/specs/paths.md`): one spelling, and one
/// reading for every server behind. What normalisation would change is refused, not changed.
#[must_use]
pub fn is_normal_path(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else { return false };
    let whole = |segment: &str| !segment.is_empty() && !hides_dots(segment);
    let mut segments = inner.split('/').rev();
    // Only the last segment may be empty: `/a/` ends in a slash, `/a//b` has two readings.
    segments.next().is_none_or(|last| !hides_dots(last))
        && segments.all(whole)
        && is_normal_text(inner.as_bytes())
}

/// Whether a server that decodes slashes or drops parameters first would find `.` or `..` here.
fn hides_dots(segment: &str) -> bool {
    segment.split("%2F").flat_map(|part| part.split("%5C")).any(|part| {
        let name = part.split(';').next().unwrap_or_default();
        matches!(name.split("%3B").next(), Some("." | ".."))
    })
}

/// RFC 3986 section 3.3: `pchar`, `/` and escapes. Escapes have upper-case digits and stand neither
/// for control characters nor for what needs none.
fn is_normal_text(mut text: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    while let [byte, rest @ ..] = text {
        text = match (byte, rest) {
            (b'%', [high, low, rest @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    let value = high << 4 | low;
                    if value.is_ascii_control() || plain(value) {
                        return false;
                    }
                    rest
                }
                _ => return false,
            },
            (byte, rest) if plain(*byte) || b"!$&'()*+,;=:@/".contains(byte) => rest,
            _ => return false,
        };
    }
    true
}
