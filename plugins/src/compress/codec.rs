//! The codings, their names, and how hard each works.

use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Codec {
    /// RFC 8878 and RFC 9659.
    Zstd,
    /// RFC 7932.
    Br,
    /// RFC 1952; also called `x-gzip` (RFC 9110 section 8.4.1.3).
    Gzip,
}

/// All of them; a codec's number is its place here.
pub const CODECS: [Codec; 3] = [Codec::Zstd, Codec::Br, Codec::Gzip];

impl Codec {
    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }

    /// The coding of that name, in whatever case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        let named =
            CODECS.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name().as_bytes()));
        named.or_else(|| name.eq_ignore_ascii_case(b"x-gzip").then_some(Self::Gzip))
    }

    /// The hardest it may be told to work. What lies above takes memory by the ten megabytes, and
    /// holds up other calls for long.
    #[must_use]
    pub const fn most(self) -> u8 {
        match self {
            Self::Zstd | Self::Gzip => 9,
            Self::Br => 6,
        }
    }
}

/// How hard each coding works at present. Read when a response begins, so a change counts for the
/// responses after it.
#[derive(Debug)]
pub struct Levels([AtomicU8; CODECS.len()]);

impl Levels {
    /// These levels, by codec.
    #[must_use]
    pub fn new(level: impl Fn(Codec) -> u8) -> Self {
        Self(CODECS.map(|codec| AtomicU8::new(level(codec))))
    }

    /// The level of a coding.
    #[must_use]
    pub fn get(&self, codec: Codec) -> u8 {
        self.0[codec as usize].load(Relaxed)
    }

    /// Changes the level of a coding, at most to [`Codec::most`].
    pub fn set(&self, codec: Codec, level: u8) {
        self.0[codec as usize].store(level.clamp(1, codec.most()), Relaxed);
    }
}
