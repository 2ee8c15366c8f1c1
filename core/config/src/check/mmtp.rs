//! MMTP: operations that exist, heartbeats in order.

use std::time::Duration;

use paifang_pipeline::units::HumanDuration;

use super::range::{HOUR, number, time};
use crate::diag::{Problem, Problems};
use crate::model::{Config, Id};
use crate::yaml::Located;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mmtp = &config.mmtp;
    let components = &mmtp.components;
    let named = [&mmtp.authenticate, &components.log, &components.sync, &components.app];
    for operation in named.into_iter().flatten() {
        known(config, operation, problems);
    }
    let heartbeat = &mmtp.heartbeat;
    let second = Duration::from_secs(1);
    let all = [&heartbeat.least, &heartbeat.initial, &heartbeat.most];
    for own in all {
        time(own, second, HOUR, problems);
    }
    for (pair, names) in all.windows(2).zip([("least", "initial"), ("initial", "most")]) {
        ordered(pair[0], pair[1], names, problems);
    }
    number(&mmtp.limits.calls, 64, 10_000, problems);
    number(&mmtp.limits.operations, 256, 65_536, problems);
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
