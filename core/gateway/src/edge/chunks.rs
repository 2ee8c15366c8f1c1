//! The grammar of a chunked body (RFC 9112 section 7.1), held to the bytes as they are read.
//!
//! Pingora's session decodes chunks and is lenient: a size without digits counts as 0, an extension
//! may hold a bare LF or a NUL, and a trailer may be anything. A server in front that reads such a
//! body in another way disagrees with us about where the next request begins. So the stream checks
//! what goes past, strictly, and the front refuses what does not fit.

/// More digits than a `u64` has.
const MOST_DIGITS: u8 = 16;

/// How far a body has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    /// The digits of a size: so many so far.
    #[default]
    Size,
    /// Blanks behind a size.
    Blank,
    Extension,
    SizeFeed,
    Data,
    DataReturn,
    DataFeed,
    /// The beginning of a line behind the last chunk.
    Line,
    TrailerName,
    TrailerValue,
    TrailerFeed,
    LastFeed,
    Ended,
    Malformed,
}

/// Follows one body through its bytes, however they are split.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChunkCheck {
    at: At,
    digits: u8,
    /// The size as far as it was read, then what is left of the chunk.
    left: u64,
}

impl ChunkCheck {
    /// Looks at the next bytes. What stands behind the body's end is not looked at.
    pub fn saw(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.at {
                At::Ended | At::Malformed => return,
                At::Data => {
                    let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                    self.left -= here as u64;
                    bytes = &bytes[here..];
                    if self.left == 0 {
                        self.at = At::DataReturn;
                    }
                }
                _ => {
                    self.at = self.next(byte);
                    bytes = rest;
                }
            }
        }
    }

    /// Whether the body's end was seen, with nothing wrong before it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.at == At::Ended
    }

    /// Whether something was seen that no chunked body has.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        self.at == At::Malformed
    }

    fn next(&mut self, byte: u8) -> At {
        match (self.at, byte) {
            (At::Size, digit) if digit.is_ascii_hexdigit() && self.digits < MOST_DIGITS => {
                self.digits += 1;
                self.left = self.left << 4 | u64::from(hex(digit));
                At::Size
            }
            (At::Size | At::Blank, b' ' | b'\t') if self.digits > 0 => At::Blank,
            (At::Size | At::Blank, b';') if self.digits > 0 => At::Extension,
            (At::Size | At::Blank | At::Extension, b'\r') if self.digits > 0 => At::SizeFeed,
            (At::Extension, text) if is_text(text) => At::Extension,
            (At::SizeFeed, b'\n') => {
                self.digits = 0;
                if self.left == 0 { At::Line } else { At::Data }
            }
            (At::DataReturn, b'\r') => At::DataFeed,
            (At::DataFeed, b'\n') => At::Size,
            (At::Line, b'\r') => At::LastFeed,
            (At::Line | At::TrailerName, name) if is_token(name) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerFeed,
            (At::TrailerValue, text) if is_text(text) => At::TrailerValue,
            (At::TrailerFeed, b'\n') => At::Line,
            (At::LastFeed, b'\n') => At::Ended,
            _ => At::Malformed,
        }
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        // The same bit makes letters small.
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// No control character but the tab.
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

/// `tchar` of RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::ChunkCheck;

    /// Whole, and byte by byte: what is said must not depend on how it came.
    #[track_caller]
    fn check(body: &str) -> ChunkCheck {
        let mut whole = ChunkCheck::default();
        whole.saw(body.as_bytes());
        let mut pieces = ChunkCheck::default();
        body.as_bytes().chunks(1).for_each(|byte| pieces.saw(byte));
        assert_eq!(whole.at, pieces.at, "{body:?}");
        whole
    }

    #[test]
    fn bodies_are_followed_to_their_end_and_no_further() {
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "3;a=b; c=\"d;\u{e9}\"\r\n\r\n\r\r\n0;x\r\n\r\n",
            "3 \t;a\r\nabc\r\n0  \r\n\r\n",
            "0\r\nx-sum: 1\r\nEmpty:\r\n\r\n",
        ] {
            assert!(check(body).has_ended(), "{body:?}");
            assert!(check(&format!("{body}\0 anything")).has_ended(), "{body:?}");
            let cut = check(&body[..body.len() - 1]);
            assert!(!cut.has_ended() && !cut.is_malformed(), "{body:?}");
        }
    }

    #[test]
    fn what_no_body_has_is_seen() {
        for body in [
            "\r\n",
            ";a\r\n",
            " 3\r\n",
            "x",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            "1 1\r\n",
            "3\n",
            "3\rx",
            "3;a\nb",
            "3;a\0",
            "3;a\rb",
            "3\r\nabcd",
            "3\r\nabc\n",
            "3\r\nabc\rx",
            "00000000000000001\r\n",
            "0\r\nno colon\r\n",
            "0\r\nx y: 1\r\n",
            "0\r\n: 1\r\n",
            "0\r\n folded\r\n",
            "0\r\nx: 1\n",
            "0\r\nx: \0\r\n",
            "0\r\n\n",
            "0\r\n\rx",
        ] {
            assert!(check(body).is_malformed(), "{body:?}");
            assert!(check(&format!("3\r\nabc\r\n{body}")).is_malformed(), "{body:?}");
        }
    }
}
