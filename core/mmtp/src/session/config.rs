//! What a session is told at its beginning.

use super::FrameRate;
use crate::greeting::Settings;

/// A point on a monotonic clock: milliseconds since a beginning that the caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// So many milliseconds later.
    #[must_use]
    pub const fn plus(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to here; 0 when that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Bounds and times of a session. [`Config::default`] has what the specification says.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What this side is ready to receive.
    pub settings: Settings,
    /// The most bytes of a message that one frame carries, so that others get their turn soon.
    pub fragment: usize,
    /// Milliseconds in which HELLO, or WELCOME, must come.
    pub greeting_ms: u64,
    /// A client sends a PING when so many milliseconds have passed without a frame in both directions. The server's WELCOME
    /// may say otherwise.
    pub heartbeat_ms: u64,
    /// A server ends a connection on which so many milliseconds nothing came.
    pub idle_ms: u64,
    /// Milliseconds of silence, while something is waited for, after which a first PING asks.
    pub probe_ms: u64,
    /// The same, after which a second one asks, and [`Event::Suspect`](super::Event::Suspect) tells.
    pub suspect_ms: u64,
    /// The same, after which the connection is dead.
    pub dead_ms: u64,
    /// A timer that comes so many milliseconds late means that the machine slept: nothing is concluded from the silence.
    pub slept_ms: u64,
    /// The most bytes of control frames that wait to be sent.
    pub control_bytes: usize,
    /// The most events that wait for HELLO or LOGIN to be decided.
    pub held_events: usize,
    /// How fast frames may come that carry less than 1 KiB of data; as they like without. Beyond it the connection ends (2002).
    pub frames: Option<FrameRate>,
    /// A call that has so many bytes waiting to be sent is full: see [`Session::send`](super::Session::send).
    pub full_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            fragment: 4096,
            greeting_ms: 10_000,
            heartbeat_ms: 60_000,
            idle_ms: 465_000,
            probe_ms: 1_500,
            suspect_ms: 3_000,
            dead_ms: 5_000,
            slept_ms: 2_000,
            control_bytes: 64 * 1024,
            held_events: 1024,
            frames: None,
            full_bytes: 32 * 1024,
        }
    }
}
