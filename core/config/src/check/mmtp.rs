//! MMTP: operations that exist, heartbeats in order.

use std::time::Duration;

use paifang_pipeline::units::HumanDuration;

use super::range::{HOUR, number, time};
use super::unknown;
use super::zones;
use crate::diag::{Problem, Problems};
use crate::model::{AppMmtp, Config, Id, MmtpLimits, RateLimit};
use crate::yaml::Located;

/// The longest life of a resume token.
const MOST_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mmtp = &config.mmtp;
    let components = &mmtp.components;
    let named = [&mmtp.authenticate, &components.log, &components.sync, &components.app];
    for operation in named.into_iter().flatten() {
        known(config, operation, problems);
    }
    if *mmtp.known_apps_only && config.apps.is_empty() {
        let what = "there are no `apps`, so no client could connect";
        let help = "name the apps under `apps`, or leave this out";
        problems.push(Problem::new(mmtp.known_apps_only.span(), what).help(help));
    }
    let heartbeat = &mmtp.heartbeat;
    let second = Duration::from_secs(1);
    let all = [&heartbeat.least, &heartbeat.initial, &heartbeat.most];
    for own in all {
        time(own, second, HOUR, problems);
        if own.get().subsec_nanos() > 0 {
            let what = format!("{} are no whole seconds, in which clients are told", own.value());
            problems.push(Problem::new(own.span(), what));
        }
    }
    for (pair, names) in all.windows(2).zip([("least", "initial"), ("initial", "most")]) {
        ordered(pair[0], pair[1], names, problems);
    }
    number(&mmtp.limits.calls, 64, 10_000, problems);
    number(&mmtp.limits.operations, 256, 65_536, problems);
    let resume = &mmtp.resume;
    time(&resume.lifetime, second, MOST_LIFETIME, problems);
    number(&resume.devices, 0, 10_000_000, problems);
    if let Some(store) = &resume.store
        && !config.names.stores.contains_key(&***store)
    {
        problems.push(unknown("store", store, store.span(), &config.names.stores));
    }
    limits(&mmtp.limits, problems);
    zones::addresses(&mmtp.alternates, mmtp.alternates.span(), problems);
    if let Some(own) = &mmtp.zones {
        zones::check(config, own, problems);
    }
    for app in config.apps.values().filter_map(|app| app.mmtp.as_ref()) {
        of_app(app, problems);
    }
    path(config, problems);
}

/// The path is in the one spelling that a path has, so that it is found by comparing; and no API waits behind it for calls that never come.
fn path(config: &Config, problems: &mut Problems) {
    let path = &config.mmtp.path;
    let text = path.value();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let segments = || text.split('/').skip(1);
    let good = text.starts_with('/')
        && (2..=255).contains(&text.len())
        && text.bytes().all(plain)
        && segments().all(|segment| !matches!(segment, "" | "." | ".."));
    if !good {
        problems.push(Problem::new(path.span(), "no path that MMTP can have").help(
            "write one like /.well-known/mmtp: letters, digits and -._~ between single slashes",
        ));
    }
    if config.listeners.iter().all(|listener| listener.value.mmtp.is_none()) {
        return;
    }
    let paths = config.apis.iter().filter_map(|api| api.matches.as_ref()?.path.as_ref());
    for own in paths.filter(|own| own.value() == text) {
        problems.push(
            Problem::new(own.span(), format!("`{text}` is MMTP's: no call comes to this API"))
                .help("choose another `mmtp.path`, or another path for the API"),
        );
    }
}

fn limits(limits: &MmtpLimits, problems: &mut Problems) {
    let frames = &limits.frames;
    if frames.rate.interval_nanos() > 100_000_000 || frames.burst().get() < 100 {
        let what = "less than 10/s, or than a burst of 100, is less than clients need";
        problems.push(Problem::new(frames.span(), what));
    }
    let rates = [Some(frames.value()), Some(&limits.per_device), limits.connection_rate.as_ref()];
    rates.into_iter().flatten().for_each(|rate| burst(rate, problems));
    if let Some(most) = &limits.connections {
        number(most, 1, 10_000_000, problems);
    }
    of_app(&limits.per_app, problems);
}

fn of_app(app: &AppMmtp, problems: &mut Problems) {
    if let Some(most) = &app.connections {
        number(most, 1, 10_000_000, problems);
    }
    let rates = [&app.connection_rate, &app.call_rate];
    rates.into_iter().flatten().for_each(|rate| burst(rate, problems));
}

fn burst(rate: &RateLimit, problems: &mut Problems) {
    if let Some(burst) = &rate.burst {
        number(burst, 1, 1_000_000_000, problems);
    }
}

fn known(config: &Config, operation: &Located<Id>, problems: &mut Problems) {
    let known = config.apis.iter().filter_map(|api| api.operation.as_ref());
    if !known.into_iter().any(|known| known.value() == operation.value()) {
        problems.push(
            Problem::new(
                operation.span(),
                format!("no API has the operation `{}`", operation.value()),
            )
            .help("give an API `operation: …` with this name"),
        );
    }
}

fn ordered(
    lesser: &Located<HumanDuration>,
    greater: &Located<HumanDuration>,
    (lesser_name, greater_name): (&str, &str),
    problems: &mut Problems,
) {
    if lesser.value().get() > greater.value().get() {
        problems.push(Problem::new(
            super::pick(lesser.span(), greater.span()),
            format!(
                "`{lesser_name}` ({}) is above `{greater_name}` ({})",
                lesser.value(),
                greater.value()
            ),
        ));
    }
}
