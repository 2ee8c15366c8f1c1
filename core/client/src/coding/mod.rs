//! Compressed messages (spec section 9): what a client keeps for them, and what each of its connections has agreed on.

#[cfg(feature = "zstd")]
mod counts;
#[cfg(feature = "zstd")]
mod fetch;
#[cfg(not(feature = "zstd"))]
mod off;
#[cfg(feature = "zstd")]
mod on;
#[cfg(feature = "zstd")]
mod shared;
#[cfg(feature = "zstd")]
mod store;

#[cfg(feature = "zstd")]
pub use counts::Compressed;
#[cfg(not(feature = "zstd"))]
pub(crate) use off::{Agreed, Coder};
#[cfg(feature = "zstd")]
pub(crate) use on::{Agreed, CONTEXTS, Coder};
#[cfg(feature = "zstd")]
pub use shared::Compression;
#[cfg(feature = "zstd")]
pub use store::{DictionaryDir, DictionaryStore};

use bytes::Bytes;

/// A message that became shorter.
pub(crate) struct Encoded {
    /// Its wire form.
    pub(crate) data: Bytes,
    /// What ENCODED_WITH has to say.
    pub(crate) dictionary: Option<u32>,
}
