//! One API: what it is made of, plans that are on included; whether that changed, and if so, its chain.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use http::StatusCode;
use paifang_pipeline::stats::ApiStats;
use paifang_pipeline::{Api, CallLimits, Chain, RetryPolicy};

use super::edits::Edits;
use super::effective::{limits, retry};
use super::expand::{Expanded, Written, expand};
use super::step::{self, BuiltStep, CALL_STAGES, Owner};
use super::{Job, Used, plans};
use crate::diag::{Problem, Problems};
use crate::model::{self, ApiState, Config, Named, StepBody, Steps};
use crate::snapshot::{ServedApi, Snapshot};
use crate::yaml::Digest;

/// An API, or what answers requests that match none, before it is built: what it is made of.
pub(super) struct Draft<'a> {
    /// Its place in the config; `None` for what answers requests that match none.
    index: Option<usize>,
    /// Digest of everything it is made of.
    pub(super) key: Digest,
    /// Its steps, where plans may have changed them.
    pub(super) steps: Option<Vec<Expanded>>,
    /// Changes of plans that have changed something.
    pub(super) applied: Edits<'a>,
    /// Its steps cannot be written out, which has been told.
    broken: bool,
}

/// What an API is made of when these plans are on.
pub(super) fn draft<'a>(
    job: &Job<'_>,
    index: Option<usize>,
    edits: &Edits<'a>,
    problems: &mut Problems,
) -> Draft<'a> {
    let model = index.map(|index| &job.config.apis[index]);
    let plain = plain_key(job, index);
    let id = model.map_or(Snapshot::FALLBACK, |model| &**model.id);
    let edits = edits.for_api(id);
    if edits.is_empty() {
        return Draft { index, key: plain, steps: None, applied: edits, broken: false };
    }
    let before = problems.len();
    let Written { steps, applied } = written(job, model, &edits, problems);
    let broken = problems.len() > before;
    relate(&applied, before, problems);
    let key = if applied.is_empty() { plain } else { Digest::all([&plain, &applied.key(job)]) };
    Draft { index, key, steps: Some(steps), applied, broken }
}

/// Digest of what it is made of without plans; worked out once, however many plans ask.
fn plain_key(job: &Job<'_>, index: Option<usize>) -> Digest {
    let defaults = defaults_digest(job);
    let Some(index) = index else { return Digest::all([&job.common, &defaults]) };
    if let Some(known) = job.keys.borrow().get(&index) {
        return *known;
    }
    let model = &job.config.apis[index];
    let retry = serde_json::to_vec(&retry(job.config, model)).unwrap_or_default();
    let key = Digest::all([
        &job.common,
        &defaults,
        &model.digest(),
        &chains_digest(job, &model.handlers),
        &Digest::of_bytes(&retry),
    ]);
    job.keys.borrow_mut().insert(index, key);
    key
}

fn written<'a>(
    job: &Job<'_>,
    model: Option<&Named<model::Api>>,
    edits: &Edits<'a>,
    problems: &mut Problems,
) -> Written<'a> {
    match model {
        Some(model) => {
            let owner = format!("the API `{}`", model.id.value());
            expand(job.config, &model.handlers, edits, (&owner, model.id.span()), problems)
        }
        None => {
            let owner = ("`defaults`", job.config.root);
            expand(job.config, &Steps::default(), edits, owner, problems)
        }
    }
}

/// Builds what was drafted, or takes it over from the previous snapshot.
pub(super) fn build(
    job: &Job<'_>,
    draft: Draft<'_>,
    problems: &mut Problems,
) -> Option<Arc<ServedApi>> {
    if draft.broken {
        return None;
    }
    let model = draft.index.map(|index| &job.config.apis[index]);
    let id = model.map_or(Snapshot::FALLBACK, |model| &**model.id);
    if let Some(before) = job.unchanged(id, draft.key) {
        return Some(before.clone());
    }
    let before = problems.len();
    let steps = match draft.steps {
        Some(steps) => steps,
        None => written(job, model, &Edits::default(), problems).steps,
    };
    if problems.len() > before {
        return None;
    }
    plans::refuse_unprotected(job, &steps, problems);
    let built = match model {
        Some(model) => one(job, model, &steps, draft.key, problems),
        None => fallback(job, &steps, draft.key, problems),
    };
    relate(&draft.applied, before, problems);
    built
}

/// Says of what has gone wrong since that these plans are on.
fn relate(applied: &Edits<'_>, since: usize, problems: &mut Problems) {
    let mut told: Option<&Arc<str>> = None;
    for edit in applied.iter() {
        // Changes of one plan follow each other.
        if told.replace(edit.plan) != Some(edit.plan) {
            let label = format!("with the plan `{}` on", edit.plan);
            problems.relate_since(since, edit.place, &label);
        }
    }
}

fn one(
    job: &Job<'_>,
    model: &Named<model::Api>,
    steps: &[Expanded],
    key: Digest,
    problems: &mut Problems,
) -> Option<Arc<ServedApi>> {
    let id = model.id.as_arc();
    let offline = model.state == ApiState::Offline;
    let mut used = Used::default();
    let upstream = model.upstream.as_ref().map(|name| name.as_arc());
    let built = chain(job, (id, upstream), steps, offline, &mut used, problems)?;
    if model.upstream.is_none() && !offline && !built.answers {
        problems.push(
            Problem::new(model.id.span(), format!("nothing answers the API `{id}`"))
                .help("give it an `upstream`, or a step that always answers, such as `respond`"),
        );
        return None;
    }
    let api = Api {
        id: id.clone(),
        chain: built.chain,
        limits: limits(job.config, model),
        retry: policy(&retry(job.config, model)),
        upstream: upstream.cloned(),
        stats: stats(job, id),
        error_pages: job.pages.clone(),
    };
    let early_data = model.early_data;
    Some(Arc::new(ServedApi { api: Arc::new(api), offline, early_data, key, used }))
}

/// What answers requests that match no API: the steps of `defaults`.
fn fallback(
    job: &Job<'_>,
    steps: &[Expanded],
    key: Digest,
    problems: &mut Problems,
) -> Option<Arc<ServedApi>> {
    let mut used = Used::default();
    let whose = (Snapshot::FALLBACK, None);
    let built = chain(job, whose, steps, false, &mut used, problems)?;
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
