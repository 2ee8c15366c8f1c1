//! Where a header section ends, found as its bytes come in, however they are split.
//!
//! Only lines are told apart here, more strictly than parsers do: each ends in CR LF. What stands in
//! them is `parse`'s affair.

use crate::front::{HttpLimits, refusal::Refusal};
use memchr::memchr;

/// Longer than any method or version that is let through.
const METHOD_AND_VERSION: usize = 64;

/// A header section in the buffer that was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    /// Where the request line begins: 0, or 2 after an empty line.
    pub(super) start: usize,
    /// After the empty line that ends the section.
    pub(super) end: usize,
    /// How many header lines there are.
    pub(super) fields: usize,
}

/// Remembers what it has seen of a growing buffer, so that no byte is looked at twice.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// Where the request line begins, once its first byte is there.
    start: Option<usize>,
    /// Where the line begins that is not whole yet.
    line: usize,
    /// Up to here there is no further line end.
    seen: usize,
    /// Lines so far, the request line included.
    lines: usize,
}

impl Scanner {
    /// Looks at `buffer`, which is what it was before, with more behind it. `None` asks for more.
    pub(super) fn scan(
        &mut self,
        buffer: &[u8],
        limits: &HttpLimits,
    ) -> Result<Option<Section>, Refusal> {
        let start = match self.start {
            Some(start) => start,
            None => match begin(buffer)? {
                None => return Ok(None),
                Some(start) => {
                    (self.line, self.seen) = (start, start);
                    *self.start.insert(start)
                }
            },
        };
        while let Some(found) = buffer.get(self.seen..).and_then(|rest| memchr(b'\n', rest)) {
            let feed = self.seen + found;
            let Some(line) = buffer[self.line..feed].strip_suffix(b"\r") else {
                return Err(Refusal::malformed("a line ends in LF without CR"));
            };
            self.line = feed + 1;
            self.seen = self.line;
            if line.is_empty() {
                if self.line - start > limits.header_bytes {
                    return Err(Refusal::section_too_large(limits.header_bytes));
                }
                let fields = self.lines.saturating_sub(1);
                return Ok(Some(Section { start, end: self.line, fields }));
            }
            self.lines += 1;
            if self.lines == 1 {
                check_version(line)?;
            } else if self.lines > limits.header_count.saturating_add(1) {
                return Err(Refusal::too_many_fields(limits.header_count));
            }
        }
        self.seen = buffer.len();
        let length = buffer.len() - start;
        if self.lines == 0 && length > limits.target_bytes.saturating_add(METHOD_AND_VERSION) {
            return Err(Refusal::target_too_long(limits.target_bytes));
        }
        if length > limits.header_bytes {
            return Err(Refusal::section_too_large(limits.header_bytes));
        }
        Ok(None)
    }
}

/// Where the request line begins. One empty line before it is forgiven, as RFC 9112 section 2.2 asks:
/// some clients end a body with a CR LF that its length does not count.
fn begin(buffer: &[u8]) -> Result<Option<usize>, Refusal> {
    let (start, rest) = match buffer {
        [b'\r', b'\n', rest @ ..] => (2, rest),
        [b'\r'] => return Ok(None),
        rest => (0, rest),
    };
    match rest.first() {
        None => Ok(None),
        Some(byte) if byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte) => {
            Ok(Some(start))
        }
        Some(b'\r' | b'\n') if start > 0 => {
            Err(Refusal::malformed("several empty lines before the request line"))
        }
        Some(b'\n') => Err(Refusal::malformed("a line ends in LF without CR")),
        Some(b'\r') => Err(Refusal::malformed("a CR without LF")),
        Some(_) => Err(Refusal::malformed("the request does not begin with a method")),
    }
}

/// Refuses other versions as soon as the request line is there: whoever speaks HTTP/0.9 sends
/// nothing else and would wait for ever.
fn check_version(line: &[u8]) -> Result<(), Refusal> {
    if line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") {
        return Ok(());
    }
    Err(Refusal::malformed("the request line does not end in HTTP/1.0 or HTTP/1.1"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Scanner, Section};
    use crate::front::tests::limits;
    use paifang_pipeline::error;

    #[track_caller]
    fn refused(bytes: &[u8], detail: &str) {
        // Whole, and byte by byte: the answer must not depend on how it came.
        let whole = Scanner::default().scan(bytes, &limits()).unwrap_err();
        assert_eq!(whole.detail, detail);
        let mut scanner = Scanner::default();
        let piecewise =
            (1..=bytes.len()).find_map(|end| scanner.scan(&bytes[..end], &limits()).err());
        assert_eq!(piecewise.unwrap(), whole);
    }

    #[test]
    fn a_section_is_found_wherever_it_is_split() {
        let text = b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\nbody\r\n\r\n";
        let expected = Section { start: 2, end: 34, fields: 2 };
        for cut in 0..expected.end {
            let mut scanner = Scanner::default();
            assert_eq!(scanner.scan(&text[..cut], &limits()), Ok(None), "{cut}");
            assert_eq!(scanner.scan(text, &limits()), Ok(Some(expected)), "{cut}");
        }
    }

    #[test]
    fn lines_end_in_cr_lf() {
        let bare = "a line ends in LF without CR";
        refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n", bare);
        refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n", bare);
        refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", bare);
        refused(b"\nGET / HTTP/1.1\r\n\r\n", bare);
        refused(b"\rGET / HTTP/1.1\r\n\r\n", "a CR without LF");
    }

    #[test]
    fn before_the_request_line_stands_at_most_one_empty_line() {
        let detail = "several empty lines before the request line";
        refused(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", detail);
        refused(b"\r\n\nGET / HTTP/1.1\r\n\r\n", detail);
        let detail = "the request does not begin with a method";
        for first in [b' ', b'\t', 0, 0x16, 0x80, b'(', b'/'] {
            refused(&[first, b'G'], detail);
            refused(&[b'\r', b'\n', first], detail);
        }
    }

    #[test]
    fn other_versions_are_refused_with_the_request_line() {
        let detail = "the request line does not end in HTTP/1.0 or HTTP/1.1";
        for line in [
            "GET /",
            "GET / HTTP/0.9",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "PRI * HTTP/2.0",
            "GET / http/1.1",
        ] {
            refused(format!("{line}\r\n").as_bytes(), detail);
        }
    }

    #[test]
    fn ceilings_hold_before_the_section_has_ended() {
        let limits = limits();
        let code = |bytes: &[u8]| Scanner::default().scan(bytes, &limits).unwrap_err().code;
        let endless = format!("GET /{}", "a".repeat(limits.target_bytes + 64));
        assert_eq!(code(endless.as_bytes()), error::URI_TOO_LONG);
        let large = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(limits.header_bytes));
        assert_eq!(code(large.as_bytes()), error::HEADERS_TOO_LARGE);
        let many = format!("GET / HTTP/1.1\r\n{}", "A:\r\n".repeat(limits.header_count + 1));
        assert_eq!(code(many.as_bytes()), error::HEADERS_TOO_LARGE);
        let full = format!("GET / HTTP/1.1\r\n{}\r\n", "A:\r\n".repeat(limits.header_count));
        assert!(Scanner::default().scan(full.as_bytes(), &limits).unwrap().is_some());
        // Exactly the limit, and one byte more.
        for (extra, fits) in [(0, true), (1, false)] {
            let rest = limits.header_bytes + extra - "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
            let text = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(rest));
            assert_eq!(Scanner::default().scan(text.as_bytes(), &limits).is_ok(), fits);
        }
    }
}
