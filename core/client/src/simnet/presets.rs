//! Profiles by name.
//!
//! Latency and bandwidth of `4g` (LTE), `3g` and `edge` are those of WebPageTest's connection profiles, which browser
//! measurements have used for years. What they lack, jitter and loss, is ours: what is commonly met in
//! the open, not the worst. A figure of jitter is the most that is added, not a deviation.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::profile::{Lane, Outages, Profile};

/// The profiles that have names, from the best to the worst.
///
/// | name | one way | jitter | down | up | loss a way | outages |
/// |---|---|---|---|---|---|---|
/// | `clear` | 0 | 0 | - | - | 0 | |
/// | `wifi` | 10 ms | 5 ms | 30 Mbit/s | 15 Mbit/s | 0.1 % | |
/// | `4g` | 35 ms | 15 ms | 12 Mbit/s | 12 Mbit/s | 0.3 % | |
/// | `satellite` | 300 ms | 20 ms | 10 Mbit/s | 2 Mbit/s | 0.5 % | |
/// | `3g` | 150 ms | 40 ms | 1.6 Mbit/s | 768 kbit/s | 1 % | |
/// | `lossy` | 60 ms | 40 ms | 8 Mbit/s | 4 Mbit/s | 5 % | |
/// | `subway` | 80 ms | 60 ms | 4 Mbit/s | 2 Mbit/s | 2 % | 4 s in every 20 s |
/// | `edge` | 420 ms | 120 ms | 240 kbit/s | 200 kbit/s | 2 % | |
#[must_use]
pub fn presets() -> [Profile; 8] {
    [
        Profile::clear(),
        preset("wifi", 10, 5, (30_000, 15_000), 0.001),
        preset("4g", 35, 15, (12_000, 12_000), 0.003),
        preset("satellite", 300, 20, (10_000, 2_000), 0.005),
        preset("3g", 150, 40, (1_600, 768), 0.01),
        preset("lossy", 60, 40, (8_000, 4_000), 0.05),
        Profile { outages: Some(TUNNELS), ..preset("subway", 80, 60, (4_000, 2_000), 0.02) },
        preset("edge", 420, 120, (240, 200), 0.02),
    ]
}

/// A train between stations.
const TUNNELS: Outages = Outages {
    first: Duration::from_secs(10),
    length: Duration::from_secs(4),
    every: Some(Duration::from_secs(20)),
};

/// `kbits` is down, then up.
fn preset(name: &'static str, latency: u64, jitter: u64, kbits: (u64, u64), loss: f64) -> Profile {
    let lane = |kbit: u64| Lane {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(jitter),
        bandwidth: Some(kbit * 1000 / 8),
        loss,
    };
    Profile {
        name: Cow::Borrowed(name),
        up: lane(kbits.1),
        down: lane(kbits.0),
        ..Profile::clear()
    }
}

/// No profile has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProfile(String);

impl fmt::Display for UnknownProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = presets().into_iter().map(|known| known.name).collect();
        write!(f, "no network profile is called {:?}; there are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownProfile {}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut known = presets().into_iter();
        known.find(|known| known.name == name).ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
