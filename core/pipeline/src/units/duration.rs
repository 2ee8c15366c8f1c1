//! Spans of time: `500ms`, `3s`, `5m`, `2h`, `1d`, or several together: `1m30s`.

use super::{UnitError, split_number, string_unit};
use std::{fmt, str::FromStr, time::Duration};

/// A span of time written with its unit. Resolution is one microsecond; at most 3,650 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
const MAX_MICROS: u64 = 3_650 * 86_400_000_000;

impl HumanDuration {
    /// Wraps a span; nothing below a microsecond is kept when it is written out again.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// So many whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The span as the standard library has it.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || {
            UnitError(format!(
                "`{text}` is no duration; write it like `500ms`, `3s`, `5m`, `2h` or `1m30s`"
            ))
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut micros: u64 = 0;
        while !rest.is_empty() {
            let (number, tail) = split_number(rest);
            let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_end);
            let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1;
            let value: f64 = number.parse().map_err(|_| bad())?;
            let part = (value * scale as f64).round();
            if !(0.0..=MAX_MICROS as f64).contains(&part) {
                return Err(UnitError(format!("`{text}` is longer than the limit of 3650d")));
            }
            micros = micros.saturating_add(part as u64);
            rest = next.trim_start();
        }
        if micros > MAX_MICROS {
            return Err(UnitError(format!("`{text}` is longer than the limit of 3650d")));
        }
        Ok(Self(Duration::from_micros(micros)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut micros = u64::try_from(self.0.as_micros()).unwrap_or(MAX_MICROS);
        if micros == 0 {
            return f.write_str("0s");
        }
        for (name, scale) in UNITS {
            if micros >= scale {
                write!(f, "{}{name}", micros / scale)?;
                micros %= scale;
            }
        }
        Ok(())
    }
}

string_unit!(
    HumanDuration,
    r"^\s*([0-9.]+\s*(d|h|m|s|ms|us)\s*)+$",
    "a duration with its unit, such as `500ms`, `3s`, `5m` or `1m30s`"
);
