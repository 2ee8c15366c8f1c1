//! One API: what it is made of, whether that changed, and if so, its chain.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use paifang_pipeline::stats::ApiStats;
use paifang_pipeline::{Api, CallLimits, Chain, RetryPolicy};

use super::effective::{limits, retry};
use super::expand::{Expanded, expand};
use super::step::{self, BuiltStep, CALL_STAGES, Owner};
use super::{Job, Used};
use crate::diag::{Problem, Problems};
use crate::model::{ApiState, Config, StepBody, Steps};
use crate::snapshot::{ServedApi, Snapshot};
use crate::yaml::Digest;

/// Builds the API at `index`, or takes it over from the previous snapshot.
pub(super) fn build(
    job: &Job<'_>,
    index: usize,
    problems: &mut Problems,
) -> Option<Arc<ServedApi>> {
    let model = &job.config.apis[index];
    let id = model.id.as_arc();
    let retry = retry(job.config, model);
    let retry_text = serde_json::to_vec(&retry).unwrap_or_default();
    let key = Digest::all([
        &job.common,
        &defaults_digest(job),
        &model.digest(),
        &chains_digest(job, &model.handlers),
        &Digest::of_bytes(&retry_text),
    ]);
    if let Some(before) = job.unchanged(id, key) {
        return Some(before.clone());
    }
    let owner = format!("the API `{id}`");
    let place = model.id.span();
    let before = problems.len();
    let steps = expand(job.config, &model.handlers, (&owner, place), problems);
    if problems.len() > before {
        return None;
    }
    let offline = model.state == ApiState::Offline;
    let mut used = Used::default();
    let upstream = model.upstream.as_ref().map(|name| name.as_arc());
    let built = chain(job, (id, upstream), &steps, offline, &mut used, problems)?;
    if model.upstream.is_none() && !offline && !built.answers {
        problems.push(
            Problem::new(place, format!("nothing answers {owner}"))
                .help("give it an `upstream`, or a step that always answers, such as `respond`"),
        );
        return None;
    }
    let api = Api {
        id: id.clone(),
        chain: built.chain,
        limits: limits(job.config, model),
        retry: policy(&retry),
        upstream: upstream.cloned(),
        stats: stats(job, id),
        error_pages: job.pages.clone(),
    };
    let early_data = model.early_data;
    Some(Arc::new(ServedApi { api: Arc::new(api), offline, early_data, key, used }))
}

/// What answers requests that match no API: the steps of `defaults`.
pub(super) fn fallback(job: &Job<'_>, problems: &mut Problems) -> Option<Arc<ServedApi>> {
    let key = Digest::all([&job.common, &defaults_digest(job)]);
    if let Some(before) = job.unchanged(Snapshot::FALLBACK, key) {
        return Some(before.clone());
    }
    let owner = ("`defaults`", job.config.root);
    let before = problems.len();
    let steps = expand(job.config, &Steps::default(), owner, problems);
    if problems.len() > before {
        return None;
    }
    let mut used = Used::default();
    let whose = (Snapshot::FALLBACK, None);
    let built = chain(job, whose, &steps, false, &mut used, problems)?;
    let defaults = &job.config.defaults;
    let api = Api {
        id: Snapshot::FALLBACK.into(),
        chain: built.chain,
        limits: CallLimits {
            timeout: defaults.timeout.get(),
            body_bytes: defaults.body_limit.as_usize(),
            response_body_bytes: defaults.response_body_limit.as_usize(),
        },
        retry: policy(&defaults.retry),
        upstream: None,
        stats: stats(job, Snapshot::FALLBACK),
        error_pages: job.pages.clone(),
    };
    let (offline, early_data) = (false, false);
    Some(Arc::new(ServedApi { api: Arc::new(api), offline, early_data, key, used }))
}

struct BuiltChain {
    chain: Chain,
    /// Some step answers every call.
    answers: bool,
}

