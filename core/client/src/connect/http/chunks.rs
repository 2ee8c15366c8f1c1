//! The body of an answer, taken out of its framing.

use std::io;

use bytes::{Buf, BytesMut};

use super::{head::Framing, malformed};

/// The longest line of a chunk's size, and of a trailer.
const MAX_LINE: usize = 4096;

/// Where the reading of a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes, or all up to the connection's end.
    Plain(Option<u64>),
    /// A chunk's size is due.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line's end behind a chunk.
    ChunkEnd,
    /// Trailers, which are dropped.
    Trailers,
    /// All of it was read.
    Ended,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Close => Self::Plain(None),
            Framing::Length(0) => Self::Ended,
            Framing::Length(length) => Self::Plain(Some(length)),
            Framing::Chunked => Self::Size,
        }
    }

    /// Whether the end of the connection may be the end of the body.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Plain(None) | Self::Ended)
    }

    /// How many bytes at the beginning of `input` are the body's; framing before them is taken out. 0: more must be read, or the body has
    /// ended.
    pub(super) fn ready(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        loop {
            match *self {
                Self::Ended => return Ok(0),
                Self::Plain(None) => return Ok(input.len()),
                Self::Plain(Some(left)) | Self::Chunk(left) => {
                    return Ok(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                }
                Self::Size => match httparse::parse_chunk_size(input) {
                    Ok(httparse::Status::Complete((length, size))) => {
                        input.advance(length);
                        *self = if size == 0 { Self::Trailers } else { Self::Chunk(size) };
                    }
                    Ok(httparse::Status::Partial) if input.len() <= MAX_LINE => return Ok(0),
                    _ => return Err(malformed("a chunk without a size")),
                },
                Self::ChunkEnd => match &input[..] {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        *self = Self::Size;
                    }
                    [] | [b'\r'] => return Ok(0),
                    _ => return Err(malformed("a chunk that is longer than it says")),
                },
                Self::Trailers => match input.windows(2).position(|pair| pair == b"\r\n") {
                    Some(length) => {
                        input.advance(length + 2);
                        if length == 0 {
                            *self = Self::Ended;
                        }
                    }
                    None if input.len() <= MAX_LINE => return Ok(0),
                    None => return Err(malformed("a trailer that is too long")),
                },
            }
        }
    }

    /// So many bytes of what was ready were taken.
    pub(super) fn took(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        *self = match *self {
            Self::Plain(Some(left)) if left > bytes => Self::Plain(Some(left - bytes)),
            Self::Plain(Some(_)) => Self::Ended,
            Self::Chunk(left) if left > bytes => Self::Chunk(left - bytes),
            Self::Chunk(_) => Self::ChunkEnd,
            other => other,
        };
    }
}
