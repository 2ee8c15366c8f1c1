//! What a path is like: figures of both ways, outages, what a NAT forgets.
//!
//! This file and `presets.rs` name nothing but the standard library: a link that works on packets reads
//! the same figures.

use std::borrow::Cow;
use std::time::Duration;

/// The figures of a whole path. `up` is from the client, `down` towards it.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What it is called in reports.
    pub name: Cow<'static, str>,
    /// From the client to the server.
    pub up: Lane,
    /// From the server to the client.
    pub down: Lane,
    /// Times in which nothing moves, either way.
    pub outages: Option<Outages>,
    /// A NAT on the way that forgets idle connections.
    pub nat: Option<Nat>,
    /// Bytes that one way holds at most, sent and not yet read: send buffer, path and receive buffer
    /// together. A writer beyond it waits.
    pub window: usize,
}

/// The figures of one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lane {
    /// How long a packet takes from one end to the other, beside its own length.
    pub latency: Duration,
    /// What is added to the latency of each packet: evenly from nothing to this much. Order is kept.
    pub jitter: Duration,
    /// Bytes a second through the narrowest place; `None` is without limit.
    pub bandwidth: Option<u64>,
    /// The share of packets that are lost, from 0 to 1, each by itself.
    pub loss: f64,
}

/// Times in which nothing moves: one, or one in every period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outages {
    /// When the first begins, from the origin of the link.
    pub first: Duration,
    /// How long each is.
    pub length: Duration,
    /// From the beginning of one to the beginning of the next, longer than `length`; `None` for only one.
    pub every: Option<Duration>,
}

/// A NAT that forgets a connection on which nothing moved for a while, and then what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat {
    /// How long a connection may be silent, both ways together.
    pub idle: Duration,
    /// What the client meets that sends on a forgotten connection.
    pub answer: Forgotten,
}

/// What becomes of a connection that a NAT forgot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// Bytes vanish, both ways, and nobody is told.
    Silent,
    /// Who sends is told by a reset after a round trip; the other end is never told.
    Reset,
}

/// Bytes that a path holds one way, unless its profile says other.
const WINDOW: usize = 256 * 1024;

impl Profile {
    /// A path without delay, limit or loss.
    #[must_use]
    pub const fn clear() -> Self {
        Self {
            name: Cow::Borrowed("clear"),
            up: Lane::CLEAR,
            down: Lane::CLEAR,
            outages: None,
            nat: None,
            window: WINDOW,
        }
    }

    /// A path that takes `latency` each way and is otherwise without fault.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        let lane = Lane { latency, ..Lane::CLEAR };
        Self { name: Cow::Borrowed("latency"), up: lane, down: lane, ..Self::clear() }
    }

    /// The time that a small packet takes there and back, without jitter.
    #[must_use]
    pub const fn round_trip(&self) -> Duration {
        self.up.latency.saturating_add(self.down.latency)
    }

    /// The time after which TCP sends a lost segment again when nothing that follows tells it of the
    /// loss: the round trip, and four deviations of it but 200 ms at least, as Linux counts
    /// (RFC 6298 section 2 with a lower bound of its own).
    #[must_use]
    pub fn retransmission_timeout(&self) -> Duration {
        let jitter = self.up.jitter.saturating_add(self.down.jitter);
        let deviation = jitter.saturating_mul(2).max(Duration::from_millis(200));
        self.round_trip().saturating_add(jitter / 2).saturating_add(deviation)
    }
}

impl Lane {
    /// No delay, no limit, no loss.
    pub const CLEAR: Self =
        Self { latency: Duration::ZERO, jitter: Duration::ZERO, bandwidth: None, loss: 0.0 };

    /// How long `bytes` take through the narrowest place.
    #[must_use]
    pub fn serialisation(&self, bytes: usize) -> Duration {
        match self.bandwidth {
            None => Duration::ZERO,
            Some(rate) => {
                let nanos = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(rate.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        }
    }
}

impl Outages {
    /// If `at` (from the origin) lies in an outage, when that one ends (from the origin).
    #[must_use]
    pub fn end_of(&self, at: Duration) -> Option<Duration> {
        let since = at.checked_sub(self.first)?;
        let into = match self.every {
            Some(every) if !every.is_zero() => nanos(since.as_nanos() % every.as_nanos()),
            _ => since,
        };
        (into < self.length).then(|| at + (self.length - into))
    }
}

fn nanos(count: u128) -> Duration {
    Duration::from_nanos(u64::try_from(count).unwrap_or(u64::MAX))
}
