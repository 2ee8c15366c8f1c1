//! One step: its plugin, its config, its matcher.

use std::borrow::Cow;
use std::sync::Arc;

use paifang_pipeline::ports::HttpOut;
use paifang_pipeline::stats::StepStats;
use paifang_pipeline::{BuildContext, Built, Chain, Stages, Step, When, WhenConfig};
use serde_json::Value;

use super::expand::Expanded;
use super::{Job, Used, words};
use crate::diag::{Problem, Problems, did_you_mean};
use crate::yaml::{Node, by_pointer, read, to_value};

/// A step that was built, and what its chain must know.
pub(super) struct BuiltStep {
    pub(super) step: Step,
    pub(super) writes: Vec<Cow<'static, str>>,
    pub(super) overrides: bool,
    /// It answers every call, whatever the call is.
    pub(super) answers: bool,
}

/// Whose chain a step stands in, and where calls may go that come to it.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The API's id, or the listener's name.
    pub(super) id: &'a str,
    /// The API's own upstream.
    pub(super) upstream: Option<&'a Arc<str>>,
    /// Where steps above may send calls.
    pub(super) routes: &'a [Arc<str>],
}

/// Builds a step of an API; counters are taken over from the chain `before`. What it was built
/// with is added to `used`.
pub(super) fn build(
    job: &Job<'_>,
    owner: Owner<'_>,
    before: Option<&Chain>,
    step: &Expanded,
    used: &mut Used,
    problems: &mut Problems,
) -> Option<BuiltStep> {
    let built = handler(job, owner, step, used, problems);
    let when = step.when.as_ref().map(|node| when(node, problems));
    let built = built?;
    let when = match when {
        Some(None) => return None,
        Some(when) => when,
        None => None,
    };
    let answers = built.always_answers && when.is_none();
    Some(BuiltStep {
        step: Step {
            id: step.id.clone(),
            kind: step.kind.clone(),
            stats: stats(before, step),
            handler: built.handler,
            when,
            on_failure: step.on_failure,
            states: built.states,
            routes: built.routes,
        },
        writes: built.writes,
        overrides: built.overrides,
        answers,
    })
}

fn handler(
    job: &Job<'_>,
    owner: Owner<'_>,
    step: &Expanded,
    used: &mut Used,
    problems: &mut Problems,
) -> Option<Built> {
    let Some(plugin) = job.plugin(&step.kind) else {
        // What is wrong with a module has been told at its entry.
        if !job.config.wasm.contains_key(&*step.kind) {
            problems.push(
                Problem::new(step.span, format!("there is no handler `{}`", step.kind))
                    .maybe_help(did_you_mean(&step.kind, job.kinds())),
            );
        }
        return None;
    };
    let config = value(job, step);
    let secrets = job.cache.within(job.sources.directory(step.config.span));
    let asking = job.upstreams.ask();
    let http: Arc<dyn HttpOut> = asking.clone();
    let context = BuildContext {
        api: owner.id,
        step: &step.id,
        upstream: owner.upstream,
        routes: owner.routes,
        apps: job.apps,
        store: job.context.store,
        stores: job.stores,
        clock: job.context.clock,
        http: &http,
        secrets: &secrets,
    };
    let built = plugin.build(&config, &context);
    used.secrets.extend(secrets.into_used());
    used.upstreams.extend(asking.finish());
    built
        .map_err(|error| {
            let mut problem = words::problem(&error, &step.config, step.span);
            for through in &step.overrides {
                problem = problem.related(*through, "overridden here");
            }
            problems.push(problem);
        })
        .ok()
}

/// The config as JSON. A chain's steps are converted once for all APIs that use them unchanged.
fn value(job: &Job<'_>, step: &Expanded) -> Arc<Value> {
    if !step.plain || step.through.is_empty() && !step.default {
        return Arc::new(to_value(&step.config));
    }
    let mut values = job.values.borrow_mut();
    values.entry(step.config.span).or_insert_with(|| Arc::new(to_value(&step.config))).clone()
}

/// The matcher; `None` when it is wrong, which has been told.
fn when(node: &Node, problems: &mut Problems) -> Option<When> {
    let before = problems.len();
    let config: WhenConfig = read(node, problems)?;
    if problems.len() > before {
        return None;
    }
    When::compile(&config)
        .map_err(|(key, message)| {
            let (_, span) = by_pointer(node, &format!("/{key}"), node.span);
            problems.push(Problem::new(span, message));
        })
        .ok()
}

/// The counters of the same step in the previous snapshot, or new ones.
fn stats(before: Option<&Chain>, step: &Expanded) -> Arc<StepStats> {
    before
        .and_then(|before| {
            before.steps().iter().find(|old| old.id == step.id && old.kind == step.kind)
        })
        .map(|old| old.stats.clone())
        .unwrap_or_default()
}

/// The stages at which calls run; `accept` is for connections.
pub(super) const CALL_STAGES: [Stages; 6] = [
    Stages::REQUEST,
    Stages::REQUEST_BODY,
    Stages::UPSTREAM,
    Stages::RESPONSE,
    Stages::RESPONSE_BODY,
    Stages::LOG,
];
