//! Who may connect: connections open and new ones a second, of all, of an app, of a device; and the calls of an app.
//!
//! What was counted outlives releases: a [`Guard`] keeps it, and gives each release a [`Door`] with its own rules. A client that has
//! come under a door's rules keeps them. Refusals are cheap (no task, no lock but the device's shard), and say when to come back.

mod counts;
mod queue;
mod rules;
#[cfg(test)]
mod tests;

pub use rules::{Pace, Rules, Scope};

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use paifang_mmtp::{code::CloseCode, greeting::Closing};
use paifang_pipeline::ports::{LimitSpec, StateKey};
use paifang_state::{LocalLimiter, LocalStore};
use parking_lot::Mutex;
use tokio::time::Instant;

use counts::{Counts, Entered, Place};

/// Milliseconds that a client waits which found no place: nobody knows when there is one.
const NO_PLACE_AFTER_MS: u32 = 5_000;
const NO_PLACE_JITTER_MS: u32 = 30_000;
/// Milliseconds of which a device that came too fast waits a random part more.
const DEVICE_JITTER_MS: u32 = 1_000;
const NANOS_OF_MILLI: u64 = 1_000_000;

/// What is counted of connections and calls, over all releases.
pub struct Guard {
    began: Instant,
    store: LocalStore,
    all: Arc<Counts>,
    /// Apps without rules of their own, together.
    others: Arc<Counts>,
    apps: Mutex<HashMap<Arc<str>, Arc<Counts>>>,
    refused: Arc<Refused>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// Why somebody was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Connections,
    AppConnections,
    ConnectionRate,
    AppConnectionRate,
    DeviceConnectionRate,
    AppCallRate,
}

impl Reason {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Connections, "connections"),
        (Self::AppConnections, "app_connections"),
        (Self::ConnectionRate, "connection_rate"),
        (Self::AppConnectionRate, "app_connection_rate"),
        (Self::DeviceConnectionRate, "device_connection_rate"),
        (Self::AppCallRate, "app_call_rate"),
    ];
}

#[derive(Debug, Default)]
struct Refused([AtomicU64; Reason::ALL.len()]);

impl Refused {
    fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Relaxed);
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            store: LocalStore::new(),
            all: Arc::default(),
            others: Arc::default(),
            apps: Mutex::default(),
            refused: Arc::default(),
        }
    }
}

impl Guard {
    /// The rules of a release, over what was counted before.
    #[must_use]
    pub fn door(&self, rules: &Rules) -> Door {
        let mut known = self.apps.lock();
        let apps = rules.apps.iter().map(|(app, scope)| {
            let counts = known.entry(app.clone()).or_default().clone();
            (app.clone(), Arc::new(Place::new(scope, counts)))
        });
        let device = rules.per_device.map(|pace| {
            let Pace { count, period_nanos, burst } = pace;
            let spec = LimitSpec { count, period_nanos, burst, subjects: rules.devices };
            // One key for all releases: a rate that stays keeps its counts as long as a door has it.
            self.store.local_limiter(&StateKey::shared("mmtp.device"), spec)
        });
        Door {
            began: self.began,
            all: Arc::new(Place::new(&rules.all, self.all.clone())),
            others: Arc::new(Place::new(&rules.others, self.others.clone())),
            apps: apps.collect(),
            device,
            refused: self.refused.clone(),
        }
    }

    /// Connections and calls that were refused, by reason.
    #[must_use]
    pub fn refused(&self) -> Vec<(&'static str, u64)> {
        Reason::ALL
            .iter()
            .map(|(reason, label)| (*label, self.refused.0[*reason as usize].load(Relaxed)))
            .collect()
    }
}

/// The rules of one release. See the module.
pub struct Door {
    began: Instant,
    all: Arc<Place>,
    others: Arc<Place>,
    apps: HashMap<Arc<str>, Arc<Place>>,
    device: Option<Arc<LocalLimiter>>,
    refused: Arc<Refused>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("apps", &self.apps.len()).finish_non_exhaustive()
    }
}

impl Door {
    /// Whether a client may connect: a device of an app, at an address. The device's name is only a word of the client's, so it is
    /// counted together with the address: nobody keeps somebody else's device out.
    ///
    /// # Errors
    /// The CLOSE that the client gets: 2001 or 2002.
    pub fn enter(&self, app: &str, device: &[u8], address: IpAddr) -> Result<Permit, Box<Closing>> {
        let now = nanos_since(self.began);
        let place = self.apps.get(app).unwrap_or(&self.others);
        // From the narrow to the wide: what the narrow refuses takes nothing from the wide.
        if let Some(limiter) = &self.device {
            let wait = device_wait(limiter, app, device, address, now);
            if wait > 0 {
                self.refused.count(Reason::DeviceConnectionRate);
                return Err(too_fast(millis(wait), DEVICE_JITTER_MS));
            }
        }
        let of_app = self.take_place(place, Reason::AppConnections)?;
        let of_all = self.take_place(&self.all, Reason::Connections)?;
        for (place, reason) in
            [(place, Reason::AppConnectionRate), (&self.all, Reason::ConnectionRate)]
        {
            if let Err((after, jitter)) = place.arrive(now) {
                self.refused.count(reason);
                return Err(too_fast(after, jitter));
            }
        }
        let held = Held {
            began: self.began,
            place: place.clone(),
            refused: self.refused.clone(),
            _of_app: of_app,
            _of_all: of_all,
        };
        Ok(Permit(Arc::new(held)))
    }

    fn take_place(&self, place: &Arc<Place>, reason: Reason) -> Result<Entered, Box<Closing>> {
        place.enter().ok_or_else(|| {
            self.refused.count(reason);
            let closing = Closing::new(CloseCode::TOO_MANY_CONNECTIONS);
            Box::new(Closing { after: NO_PLACE_AFTER_MS, jitter: NO_PLACE_JITTER_MS, ..closing })
        })
    }
}

/// A place among the connections; it is given back when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Permit(Arc<Held>);

#[derive(Debug)]
struct Held {
    began: Instant,
    place: Arc<Place>,
    refused: Arc<Refused>,
    _of_app: Entered,
    _of_all: Entered,
}

impl Permit {
    /// Counts a call of the app; where its calls come too fast, the milliseconds after which one would pass.
    ///
    /// # Errors
    /// Those milliseconds.
    pub fn call(&self) -> Result<(), u32> {
        let held = &*self.0;
        if !held.place.limits_calls() {
            return Ok(());
        }
        held.place.call(nanos_since(held.began)).map_err(|wait| {
            held.refused.count(Reason::AppCallRate);
            millis(wait)
        })
    }
}

fn too_fast(after: u32, jitter: u32) -> Box<Closing> {
    Box::new(Closing { after, jitter, ..Closing::new(CloseCode::TOO_FAST) })
}

/// Nanoseconds that a device has to wait; 0 when it may connect.
fn device_wait(limiter: &LocalLimiter, app: &str, device: &[u8], address: IpAddr, now: u64) -> u64 {
    let (app_length, address) = (app.len().to_le_bytes(), address.to_canonical().to_string());
    let subject = [&app_length, app.as_bytes(), address.as_bytes(), b" ", device].concat();
    let decision = limiter.decide(&subject, now);
    if decision.allowed { 0 } else { decision.retry_after_nanos.max(1) }
}

fn nanos_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn millis(nanos: u64) -> u32 {
    u32::try_from(nanos.div_ceil(NANOS_OF_MILLI)).unwrap_or(u32::MAX)
}
