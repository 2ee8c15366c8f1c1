//! Spans of time and rates as the gateway's config writes them: `500ms`, `5m`, `1h30m`; `10/s`.

use crate::{ConfigError, host::kv};
use serde::{Deserialize, Deserializer, de::Error};
use std::fmt;

/// A span of time with its unit, in whole milliseconds; at most 3,650 days. In a schema:
/// `"pattern": "^([0-9]+(d|h|ms|m|s))+$"`.
///
/// ```
/// use paifang_guest::units::Span;
///
/// let span: Span = serde_json::from_str("\"1m30s\"").unwrap();
/// assert_eq!(span, Span::seconds(90));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

/// By length, longest first, as they are written out.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const MAX_MILLIS: u64 = 3_650 * 86_400_000;

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many milliseconds.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// So many hours.
    #[must_use]
    pub const fn hours(hours: u64) -> Self {
        Self(hours.saturating_mul(3_600_000))
    }

    /// It in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// It in seconds, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// Itself where it lies between two others.
    ///
    /// # Errors
    /// Where it does not: an error at `pointer`, for `configure` to return.
    pub fn between(self, least: Self, most: Self, pointer: &str) -> Result<Self, ConfigError> {
        if (least..=most).contains(&self) {
            return Ok(self);
        }
        Err(ConfigError::at(pointer, format!("{self} is not within {least} to {most}")))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut millis: u64 = 0;
        loop {
            let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(end);
            let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
            millis = millis.checked_add(number.parse::<u64>().ok()?.checked_mul(scale)?)?;
            if next.is_empty() {
                return (millis <= MAX_MILLIS).then_some(Self(millis));
            }
            rest = next;
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{name}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let message = || D::Error::custom(format!("`{text}` is no time such as `500ms` or `5m`"));
        Self::parse(&text).ok_or_else(message)
    }
}

/// So many in a period: `10/s`, `600/m`, `1000/h`, `5/d`; 1 to 1,000,000,000 of them. In a schema:
/// `"pattern": "^[1-9][0-9]{0,9}/(s|m|h|d)$"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    period: Span,
}

const MAX_COUNT: u64 = 1_000_000_000;

impl Rate {
    /// How many in a period.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }

    /// The period.
    #[must_use]
    pub const fn period(self) -> Span {
        self.period
    }

    /// What [`kv::take`] wants of it, with so many at once.
    #[must_use]
    pub const fn with_burst(self, burst: u64) -> kv::Rate {
        kv::Rate { count: self.count, period_millis: self.period.as_millis(), burst }
    }

    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        if !count.bytes().all(|byte| byte.is_ascii_digit()) || unit == "ms" {
            return None;
        }
        let count = count.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count))?;
        let period = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        Some(Self { count, period: Span(period) })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let message = || D::Error::custom(format!("`{text}` is no rate such as `10/s` or `600/m`"));
        Self::parse(&text).ok_or_else(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, millis) in [
            ("0s", 0),
            ("1ms", 1),
            ("500ms", 500),
            ("3s", 3_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("3650d", MAX_MILLIS),
        ] {
            assert_eq!(Span::parse(text), Some(Span(millis)), "{text}");
            assert_eq!(Span(millis).to_string(), text);
        }
        for text in ["", "5", "m", "5 m", "5x", "-5m", "1.5s", "5m3", "3651d", "5M"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert_eq!(Span::parse("99999999999999999999s"), None, "more than a number holds");
        assert_eq!(Span::parse("18446744073709551615d"), None, "more than a product holds");
    }

    #[test]
    fn a_span_out_of_its_bounds_is_told_with_its_place() {
        let (least, most) = (Span::seconds(1), Span::hours(1));
        assert_eq!(Span::seconds(1).between(least, most, "/ttl"), Ok(Span::seconds(1)));
        let error = Span::hours(2).between(least, most, "/ttl").unwrap_err();
        assert_eq!((&*error.pointer, &*error.message), ("/ttl", "2h is not within 1s to 1h"));
    }

    #[test]
    fn rates_are_read() {
        for (text, count, period) in
            [("10/s", 10, 1_000), ("600/m", 600, 60_000), ("1/d", 1, 86_400_000)]
        {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.count(), rate.period().as_millis()), (count, period), "{text}");
        }
        for text in ["", "10", "10/", "/s", "0/s", "10/ms", "+1/s", "1.5/s", "1000000001/s", "1/w"]
        {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }
}
