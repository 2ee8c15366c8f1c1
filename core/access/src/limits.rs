//! Bounds and times of the front's connections.

use std::{sync::Arc, time::Duration};

use paifang_mmtp::{greeting::Heartbeat, session};

/// What holds for every connection that begins while it does.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The session's own: windows, calls in flight, times of probes.
    pub session: session::Config,
    /// What clients are told about heartbeats.
    pub heartbeat: Heartbeat,
    /// Bytes that messages take which wait for one client, some hundred of each beside its data. Above it those that may be dropped are dropped; where that does not
    /// help the connection ends (`slow_reader`).
    pub push_bytes: usize,
    /// How long a client may take nothing of what waits for it, for its socket is full or its credit is used up: what takes nothing of
    /// an answer loses that, who takes nothing at all the connection.
    pub stall: Duration,
    /// How long HELLO's or LOGIN's credential may take to be looked at.
    pub decision: Duration,
    /// How long a client may take to close after GOAWAY, once nothing is in flight.
    pub linger: Duration,
    /// Whether a device's older connection goes when it has a newer one that has shown to be the same device's.
    pub one_per_device: bool,
    /// With that, the most connections of what calls itself the same device, and has not shown to be.
    pub per_device: usize,
    /// Other servers that clients may try: told in WELCOME, and when this one drains; the best first.
    pub alternates: Arc<[Box<str>]>,
}

impl Default for Limits {
    fn default() -> Self {
        Self::with_heartbeat(Heartbeat { initial: 60, least: 20, most: 300 })
    }
}

impl Limits {
    /// The defaults with other heartbeats. The idle limit follows from them (spec section 11).
    #[must_use]
    pub fn with_heartbeat(heartbeat: Heartbeat) -> Self {
        let session = session::Config {
            heartbeat_ms: u64::from(heartbeat.initial) * 1000,
            idle_ms: u64::from(heartbeat.most) * 1500 + 15_000,
            ..session::Config::default()
        };
        Self {
            session,
            heartbeat,
            push_bytes: 256 * 1024,
            stall: Duration::from_secs(30),
            decision: Duration::from_secs(10),
            linger: Duration::from_secs(3),
            one_per_device: true,
            per_device: 4,
            alternates: Arc::default(),
        }
    }
}

/// How slowly the body of a call may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPace {
    /// Until its next piece.
    pub stall: Duration,
    /// From when it is first waited for to its end.
    pub total: Duration,
}

impl Default for BodyPace {
    /// Half a minute, ten minutes.
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), total: Duration::from_secs(600) }
    }
}
