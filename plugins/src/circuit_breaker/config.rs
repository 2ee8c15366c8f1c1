//! The config of `circuit_breaker`.

use paifang_pipeline::{
    ConfigError,
    units::{HumanDuration, Percent},
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::{ops::RangeInclusive, time::Duration};

/// Gives an upstream that fails a rest: calls are refused at once until it is well again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Opens when so many of the calls in the window have failed, above `0%`. Default: 50%.
    pub errors: Percent,
    /// Statuses of the upstream that are failures, 400 to 599, up to 32. That it cannot be reached or
    /// does not answer in time or in whole is one in any case. Default: 500, 502, 503, 504.
    pub statuses: Vec<u16>,
    /// A call is slow when the upstream, once it has the whole request, takes longer than this to
    /// begin its answer: 1ms to 1h. Default: none is.
    pub slower_than: Option<HumanDuration>,
    /// Opens when so many of the calls in the window were slow, above `0%`; needs `slower_than`.
    /// Default: 80%.
    pub slow: Option<Percent>,
    /// How far back calls count, 1s to 10m. It moves on by tenths. Default: 10s.
    pub window: HumanDuration,
    /// It does not open for fewer calls in the window, 1 to 10000. Default: 20.
    pub min_calls: u32,
    /// How long it stays open at first, 100ms to 1h. Doubled each time that the upstream is tried
    /// again and is still not well. Default: 5s.
    pub open_for: HumanDuration,
    /// How long it stays open at most, from `open_for` to 24h. Default: 1m, or `open_for` where that
    /// is longer.
    pub open_max: Option<HumanDuration>,
    /// Up to such a share of its time longer, so that gateways do not try again all at once. Default:
    /// 10%.
    pub jitter: Percent,
    /// How many calls are let through to try the upstream again, and must all be fine for it to
    /// close: 1 to 100. Default: 3.
    pub probes: u32,
    /// Judges together with every other step that names the same share, upstream by upstream. Steps
    /// of one share must agree in all else.
    pub share: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        let percent = |text: &str| text.parse().unwrap_or(Percent::ALL);
        let seconds = |count| HumanDuration::from_secs(count);
        Self {
            errors: percent("50%"),
            statuses: vec![500, 502, 503, 504],
            slower_than: None,
            slow: None,
            window: seconds(10),
            min_calls: 20,
            open_for: seconds(5),
            open_max: None,
            jitter: percent("10%"),
            probes: 3,
            share: None,
        }
    }
}

/// What a breaker does, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spec {
    /// In thousandths of a percent.
    pub(super) errors: u32,
    /// Sorted.
    pub(super) statuses: Vec<u16>,
    /// Beyond so many nanoseconds a call is slow.
    pub(super) slower_than: Option<u64>,
    pub(super) slow: u32,
    pub(super) window_nanos: u64,
    pub(super) min_calls: u32,
    pub(super) open_nanos: u64,
    pub(super) open_max_nanos: u64,
    pub(super) jitter: u32,
    pub(super) probes: u32,
}

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

impl Spec {
    pub(super) fn new(config: &Config) -> Result<Self, ConfigError> {
        let share = |share: Percent, at: &str| match share.thousandths() {
            0 => Err(ConfigError::at(at, "expected more than 0%")
                .help("a breaker of 0% would open without a reason")),
            some => Ok(some),
        };
        if config.slow.is_some() && config.slower_than.is_none() {
            return Err(ConfigError::at("/slow", "it is not said which calls are slow")
                .help("write `slower_than: 2s` beside it"));
        }
        let slow = match config.slow {
            Some(slow) => share(slow, "/slow")?,
            None => 80_000,
        };
        let open = time(config.open_for, "/open_for", Duration::from_millis(100)..=HOUR)?;
        let open_max = match config.open_max {
            Some(most) => time(most, "/open_max", config.open_for.get()..=DAY)?,
            None => open.max(60 * 1_000_000_000),
        };
        Ok(Self {
            errors: share(config.errors, "/errors")?,
            statuses: statuses(&config.statuses)?,
            slower_than: config
                .slower_than
                .map(|than| time(than, "/slower_than", MILLI..=HOUR))
                .transpose()?,
            slow,
            window_nanos: time(config.window, "/window", SECOND..=Duration::from_secs(600))?,
            min_calls: count(config.min_calls, "/min_calls", 10_000)?,
            open_nanos: open,
            open_max_nanos: open_max,
            jitter: config.jitter.thousandths(),
            probes: count(config.probes, "/probes", 100)?,
        })
    }
}

fn statuses(all: &[u16]) -> Result<Vec<u16>, ConfigError> {
    if all.len() > 32 {
        let message = format!("expected up to 32 statuses, found {}", all.len());
        return Err(ConfigError::at("/statuses", message));
    }
    for (index, status) in all.iter().enumerate() {
        if !(400..=599).contains(status) {
            let message = format!("expected 400 to 599, found `{status}`");
            return Err(ConfigError::at(format!("/statuses/{index}"), message));
        }
    }
    let mut all = all.to_vec();
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

fn time(
    time: HumanDuration,
    at: &str,
    range: RangeInclusive<Duration>,
) -> Result<u64, ConfigError> {
    if !range.contains(&time.get()) {
        let word = |time: &Duration| HumanDuration::new(*time);
        let (least, most) = (word(range.start()), word(range.end()));
        let message = format!("expected {least} to {most}, found `{time}`");
        return Err(ConfigError::at(at, message));
    }
    Ok(u64::try_from(time.get().as_nanos()).unwrap_or(u64::MAX))
}

fn count(count: u32, at: &str, most: u32) -> Result<u32, ConfigError> {
    if (1..=most).contains(&count) {
        return Ok(count);
    }
    Err(ConfigError::at(at, format!("expected 1 to {most}, found `{count}`")))
}
