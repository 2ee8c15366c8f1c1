//! The trace of one call: what each step said, how long it took, which headers it changed.

use std::sync::Arc;

/// One step at one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceEvent {
    /// The step's id, or `-` for the engine itself.
    pub step: Arc<str>,
    /// The stage's name.
    pub stage: &'static str,
    /// The verdict's name.
    pub verdict: &'static str,
    /// How long the step took, in nanoseconds; waiting included.
    pub nanos: u64,
    /// Header changes, `+name`, `-name`, `~name`: names only, since values may be secret.
    pub headers: Vec<String>,
}

/// The trace of one call, in the order of events.
#[derive(Debug, Clone, Default)]
pub struct CallTrace {
    /// What happened.
    pub events: Vec<TraceEvent>,
}

impl CallTrace {
    /// The names of headers that differ between two maps, marked by what happened to them.
    #[must_use]
    pub fn changes(before: &http::HeaderMap, after: &http::HeaderMap) -> Vec<String> {
        let mut changes = Vec::new();
        for name in before.keys() {
            if !after.contains_key(name) {
                changes.push(format!("-{name}"));
            } else if !before.get_all(name).iter().eq(after.get_all(name).iter()) {
                changes.push(format!("~{name}"));
            }
        }
        changes.extend(
            after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("+{name}")),
        );
        changes
    }
}
