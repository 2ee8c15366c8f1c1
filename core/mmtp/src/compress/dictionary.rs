//! A dictionary, and the name that its content gives it.

use super::LevelError;
use bytes::Bytes;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use zstd_safe::{CDict, DDict};

/// The longest dictionary, in bytes. Those that pay for small messages have 4 to 64 KiB.
pub const MAX_DICTIONARY: usize = 128 << 10;

/// What a trained dictionary begins with (RFC 8878, section 5).
const MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();
/// Where a trained dictionary has its own id: four bytes after the magic number.
const OWN_ID: std::ops::Range<usize> = 4..8;

/// The name of a dictionary: the first 16 bytes of the SHA-256 of its bytes. Whoever has the bytes has the name, so two sides
/// never mean different dictionaries by one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DictionaryId(pub [u8; 16]);

impl DictionaryId {
    /// The name of the dictionary that has these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(id)
    }
}

impl fmt::Display for DictionaryId {
    /// 32 small hexadecimal digits.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

impl fmt::Debug for DictionaryId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "DictionaryId({self})")
    }
}

impl FromStr for DictionaryId {
    type Err = DictionaryError;

    /// Reads 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, DictionaryError> {
        let digits = text.as_bytes();
        let mut id = [0; 16];
        if digits.len() != 2 * id.len() {
            return Err(DictionaryError::Name);
        }
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16).ok_or(DictionaryError::Name);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Ok(Self(id))
    }
}

/// Why bytes are no dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DictionaryError {
    /// They do not begin as a trained dictionary does.
    #[error("it is no trained Zstandard dictionary: `paifang dict train` makes one")]
    NoDictionary,
    /// There are more of them than [`MAX_DICTIONARY`].
    #[error("the dictionary has {0} bytes, more than {MAX_DICTIONARY}")]
    TooLong(usize),
    /// The tables at its beginning are damaged.
    #[error("the dictionary is damaged: Zstandard cannot load it")]
    Damaged,
    /// The level is none.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// Not 32 hexadecimal digits.
    #[error("a dictionary's name has 32 hexadecimal digits")]
    Name,
}

/// A trained dictionary, ready to compress and decompress with. A clone is a reference to the same one.
#[derive(Clone)]
pub struct Dictionary(Arc<Prepared>);

struct Prepared {
    id: DictionaryId,
    bytes: Bytes,
    level: i32,
    coder: CDict<'static>,
    decoder: DDict<'static>,
}

impl Dictionary {
    /// Prepares a dictionary, which takes about a millisecond, for compressing at `level`, one of [`LEVELS`](super::LEVELS).
    ///
    /// # Errors
    ///
    /// When the bytes are no trained dictionary (RFC 8878, section 5) or too many, or there is no such level.
    pub fn load(bytes: impl Into<Bytes>, level: i32) -> Result<Self, DictionaryError> {
        let bytes = bytes.into();
        let level = LevelError::check(level)?;
        if bytes.len() > MAX_DICTIONARY {
            return Err(DictionaryError::TooLong(bytes.len()));
        }
        if !bytes.starts_with(&MAGIC) {
            return Err(DictionaryError::NoDictionary);
        }
        let mut nameless = bytes.to_vec();
        // Messages name the dictionary by its content. Without an id of its own zstd writes none into each of them.
        nameless.get_mut(OWN_ID).ok_or(DictionaryError::Damaged)?.fill(0);
        let coder = CDict::try_create(&nameless, level).ok_or(DictionaryError::Damaged)?;
        let decoder = DDict::try_create(&nameless).ok_or(DictionaryError::Damaged)?;
        Ok(Self(Arc::new(Prepared { id: DictionaryId::of(&bytes), bytes, level, coder, decoder })))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> DictionaryId {
        self.0.id
    }

    /// Its bytes, of which the name is made.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The level that it compresses at.
    #[must_use]
    pub fn level(&self) -> i32 {
        self.0.level
    }

    /// The id that zstd's trainer gave it, which other tools show; it is not on the wire.
    #[must_use]
    pub fn zstd_id(&self) -> u32 {
        zstd_safe::get_dict_id_from_dict(&self.0.bytes).map_or(0, |id| id.get())
    }

    /// How much memory it takes, in bytes, for the process, not for each connection.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.0.bytes.len() + self.0.coder.sizeof() + self.0.decoder.sizeof()
    }

    pub(super) fn coder(&self) -> &CDict<'static> {
        &self.0.coder
    }

    pub(super) fn decoder(&self) -> &DDict<'static> {
        &self.0.decoder
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Dictionary({}, {} bytes)", self.0.id, self.0.bytes.len())
    }
}
