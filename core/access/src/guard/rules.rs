//! What a release allows.

use std::{
    collections::HashMap,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
};

use paifang_state::Gcra;

/// So many events in a period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many in a period.
    pub count: NonZeroU64,
    /// The period, in nanoseconds.
    pub period_nanos: NonZeroU64,
    /// How many at once after a pause.
    pub burst: NonZeroU64,
}

impl Pace {
    pub(super) fn gcra(self) -> Gcra {
        Gcra::new(self.count, self.period_nanos, self.burst)
    }

    /// Nanoseconds between two events at the rate.
    pub(super) fn increment(self) -> u64 {
        self.period_nanos.get().div_ceil(self.count.get())
    }
}

/// What those who are counted together may do; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Connections open at once.
    pub connections: Option<u32>,
    /// New connections.
    pub connection_rate: Option<Pace>,
    /// Calls over all of their connections.
    pub call_rate: Option<Pace>,
}

/// The rules of a release.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Of all clients together; their calls are not counted.
    pub all: Scope,
    /// Of each app that is known.
    pub apps: HashMap<Arc<str>, Scope>,
    /// Of all other apps together, for clients may name as many as they like.
    pub others: Scope,
    /// New connections of one device.
    pub per_device: Option<Pace>,
    /// How many devices are remembered for it, about 60 bytes each. When all of them are active, new ones are refused.
    pub devices: NonZeroU32,
}

impl Default for Rules {
    /// Without limits; 1,000,000 devices.
    fn default() -> Self {
        Self {
            all: Scope::default(),
            apps: HashMap::new(),
            others: Scope::default(),
            per_device: None,
            devices: NonZeroU32::MIN.saturating_add(999_999),
        }
    }
}
