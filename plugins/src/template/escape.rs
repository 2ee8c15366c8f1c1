//! Escaping for each target, into an output that has a limit.

use super::{RenderError, Target};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::Value;
use std::io::{self, Write};

/// All but RFC 3986's unreserved characters (section 2.3).
pub(crate) const COMPONENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A buffer that takes no more than its limit.
pub(super) struct Output {
    buffer: Vec<u8>,
    limit: usize,
}

impl Output {
    pub(super) fn new(expected: usize, limit: usize) -> Self {
        Self { buffer: Vec::with_capacity(expected.min(limit)), limit }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), RenderError> {
        if bytes.len() > self.limit - self.buffer.len() {
            return Err(RenderError::TooLarge(self.limit));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    pub(super) fn push_json(&mut self, value: &Value) -> Result<(), RenderError> {
        let limit = self.limit;
        serde_json::to_writer(self, value).map_err(|_| RenderError::TooLarge(limit))
    }

    /// The JSON text of a value, bounded by what is left here.
    pub(super) fn room_for_json(&self, value: &Value) -> Result<Vec<u8>, RenderError> {
        let mut text = Self { buffer: Vec::new(), limit: self.limit - self.buffer.len() };
        text.push_json(value).map_err(|_| RenderError::TooLarge(self.limit))?;
        Ok(text.buffer)
    }

    pub(super) fn finish(self) -> Bytes {
        self.buffer.into()
    }
}

/// For serde_json, whose only error here is the limit.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes bytes so that they stay one value where they stand.
pub(super) fn escape(out: &mut Output, target: Target, bytes: &[u8]) -> Result<(), RenderError> {
    match target {
        Target::Text => text(out, bytes, |_| None),
        Target::Json => text(out, bytes, json),
        Target::Html => text(out, bytes, html),
        Target::Header if bytes.iter().any(u8::is_ascii_control) => Err(RenderError::Unsafe(0)),
        Target::Header => out.push(bytes),
        Target::Url => percent_encode(bytes, COMPONENT).try_for_each(|s| out.push(s.as_bytes())),
    }
}

/// Writes bytes as a JSON string with its quotes.
pub(super) fn json_string(out: &mut Output, bytes: &[u8]) -> Result<(), RenderError> {
    out.push(b"\"")?;
    escape(out, Target::Json, bytes)?;
    out.push(b"\"")
}

/// Writes UTF-8 text, each byte that `special` knows replaced. What is no UTF-8 becomes U+FFFD.
fn text(
    out: &mut Output,
    bytes: &[u8],
    special: fn(u8) -> Option<Escaped>,
) -> Result<(), RenderError> {
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        let mut from = 0;
        for (at, &byte) in valid.iter().enumerate() {
            if let Some(escaped) = special(byte) {
                out.push(&valid[from..at])?;
                escaped.write(out)?;
                from = at + 1;
            }
        }
        out.push(&valid[from..])?;
        if !chunk.invalid().is_empty() {
            out.push("\u{FFFD}".as_bytes())?;
        }
    }
    Ok(())
}

/// What stands for an escaped byte.
enum Escaped {
    Fixed(&'static str),
    /// `\u00XX`.
    Control(u8),
}

impl Escaped {
    fn write(self, out: &mut Output) -> Result<(), RenderError> {
        match self {
            Self::Fixed(text) => out.push(text.as_bytes()),
            Self::Control(byte) => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.push(b"\\u00")?;
                out.push(&digits)
            }
        }
    }
}

fn json(byte: u8) -> Option<Escaped> {
    Some(match byte {
        b'"' => Escaped::Fixed("\\\""),
        b'\\' => Escaped::Fixed("\\\\"),
        b'\n' => Escaped::Fixed("\\n"),
        b'\r' => Escaped::Fixed("\\r"),
        b'\t' => Escaped::Fixed("\\t"),
        0..0x20 => Escaped::Control(byte),
        _ => return None,
    })
}

fn html(byte: u8) -> Option<Escaped> {
    Some(Escaped::Fixed(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#39;",
        _ => return None,
    }))
}
