//! When a segment arrives: TCP's answer to a path that loses, as both ends see it.
//!
//! An end of a TCP connection never sees a loss, only that bytes come late, and all behind them too. So a segment
//! is given its time of arrival when it is sent:
//!
//! - It waits for its turn at the narrowest place, takes its length over the bandwidth, then the latency and a
//!   share of the jitter.
//! - Each transmission is lost with the profile's probability, or because it falls into an outage.
//! - After a loss the sender tries again. Where at least three segments follow in the same write, their
//!   acknowledgements tell of the loss and the first repetition leaves after one round trip (fast retransmit,
//!   RFC 5681 section 3.2). Otherwise, and for every further repetition, it leaves after the retransmission
//!   timeout, which doubles each time (RFC 6298 section 5), up to two minutes.
//! - Nothing overtakes: a segment arrives no sooner than the one before it.
//!
//! Left out: lost acknowledgements (a later one makes up for most of them), the growth of the congestion window (a
//! large transfer is at full bandwidth from its first byte on), and TCP's giving up (the ends have deadlines of
//! their own).

use std::time::Duration;

use tokio::time::Instant;

use super::profile::{Lane, Outages, Profile};

/// The longest wait between two transmissions of a segment, as Linux has it.
const LONGEST: Duration = Duration::from_secs(120);

/// After so many lost transmissions the next one arrives, an hour later: a loss of 100 % is a long wait, not a
/// busy loop.
const MOST: u32 = 40;

/// When the segment that opens a connection arrives, if it leaves now, and how long its answer takes then.
pub(super) fn opening(
    profile: &Profile,
    origin: Instant,
    rng: &mut fastrand::Rng,
) -> (Instant, Duration) {
    let (now, mut lost) = (Instant::now(), 0);
    let mut leg = |lane, from| {
        Sender::new(profile, lane, origin).opening().arrival(from, now, false, rng, &mut lost)
    };
    let there = leg(profile.up, now);
    let back = leg(profile.down, there);
    (there, back.saturating_duration_since(there))
}

/// The figures that say when a segment arrives; of one way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    lane: Lane,
    outages: Option<Outages>,
    origin: Instant,
    round_trip: Duration,
    timeout: Duration,
}

impl Sender {
    pub(super) fn new(profile: &Profile, lane: Lane, origin: Instant) -> Self {
        Self {
            lane,
            outages: profile.outages,
            origin,
            round_trip: profile.round_trip(),
            timeout: profile.retransmission_timeout(),
        }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// The same for the segments that open a connection: a lost one is repeated after a second (RFC 6298
    /// section 2.1).
    fn opening(mut self) -> Self {
        self.timeout = Duration::from_secs(1);
        self
    }

    /// When a segment arrives that first leaves at `left`; `followed` says that others tell of its loss.
    /// No transmission before `not_before` gets through. Counts the lost ones into `lost`.
    pub(super) fn arrival(
        &self,
        left: Instant,
        not_before: Instant,
        followed: bool,
        rng: &mut fastrand::Rng,
        lost: &mut u64,
    ) -> Instant {
        let mut at = left;
        let mut told = followed.then_some(self.round_trip);
        let mut timeout = self.timeout;
        for _ in 0..MOST {
            let dropped = self.lane.loss > 0.0 && rng.f64() < self.lane.loss;
            if !dropped && at >= not_before && !self.out(at) {
                break;
            }
            *lost += 1;
            at += told.take().unwrap_or_else(|| {
                let doubled = timeout.saturating_mul(2).min(LONGEST);
                std::mem::replace(&mut timeout, doubled)
            });
        }
        at + self.lane.latency + self.lane.jitter.mul_f64(rng.f64())
    }

    /// Whether nothing moves at `at`.
    fn out(&self, at: Instant) -> bool {
        let since = at.saturating_duration_since(self.origin);
        self.outages.is_some_and(|outages| outages.end_of(since).is_some())
    }
}
