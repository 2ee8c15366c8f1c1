//! How much of everything a config may have. Real ones stay far below.

/// Bytes of one file.
pub(super) const FILE_BYTES: u64 = 4 << 20;
/// Bytes of all files together.
pub(super) const ALL_BYTES: u64 = 32 << 20;
/// Files, the first included; a file that is included twice counts twice.
pub(super) const FILES: u32 = 1000;
/// Files in a row that include each other.
pub(super) const INCLUDES: usize = 16;
/// Blocks inside each other.
pub(super) const DEPTH: usize = 32;
/// Directives in all.
pub(super) const DIRECTIVES: usize = 100_000;
/// Words of one directive.
pub(super) const WORDS: usize = 1000;
/// Bytes of one word.
pub(super) const WORD_BYTES: usize = 16 << 10;
/// APIs of one server, and of all: regular expressions multiply with prefixes.
pub(super) const APIS: usize = 10_000;
