//! Amounts of memory or body: `512B`, `64KiB`, `1MiB`, `2GiB`.

use super::{UnitError, split_number, string_unit};
use std::{fmt, str::FromStr};

/// A number of bytes written with its unit. Powers of 1,024 (`KiB`) and of 1,000 (`kB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];
const MAX: u64 = 1 << 50;

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; saturates where the platform is smaller.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || {
            UnitError(format!(
                "`{text}` is no size; write it like `512B`, `64KiB`, `1MiB` or `2GiB`"
            ))
        };
        let (number, unit) = split_number(text.trim());
        let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        let value: f64 = number.parse().map_err(|_| bad())?;
        let bytes = (value * scale as f64).round();
        if !(0.0..=MAX as f64).contains(&bytes) {
            return Err(UnitError(format!("`{text}` is larger than the limit of 1048576GiB")));
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, scale) in UNITS {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return write!(f, "{}{name}", self.0 / scale);
            }
        }
        write!(f, "{}B", self.0)
    }
}

string_unit!(
    ByteSize,
    r"^\s*[0-9.]+\s*(GiB|MiB|KiB|GB|MB|kB|B)\s*$",
    "a size with its unit, such as `512B`, `64KiB` or `1MiB`"
);
