//! Frequencies: `200/s`, `10/m`, `1000/h`, `5/d`.

use super::{UnitError, split_number, string_unit};
use std::{fmt, num::NonZeroU64, str::FromStr, time::Duration};

/// So many events a period. Never zero: to forbid all, respond instead of limiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU64,
    period_secs: u64,
}

const PERIODS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
const MAX_COUNT: u64 = 1_000_000_000;

impl Rate {
    /// `count` events every second.
    #[must_use]
    pub const fn per_second(count: NonZeroU64) -> Self {
        Self { count, period_secs: 1 }
    }

    /// How many events a period.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count.get()
    }

    /// The period.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_secs(self.period_secs)
    }

    /// The time between two events at exactly this rate, in nanoseconds, at least one.
    #[must_use]
    pub fn interval_nanos(self) -> u64 {
        (self.period_secs * 1_000_000_000 / self.count.get()).max(1)
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || {
            UnitError(format!(
                "`{text}` is no rate; write it like `200/s`, `10/m`, `1000/h` or `5/d`"
            ))
        };
        let (number, unit) = split_number(text.trim());
        let unit = unit.strip_prefix('/').ok_or_else(bad)?.trim();
        let period_secs = PERIODS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
        let count: u64 = number.parse().map_err(|_| bad())?;
        if count > MAX_COUNT {
            return Err(UnitError(format!(
                "`{text}` is more than the limit of {MAX_COUNT} a period"
            )));
        }
        let count = NonZeroU64::new(count).ok_or_else(|| {
            UnitError(format!("`{text}` would let nothing pass; a rate is at least 1"))
        })?;
        Ok(Self { count, period_secs })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = PERIODS.iter().find(|(_, secs)| *secs == self.period_secs).map_or("s", |p| p.0);
        write!(f, "{}/{unit}", self.count)
    }
}

string_unit!(Rate, r"^\s*[0-9]+\s*/\s*(s|m|h|d)\s*$", "a rate such as `200/s`, `10/m` or `1000/h`");
