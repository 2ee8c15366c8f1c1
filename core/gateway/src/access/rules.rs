//! The section `mmtp` of the release that is live, as the access front takes it.

use std::{
    collections::HashSet,
    num::NonZeroU64,
    sync::{Arc, Weak},
};

use super::zones::{self, Zones};
use arc_swap::ArcSwapOption;
use paifang_access::{Door, Guard, Limits, Pace, Rules, Scope};
use paifang_config::{
    model::{self, AppMmtp, RateLimit},
    snapshot::Snapshot,
};
use paifang_mmtp::{
    greeting::{Heartbeat, Settings},
    session::FrameRate,
};
use paifang_pipeline::units::HumanDuration;

/// What was made of one release.
pub(super) struct Compiled {
    /// Compared, never used: a release is not kept alive by this.
    of: Weak<Snapshot>,
    /// What one connection may do.
    pub(super) limits: Arc<Limits>,
    /// Who may connect, of those whose app may.
    pub(super) door: Door,
    /// The apps that may; every one does without.
    apps: Option<HashSet<Box<str>>>,
    /// Where users are at home; all of them here without.
    pub(super) zones: Option<Zones>,
}

/// Makes it when a release is first asked for, and keeps what is counted over all of them.
#[derive(Default)]
pub(super) struct ReleaseRules {
    guard: Guard,
    made: ArcSwapOption<Compiled>,
}

impl ReleaseRules {
    /// What is counted.
    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The rules of this release.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Arc<Compiled> {
        if let Some(made) = &*self.made.load()
            && std::ptr::eq(made.of.as_ptr(), Arc::as_ptr(snapshot))
        {
            return made.clone();
        }
        let config = snapshot.config();
        let made = Arc::new(Compiled {
            of: Arc::downgrade(snapshot),
            limits: Arc::new(limits(&config.mmtp)),
            apps: config
                .mmtp
                .known_apps_only
                .then(|| config.apps.keys().map(|id| Box::from(&**id)).collect()),
            door: self.guard.door(&rules(config)),
            zones: config.mmtp.zones.as_ref().and_then(Zones::new),
        });
        self.made.store(Some(made.clone()));
        made
    }
}

impl Compiled {
    /// Whether clients of this app may connect at all.
    pub(super) fn takes(&self, app: &str) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }
}

fn limits(config: &model::Mmtp) -> Limits {
    let seconds =
        |duration: &HumanDuration| u32::try_from(duration.get().as_secs()).unwrap_or(u32::MAX);
    let heartbeat = &config.heartbeat;
    let mut limits = Limits::with_heartbeat(Heartbeat {
        initial: seconds(heartbeat.initial.value()),
        least: seconds(heartbeat.least.value()),
        most: seconds(heartbeat.most.value()),
    });
    let own = &config.limits;
    limits.session.settings =
        Settings { max_calls: *own.calls, max_operations: *own.operations, ..Settings::default() };
    let frames = own.frames.value();
    let burst = u32::try_from(frames.burst().get()).unwrap_or(u32::MAX);
    limits.session.frames = Some(FrameRate::every(frames.rate.interval_nanos(), burst));
    limits.one_per_device = config.one_per_device;
    limits.alternates = config.alternates.iter().map(zones::told).collect();
    limits
}

fn rules(config: &model::Config) -> Rules {
    let own = &config.mmtp.limits;
    let others = scope(&own.per_app, None);
    let apps = config.apps.iter().map(|(id, app)| {
        let name: Arc<str> = (**id).into();
        (name, scope(&own.per_app, app.mmtp.as_ref()))
    });
    Rules {
        all: Scope {
            connections: own.connections.as_ref().map(|most| **most),
            connection_rate: own.connection_rate.as_ref().map(pace),
            call_rate: None,
        },
        apps: apps.collect(),
        others,
        per_device: Some(pace(&own.per_device)),
        ..Rules::default()
    }
}

/// What an app says itself, else what holds for each.
fn scope(each: &AppMmtp, own: Option<&AppMmtp>) -> Scope {
    let rate = |of: fn(&AppMmtp) -> &Option<RateLimit>| {
        own.and_then(|own| of(own).as_ref()).or(of(each).as_ref()).map(pace)
    };
    let connections = own.and_then(|own| own.connections.as_ref()).or(each.connections.as_ref());
    Scope {
        connections: connections.map(|most| **most),
        connection_rate: rate(|app| &app.connection_rate),
        call_rate: rate(|app| &app.call_rate),
    }
}

fn pace(limit: &RateLimit) -> Pace {
    let number = |value: u64| NonZeroU64::new(value).unwrap_or(NonZeroU64::MIN);
    let period = u64::try_from(limit.rate.period().as_nanos()).unwrap_or(u64::MAX);
    Pace { count: number(limit.rate.count()), period_nanos: number(period), burst: limit.burst() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_app_says_otherwise_key_by_key() {
        let app = |yaml: &str| serde_json::from_str::<AppMmtp>(yaml).unwrap();
        let each = app(r#"{ "connections": 100, "call_rate": { "rate": "10/s" } }"#);
        let own = app(r#"{ "connections": 5, "connection_rate": { "rate": "6/m", "burst": 3 } }"#);
        let found = scope(&each, Some(&own));
        assert_eq!(found.connections, Some(5));
        let rate = found.connection_rate.unwrap();
        assert_eq!((rate.count.get(), rate.period_nanos.get()), (6, 60_000_000_000));
        assert_eq!(rate.burst.get(), 3);
        assert_eq!(found.call_rate.unwrap().burst.get(), 10, "as the rate's count");
        assert_eq!(scope(&each, None).connections, Some(100));
    }
}
