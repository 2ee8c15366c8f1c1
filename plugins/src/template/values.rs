//! The values that a template is filled from.

use super::{
    RenderError, Target,
    escape::{Output, escape, json_string},
};
use bytes::Bytes;
use paifang_pipeline::Exchange;
use percent_encoding::percent_decode;
use serde_json::Value;
use smallvec::SmallVec;
use std::{cell::OnceCell, fmt::Display, io::Write as _};

/// What a template may read.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The call.
    pub call: &'a Exchange,
    /// Its body, where the step has it.
    pub body: Option<&'a JsonBody<'a>>,
}

impl<'a> Values<'a> {
    /// A call without its body.
    #[must_use]
    pub fn of(call: &'a Exchange) -> Self {
        Self { call, body: None }
    }
}

/// A request's body, parsed as JSON when that is first asked for.
#[derive(Debug)]
pub struct JsonBody<'a> {
    bytes: &'a Bytes,
    parsed: OnceCell<Option<Value>>,
}

impl<'a> JsonBody<'a> {
    /// A body; nothing is parsed here.
    #[must_use]
    pub fn new(bytes: &'a Bytes) -> Self {
        Self { bytes, parsed: OnceCell::new() }
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The value at a JSON pointer; `None` where there is none, or the body is no JSON.
    #[must_use]
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        self.parsed
            .get_or_init(|| serde_json::from_slice(self.bytes).ok())
            .as_ref()?
            .pointer(pointer)
    }
}

/// A value that was found, not yet escaped.
pub(super) enum Found<'a> {
    /// The call has no such value.
    Nothing,
    /// Bytes that mean themselves.
    Text(&'a [u8]),
    /// URL text of several components.
    Url(&'a [u8]),
    /// One percent-encoded component; with `form`, `+` stands for a blank.
    Encoded { bytes: &'a [u8], form: bool },
    /// A part of a JSON body.
    Json(&'a Value),
    /// Made for this place: an address, a time.
    Made(SmallVec<[u8; 64]>),
}

impl Found<'_> {
    /// The text of a small value; longer than 64 bytes allocates.
    pub(super) fn print(value: impl Display) -> Self {
        let mut text = SmallVec::new();
        // Writing to memory cannot fail.
        let _ = write!(text, "{value}");
        Self::Made(text)
    }

    /// Writes the value escaped for where it stands.
    pub(super) fn write(
        &self,
        out: &mut Output,
        target: Target,
        default: Option<&str>,
    ) -> Result<(), RenderError> {
        match self {
            Self::Nothing => escape(out, target, default.unwrap_or_default().as_bytes()),
            Self::Text(bytes) => escape(out, target, bytes),
            Self::Url(bytes) if target == Target::Url => out.push(bytes),
            Self::Url(bytes) => escape(out, target, bytes),
            Self::Encoded { bytes, form } => escape(out, target, &decode(bytes, *form)),
            Self::Json(Value::String(text)) => escape(out, target, text.as_bytes()),
            Self::Json(Value::Null) => Ok(()),
            Self::Json(value) => {
                let text = out.room_for_json(value)?;
                escape(out, target, &text)
            }
            Self::Made(text) => escape(out, target, text),
        }
    }

    /// Writes the value as it came. A header's value is still held to what a header may hold.
    pub(super) fn write_raw(
        &self,
        out: &mut Output,
        target: Target,
        default: Option<&str>,
    ) -> Result<(), RenderError> {
        let bytes = match self {
            Self::Nothing => default.unwrap_or_default().as_bytes(),
            Self::Text(bytes) | Self::Url(bytes) | Self::Encoded { bytes, .. } => bytes,
            Self::Json(Value::String(text)) => text.as_bytes(),
            Self::Made(text) => text,
            Self::Json(value) => return out.push_json(value),
        };
        if target == Target::Header { escape(out, target, bytes) } else { out.push(bytes) }
    }

    /// Writes the value as JSON; `null` where there is none.
    pub(super) fn write_json(
        &self,
        out: &mut Output,
        default: Option<&str>,
    ) -> Result<(), RenderError> {
        match (self, default) {
            (Self::Nothing, None) => out.push(b"null"),
            (Self::Nothing, Some(json)) => out.push(json.as_bytes()),
            (Self::Text(bytes) | Self::Url(bytes), _) => json_string(out, bytes),
            (Self::Encoded { bytes, form }, _) => json_string(out, &decode(bytes, *form)),
            (Self::Json(value), _) => out.push_json(value),
            (Self::Made(text), _) => json_string(out, text),
        }
    }
}

/// The bytes that a percent-encoded component stands for; on the stack up to 256.
fn decode(bytes: &[u8], form: bool) -> SmallVec<[u8; 256]> {
    let plus = |byte| if form && byte == b'+' { b' ' } else { byte };
    // A `+` that was encoded means itself, so blanks are put in before decoding.
    if form && bytes.contains(&b'+') {
        let spaced: SmallVec<[u8; 256]> = bytes.iter().copied().map(plus).collect();
        return percent_decode(&spaced).collect();
    }
    percent_decode(bytes).collect()
}
