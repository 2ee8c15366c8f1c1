//! One line of JSON, in a buffer that is used again.

use std::{fmt, io::Write as _};

/// The most bytes of one text that a line takes; the rest is cut off and `…` put there.
const TEXT_LIMIT: usize = 2048;
/// A buffer that has grown beyond this is not kept for other lines.
const KEPT_CAPACITY: usize = 16 << 10;

/// A line while it is written, and on its way to the writer.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: Vec<u8>,
    /// Whether the call is in the sample.
    pub(super) sampled: bool,
}

impl Line {
    /// Begins anew.
    pub(super) fn begin(&mut self) {
        self.text.clear();
        self.text.push(b'{');
    }

    /// Ends the line.
    pub(super) fn end(&mut self) {
        self.text.extend_from_slice(b"}\n");
    }

    /// The text so far.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the buffer is small enough to be kept.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.text.capacity() <= KEPT_CAPACITY
    }

    /// Writes a key that is JSON already, and the comma before it.
    pub(super) fn key(&mut self, key: &str) {
        if !matches!(self.text.last(), Some(b'{')) {
            self.text.push(b',');
        }
        self.text.extend_from_slice(key.as_bytes());
    }

    /// Opens an object under a key.
    pub(super) fn open(&mut self, key: &str) {
        self.key(key);
        self.text.push(b'{');
    }

    /// Closes it.
    pub(super) fn close(&mut self) {
        self.text.push(b'}');
    }

    /// Writes a text, cut to its limit. What is no UTF-8 becomes U+FFFD.
    pub(super) fn string(&mut self, value: &[u8]) {
        self.text.push(b'"');
        let mut room = TEXT_LIMIT;
        for chunk in value.utf8_chunks() {
            let valid = chunk.valid();
            if valid.len() > room {
                escape(&mut self.text, &valid[..valid.floor_char_boundary(room)]);
                self.text.extend_from_slice("…".as_bytes());
                break;
            }
            room -= valid.len();
            escape(&mut self.text, valid);
            if !chunk.invalid().is_empty() {
                self.text.extend_from_slice("\u{FFFD}".as_bytes());
                room = room.saturating_sub(chunk.invalid().len());
            }
        }
        self.text.push(b'"');
    }

    /// Writes a value that needs no escaping, in quotes.
    pub(super) fn quoted(&mut self, value: impl fmt::Display) {
        // Writing to memory cannot fail.
        let _ = write!(self.text, "\"{value}\"");
    }

    /// Writes a whole number.
    pub(super) fn number(&mut self, value: u64) {
        self.text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Writes nanoseconds as milliseconds with three digits behind the point.
    pub(super) fn millis(&mut self, nanos: u64) {
        let micros = nanos / 1_000;
        self.number(micros / 1_000);
        let rest = micros % 1_000;
        let digit = |scale: u64| b'0' + (rest / scale % 10) as u8;
        self.text.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    }

    /// Writes `true`.
    pub(super) fn yes(&mut self) {
        self.text.extend_from_slice(b"true");
    }
}

/// Writes the inside of a JSON string.
fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // Writing to memory cannot fail.
            control => drop(write!(out, "\\u{control:04x}")),
        }
    }
    out.extend_from_slice(&bytes[from..]);
}
