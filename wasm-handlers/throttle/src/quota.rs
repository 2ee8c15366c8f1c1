//! Days, what is left, and how it travels to the response.

const DAY_SECONDS: u64 = 86_400;

/// A day of the calendar in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day {
    /// Days since 1970-01-01.
    pub(crate) number: u64,
    /// Seconds until the next one begins, at least one.
    pub(crate) left: u64,
}

impl Day {
    /// The day of a time in seconds since the Unix epoch.
    pub(crate) fn of(now: u64) -> Self {
        Self { number: now / DAY_SECONDS, left: DAY_SECONDS - now % DAY_SECONDS }
    }
}

/// What a day still allows after its call of this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The call passes, and so many more may.
    Passes(u64),
    /// The day is used up.
    UsedUp,
}

impl Left {
    pub(crate) fn after(count: i64, daily: u64) -> Self {
        // A counter that somebody has set below zero has not counted this call.
        let count = u64::try_from(count).unwrap_or(0);
        daily.checked_sub(count).map_or(Self::UsedUp, Self::Passes)
    }
}

/// What is kept for the response: the day's rest where there is one, else the bucket's.
pub(crate) fn kept(daily: Option<u64>, bucket: Option<u64>) -> Vec<u8> {
    daily.or(bucket).map(|left| left.to_le_bytes().to_vec()).unwrap_or_default()
}

/// What was kept; `None` where nothing was.
pub(crate) fn left(kept: &[u8]) -> Option<u64> {
    kept.try_into().ok().map(u64::from_le_bytes)
}

/// A time in whole seconds, rounded up, for `Retry-After`.
pub(crate) fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1000).max(1)
}
