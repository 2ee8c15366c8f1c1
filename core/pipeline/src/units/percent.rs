//! Shares of traffic: `10%`, `0.5%`.

use super::{UnitError, split_number, string_unit};
use std::{fmt, str::FromStr};

/// A share from `0%` to `100%`, in steps of a thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100_000);
    /// A hundredth of it.
    pub const ONE: Self = Self(1_000);

    /// The share in thousandths of a percent, 0 to 100,000.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Whether `random`, spread evenly over all of `u64`, falls into the share.
    #[must_use]
    pub fn includes(self, random: u64) -> bool {
        // The high half of the product spreads `random` over 0..100_000 without a division.
        let scaled = (u128::from(random) * 100_000) >> 64;
        scaled < u128::from(self.0)
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError(format!("`{text}` is no share; write it like `10%` or `0.5%`"));
        let (number, unit) = split_number(text.trim());
        if unit != "%" {
            return Err(bad());
        }
        let value: f64 = number.parse().map_err(|_| bad())?;
        if !(0.0..=100.0).contains(&value) {
            return Err(UnitError(format!("`{text}` is outside 0% to 100%")));
        }
        Ok(Self((value * 1_000.0).round() as u32))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1_000.0)
    }
}

string_unit!(Percent, r"^\s*[0-9.]+\s*%\s*$", "a share such as `10%` or `0.5%`");
