//! The `accept` steps of listeners: what a new connection passes before TLS.

use std::sync::Arc;

use indexmap::IndexMap;
use paifang_pipeline::{Chain, Stages};

use super::api::chains_digest;
use super::expand::alone;
use super::{Job, Used, step};
use crate::diag::{Problem, Problems};
use crate::model::Listener;
use crate::snapshot::{ServedAccept, Snapshot};
use crate::yaml::Digest;

/// The chains, by listener; listeners without steps have none.
pub(super) fn build(
    job: &Job<'_>,
    problems: &mut Problems,
) -> IndexMap<Arc<str>, Arc<ServedAccept>> {
    let listeners = job.config.listeners.iter().filter(|listener| !listener.accept.is_empty());
    listeners
        .filter_map(|listener| {
            let served = one(job, listener, problems)?;
            Some((listener.name.as_arc().clone(), served))
        })
        .collect()
}

fn one(job: &Job<'_>, listener: &Listener, problems: &mut Problems) -> Option<Arc<ServedAccept>> {
    let name = listener.name.as_arc();
    let old = job.context.previous.and_then(|previous: &Snapshot| previous.served_accept(name));
    let written: Vec<Digest> = listener.accept.nodes().iter().map(Digest::of).collect();
    let key =
        Digest::all([&job.common, &Digest::all(&written), &chains_digest(job, &listener.accept)]);
    if let Some(old) = old
        && job.reuse
        && old.key == key
        && job.still(&old.used)
    {
        return Some(old.clone());
    }
    let before = problems.len();
    let owner = format!("the listener `{name}`");
    let steps = alone(job.config, &listener.accept, (&owner, listener.name.span()), problems);
    if problems.len() > before {
        return None;
    }
    // An API's id holds no slash, so the state of the two can't meet.
    let id = format!("listener/{name}");
    let mut all = Vec::new();
    let mut used = Used::default();
    let mut whole = true;
    for step in steps.iter().filter(|step| step.enabled) {
        if let Some(when) = &step.when {
            problems.push(
                Problem::new(when.span, "there is no call yet that `when` could look at")
                    .help("remove it: `accept` steps see connections"),
            );
        }
        let chain = old.map(|old| &*old.chain);
        // Connections go to no upstream.
        let owner = step::Owner { id: &id, upstream: None, routes: &[] };
        let Some(built) = step::build(job, owner, chain, step, &mut used, problems) else {
            whole = false;
            continue;
        };
        if !built.step.handler.stages().has(Stages::ACCEPT) {
            problems.push(Problem::new(
                step.span,
                format!("`{}` is for calls, not for connections", step.kind),
            ));
        }
        all.push(built.step);
    }
    // A step may be missing for what was told before: its module.
    if problems.len() > before || !whole {
        return None;
    }
    Chain::new(all)
        .map(|chain| Arc::new(ServedAccept { chain: Arc::new(chain), key, used }))
        .map_err(|error| problems.push(Problem::new(listener.name.span(), error.to_string())))
        .ok()
}