/// Builds the steps that are enabled. An offline API's own steps are built, so that they are
/// checked, and left out.
fn chain(
    job: &Job<'_>,
    (id, upstream): (&str, Option<&Arc<str>>),
    steps: &[Expanded],
    offline: bool,
    used: &mut Used,
    problems: &mut Problems,
) -> Option<BuiltChain> {
    let before = problems.len();
    let old = job.before(id).map(|old| &old.api.chain);
    let mut all = Vec::with_capacity(steps.len());
    let (mut answers, mut whole) = (false, true);
    let mut writers: HashMap<Cow<'static, str>, &Expanded> = HashMap::new();
    let mut routes: Vec<Arc<str>> = Vec::new();
    for step in steps.iter().filter(|step| step.enabled) {
        let owner = Owner { id, upstream, routes: &routes };
        let Some(built) = step::build(job, owner, old, step, used, problems) else {
            whole = false;
            continue;
        };
        refuse_idle(&built, step, problems);
        refuse_unknown(job, &built, step, problems);
        for slot in &built.writes {
            if let Some(first) = writers.insert(slot.clone(), step)
                && !built.overrides
            {
                problems.push(
                    Problem::new(
                        step.span,
                        format!("`{}` and `{}` both write the slot `{slot}`", first.id, step.id),
                    )
                    .related(first.span, "first here")
                    .help("remove one, or let the lower one say `override: true`"),
                );
            }
        }
        answers |= built.answers;
        if !offline || step.default {
            routes.extend(built.step.routes.iter().cloned());
            all.push(built.step);
        }
    }
    // A step may be missing for what was told before: its module.
    if problems.len() > before || !whole {
        return None;
    }
    // Length and ids were checked when the steps were written out; routes were not.
    Chain::new(all)
        .map(|chain| BuiltChain { chain, answers })
        .map_err(|error| problems.push(Problem::new(job.config.root, error.to_string())))
        .ok()
}

/// A step that runs at none of the stages of calls is misplaced.
fn refuse_idle(built: &BuiltStep, step: &Expanded, problems: &mut Problems) {
    let stages = built.step.handler.stages();
    if !CALL_STAGES.iter().any(|stage| stages.has(*stage)) {
        problems.push(
            Problem::new(step.span, format!("`{}` is for connections, not for calls", step.kind))
                .help("move it to a listener's `accept`"),
        );
    }
}

/// A step may send calls only to what is there.
fn refuse_unknown(job: &Job<'_>, built: &BuiltStep, step: &Expanded, problems: &mut Problems) {
    for name in built.step.routes.iter().filter(|name| !job.upstreams.has(name)) {
        let message = format!("`{}` sends calls to `{name}`, which is no upstream", step.kind);
        problems.push(
            Problem::new(step.span, message)
                .help("upstreams stand under `upstreams:` at the top of the config"),
        );
    }
}

fn stats(job: &Job<'_>, id: &str) -> Arc<ApiStats> {
    job.before(id).map(|before| before.api.stats.clone()).unwrap_or_default()
}

fn policy(retry: &crate::model::Retry) -> RetryPolicy {
    let standard = RetryPolicy::default();
    RetryPolicy {
        attempts: retry.attempts.as_deref().copied().unwrap_or(standard.attempts),
        statuses: retry
            .statuses
            .iter()
            .flatten()
            .filter_map(|status| StatusCode::from_u16(**status).ok())
            .collect(),
        body_bytes: retry
            .body_buffer
            .as_deref()
            .map_or(standard.body_bytes, |size| size.as_usize()),
        any_method: retry.any_method.unwrap_or(standard.any_method),
    }
}

/// Digest of what `defaults` gives to every API.
fn defaults_digest(job: &Job<'_>) -> Digest {
    cached(job, "", |job| {
        let defaults = &job.config.defaults;
        let numbers = format!(
            "{} {} {}",
            defaults.timeout, defaults.body_limit, defaults.response_body_limit
        );
        let steps: Vec<Digest> = defaults.handlers.nodes().iter().map(Digest::of).collect();
        Digest::all([
            &Digest::of_bytes(numbers.as_bytes()),
            &Digest::all(&steps),
            &chains_digest(job, &defaults.handlers),
        ])
    })
}

/// Digest of the chains that a list of steps uses, those inside them included, and of the modules
/// that it and they use.
pub(super) fn chains_digest(job: &Job<'_>, steps: &Steps) -> Digest {
    let mut parts = Vec::new();
    for step in steps.iter() {
        match &step.body {
            StepBody::Chain { name, .. } => {
                parts.push(cached(job, name, |job| chain_digest(job, job.config, name)));
            }
            StepBody::Plugin { kind, .. } => {
                parts.extend(job.modules.get(kind).map(|module| module.key));
            }
        }
    }
    Digest::all(&parts)
}

fn chain_digest(job: &Job<'_>, config: &Config, name: &str) -> Digest {
    let Some(chain) = config.chains.get(name) else { return Digest::default() };
    let inner = chains_digest(job, chain);
    Digest::all([&chain.digest(), &inner])
}

/// A digest that was made before, or made now. Chains never stand inside themselves here: that
/// was checked.
fn cached(job: &Job<'_>, name: &str, make: impl FnOnce(&Job<'_>) -> Digest) -> Digest {
    if let Some(known) = job.chains.borrow().get(name) {
        return *known;
    }
    let digest = make(job);
    job.chains.borrow_mut().insert(name.to_owned(), digest);
    digest
}
