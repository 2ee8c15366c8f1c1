//! Plans as they are told: to people, and to tools as JSON.

use serde::Serialize;

use crate::explain::{flow, redacted};
use crate::model::{Change, OneStep, Place, StepBody};
use crate::snapshot::Snapshot;
use crate::yaml::to_value;

/// A plan of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// It is on.
    pub on: bool,
    /// Since when, in seconds since 1970; `None` where it is off.
    pub since_unix_seconds: Option<u64>,
    /// What it changes, a line each.
    pub changes: Vec<String>,
    /// How many APIs it touches when it is on alone; without what answers requests that match none.
    pub apis: usize,
}

/// All plans of a snapshot, in the order of the YAML.
#[must_use]
pub fn all(snapshot: &Snapshot) -> Vec<Told> {
    let plans = snapshot.config().plans.iter().map(|(name, plan)| {
        let on = snapshot.plans().iter().find(|on| on.name == **name);
        Told {
            name: name.to_string(),
            about: plan.about.value().clone(),
            on: on.is_some(),
            since_unix_seconds: on.map(|on| on.since_ms / 1000),
            changes: plan.changes.iter().map(|change| line(change)).collect(),
            apis: snapshot.plan_reach(name),
        }
    });
    plans.collect()
}

/// A change in a line.
fn line(change: &Change) -> String {
    let apis: Vec<&str> = change.apis.iter().map(|pattern| pattern.as_str()).collect();
    let apis = if apis.is_empty() { "all APIs".to_owned() } else { apis.join(", ") };
    if let Some(step) = &change.add {
        let place = match (&change.behind, change.at.as_deref()) {
            (Some(behind), _) => format!("behind {}", **behind),
            (None, Some(Place::First)) => "first".to_owned(),
            (None, _) => "last".to_owned(),
        };
        return format!("{apis}: {} added {place}", written(step));
    }
    let steps = change.steps.as_ref().map(|steps| steps.to_string()).unwrap_or_default();
    let what = match (&change.with, &change.replace) {
        (Some(with), _) => format!("with {}", flow(&redacted(to_value(with)))),
        (None, Some(other)) => format!("replaced by {}", written(other)),
        (None, None) => "removed".to_owned(),
    };
    format!("{apis}: {steps} {what}")
}

/// Kind and config of a step.
fn written(step: &OneStep) -> String {
    match step.get().map(|step| &step.body) {
        Some(StepBody::Plugin { kind, config, .. }) if config.is_null() => kind.to_string(),
        Some(StepBody::Plugin { kind, config, .. }) => {
            format!("{kind} {}", flow(&redacted(to_value(config))))
        }
        _ => String::new(),
    }
}
