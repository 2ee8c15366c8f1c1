//! What each byte of a path means to normalisation.

/// How normalisation treats one raw byte of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Stands for itself: an RFC 3986 `pchar` other than `.` and `%`.
    Plain,
    /// `.`, which may begin a dot segment.
    Dot,
    /// `/`.
    Slash,
    /// `%`, which begins an escape.
    Percent,
    /// `?`, which ends the path.
    Question,
    /// `#`, which no request-target may hold.
    Hash,
    /// Printable ASCII outside of `pchar`: `"<>[]^` + "`" + `{|}`. Sent on as an escape.
    Encode,
    /// `\`, which some servers take for `/`.
    Backslash,
    /// C0 controls, space, DEL.
    Control,
    /// Above 0x7F.
    NonAscii,
}

/// The class of `byte`.
pub(super) const fn class(byte: u8) -> Class {
    CLASSES[byte as usize]
}

/// Whether `byte` is "unreserved" (RFC 3986 section 2.3): its escape and itself are the same thing.
pub(super) const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// The value of a hexadecimal digit of either case.
pub(super) const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// The byte that the escape at the start of `text` stands for; `None` when it is not one.
pub(super) const fn escaped(text: &[u8]) -> Option<u8> {
    match text {
        [b'%', high, low, ..] => match (hex_value(*high), hex_value(*low)) {
            (Some(high), Some(low)) => Some(high << 4 | low),
            _ => None,
        },
        _ => None,
    }
}

/// Upper-case hexadecimal digits by value (RFC 3986 section 6.2.2.1).
pub(super) const HEX: &[u8; 16] = b"0123456789ABCDEF";

static CLASSES: [Class; 256] = {
    let mut table = [Class::Encode; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'.' => Class::Dot,
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b'?' => Class::Question,
            b'#' => Class::Hash,
            b'\\' => Class::Backslash,
            0..=b' ' | 0x7F => Class::Control,
            0x80.. => Class::NonAscii,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                Class::Plain
            }
            b':' | b'@' => Class::Plain,
            other if is_unreserved(other) => Class::Plain,
            _ => Class::Encode,
        };
        byte += 1;
    }
    table
};
