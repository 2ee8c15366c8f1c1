//! Compression of messages: one Zstandard frame (RFC 8878) a message, with dictionaries named by their content.
//!
//! **A message.** The wire form is one Zstandard frame without its magic number, four bytes that would say what the frame around
//! it says anyway. It declares its content's size, and has neither checksum nor dictionary id: TLS guards the bytes, and the
//! dictionary is named where the message is. Its window is no larger than [`MAX_WINDOW`]. What is not so is refused before it
//! is decoded, and so is what grows beyond the caller's limit or [`allowed`].
//!
//! **No shared context.** No message is compressed with the help of another. Where secrets and what an attacker chose pass one
//! compressor, the length of the output tells whether they are alike, and guessing byte by byte finds the secret (CRIME, BREACH).
//! A dictionary is no such context as long as it holds no secret: it is a file that every client has. What is left is one message
//! that holds a secret and text of an attacker: operations with such messages are to be named by [`Rules::never`].
//!
//! **Contexts.** Compressing takes some hundred kilobytes of working memory. It belongs to a [`Compressor`] and a
//! [`Decompressor`] of the process, which lend it for one message; a connection has none.

mod compressor;
mod decompressor;
mod dictionaries;
mod dictionary;
mod frame;
mod numbered;
mod pool;
#[cfg(test)]
mod tests;

pub use compressor::{Compressed, Compressor, LEVELS, LevelError, Settings};
pub use decompressor::Decompressor;
pub use dictionaries::{Choice, Dictionaries, Known, MAX_DICTIONARIES, Pattern, Rules, RulesError};
pub use dictionary::{Dictionary, DictionaryError, DictionaryId, MAX_DICTIONARY};
pub use frame::{FREE_GROWTH, MAX_RATIO, MAX_WINDOW, allowed};
pub use numbered::{Encoded, Numbered, Plain};

/// Why bytes of a peer are no compressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The dictionary that the message names is not in the set.
    #[error("dictionary {0} is not known here")]
    UnknownDictionary(DictionaryId),
    /// No dictionary has the number that the message names.
    #[error("no dictionary has the number {0} here")]
    UnknownNumber(u32),
    /// The bytes end before the frame does.
    #[error("the compressed message is cut short")]
    Truncated,
    /// Bytes follow the frame: another frame, one to be skipped, or anything else.
    #[error("{0} bytes follow the compressed message's end")]
    Trailing(usize),
    /// A rule of RFC 8878, or of the wire form, is broken.
    #[error("the compressed message is malformed: {0}")]
    Malformed(&'static str),
    /// The message says that it is longer than the caller takes.
    #[error("the message is {content} bytes long, more than {limit}")]
    TooLong {
        /// What the frame declares, in bytes.
        content: u64,
        /// What the caller takes, in bytes.
        limit: usize,
    },
    /// The message says that it grows more than [`allowed`].
    #[error("a message of {content} bytes must not come as {wire}")]
    GrowsTooMuch {
        /// What the frame declares, in bytes.
        content: u64,
        /// What came, in bytes.
        wire: usize,
    },
    /// The frame wants a window beyond [`MAX_WINDOW`].
    #[error("the compressed message wants a window of {0} bytes, more than {MAX_WINDOW}")]
    Window(u64),
    /// No memory for a context.
    #[error("no memory to decompress with")]
    Memory,
}
