//! Plans, each as if it were on alone: what it would change is there, and what it would make of it
//! can be built. So a plan does not fail in the hour it is needed.
//!
//! Only APIs that a plan touches are built, and of these only such that were not found good with
//! the snapshot before. What is built here is dropped again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use paifang_pipeline::StateUse;

use super::api::{self, Draft};
use super::edits::{Edit, Edits};
use super::expand::Expanded;
use super::shares::{self, Keeper, Keeping};
use super::{Job, Used};
use crate::diag::{Problem, Problems, closest, did_you_mean};
use crate::model::{Config, StepChoice};
use crate::snapshot::{ServedAccept, ServedApi, Snapshot};
use crate::yaml::Digest;

/// What was found out about the plans of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct CheckedPlans {
    /// How many APIs each touches when it is on alone; without what answers requests that match none.
    pub(crate) reach: HashMap<Arc<str>, usize>,
    /// Chains that plans would make, found good, by the digest of what they are made of.
    good: HashMap<Digest, Good>,
}

/// A chain that a plan would make.
#[derive(Debug)]
struct Good {
    used: Used,
    /// State that its steps would keep.
    states: Vec<(Arc<str>, Vec<StateUse>)>,
}

/// Plans that are on and are not there.
pub(super) fn refuse_unknown(job: &Job<'_>, problems: &mut Problems) {
    let plans = &job.config.plans;
    for on in job.context.plans {
        if plans.contains_key(on.name.as_str()) {
            continue;
        }
        let message = format!("the plan `{}` is on, and the config has no such plan", on.name);
        let help = match closest(&on.name, plans.keys().map(|name| &**name)) {
            Some(near) => format!(
                "is it `{near}` now? Switch the old one off first: `paifang plan off {}`",
                on.name
            ),
            None => format!("switch it off first: `paifang plan off {}`", on.name),
        };
        problems.push(Problem::new(job.config.root, message).help(help));
    }
}

/// Steps that protect are not taken out by any plan, alone or together with others.
pub(super) fn refuse_unprotected(job: &Job<'_>, steps: &[Expanded], problems: &mut Problems) {
    for (kind, change) in steps.iter().flat_map(|step| &step.taken) {
        let module = job.config.wasm.get(&**kind);
        let protects = match module {
            Some(module) => module.protects,
            None => job.plugin(kind).is_some_and(|plugin| plugin.protects()),
        };
        if protects {
            let help = match module {
                Some(_) => {
                    "write `with` to change its config; if it protects nothing, its entry under `wasm` may say `protects: false`"
                }
                None => "write `with` to change its config",
            };
            let message = format!("`{kind}` protects what stands behind it: no plan takes it out");
            problems.push(Problem::new(*change, message).help(help));
        }
    }
}

/// Checks every plan. `apis` and the others are what the snapshot serves.
pub(super) fn check(
    job: &Job<'_>,
    apis: &[Arc<ServedApi>],
    fallback: Option<&Arc<ServedApi>>,
    accept: &indexmap::IndexMap<Arc<str>, Arc<ServedAccept>>,
    problems: &mut Problems,
) -> CheckedPlans {
    let mut checked = CheckedPlans::default();
    let served: HashMap<&str, &Arc<ServedApi>> =
        apis.iter().chain(fallback).map(|api| (&*api.api.id, api)).collect();
    for (name, plan) in &job.config.plans {
        let edits = Edits::alone(name.as_arc(), plan);
        let mut hits: Vec<Hits> = edits.iter().map(Hits::new).collect();
        let mut reach = 0;
        let mut touched: HashMap<&str, Digest> = HashMap::new();
        let before = problems.len();
        let ids = job.config.apis.iter().map(|api| &**api.id);
        for (index, id) in
            ids.enumerate().map(|(index, id)| (Some(index), id)).chain([(None, Snapshot::FALLBACK)])
        {
            if edits.for_api(id).is_empty() {
                continue;
            }
            let draft = api::draft(job, index, &edits, problems);
            let steps = draft.steps.as_deref().unwrap_or_default();
            let meant = hits.iter_mut().filter(|hits| hits.edit.is_for(id));
            meant.for_each(|hits| hits.note(id, steps, &draft.applied));
            if draft.applied.is_empty() {
                continue;
            }
            reach += usize::from(index.is_some());
            touched.insert(id, draft.key);
            if served.contains_key(id)
                && !checked.good.contains_key(&draft.key)
                && let Some(good) = build(job, draft, problems)
            {
                let (key, good) = good;
                checked.good.insert(key, good);
            }
        }
        hits.iter().for_each(|hits| hits.tell(job.config, problems));
        if problems.len() == before {
            let keepers = keepers(&served, accept, &touched, &checked.good);
            if keepers.1 {
                shares::check(job, &edits, keepers.0, problems);
                let place = format!("with the plan `{name}` on");
                problems.relate_since(before, plan.span, &place);
            }
        }
        checked.reach.insert(name.as_arc().clone(), reach);
    }
    checked
}

/// A chain that a plan makes, or what was known of the very same.
fn build(job: &Job<'_>, draft: Draft<'_>, problems: &mut Problems) -> Option<(Digest, Good)> {
    let key = draft.key;
    let known = job.context.previous.filter(|_| job.reuse).and_then(|previous| {
        previous.checked_plans().good.get(&key).filter(|good| job.still(&good.used))
    });
    if let Some(Good { used, states }) = known {
        return Some((key, Good { used: used.clone(), states: states.clone() }));
    }
    let built = api::build(job, draft, problems)?;
    let keeps = built.api.chain.steps().iter().filter(|step| !step.states.is_empty());
    let states = keeps.map(|step| (step.id.clone(), step.states.clone())).collect();
    Some((key, Good { used: built.used.clone(), states }))
}

/// All state with a plan on, and whether the plan has a say in it.
fn keepers<'a>(
    served: &HashMap<&'a str, &'a Arc<ServedApi>>,
    accept: &'a indexmap::IndexMap<Arc<str>, Arc<ServedAccept>>,
    touched: &HashMap<&str, Digest>,
    good: &'a HashMap<Digest, Good>,
) -> (Vec<Keeping<'a>>, bool) {
    let mut all = Vec::new();
    let mut concerned = false;
    for (id, api) in served {
        match touched.get(id).and_then(|key| good.get(key)) {
            None => all.extend(shares::of_api(api)),
            Some(good) => {
                concerned |= !good.states.is_empty();
                let owner = shares::Owner::of(id);
                let states = good.states.iter();
                all.extend(states.map(|(step, states)| (Keeper { owner, step }, &**states)));
            }
        }
    }
    all.extend(accept.iter().flat_map(|(name, served)| shares::of_accept(name, served)));
    (all, concerned)
}

/// What one change has met.
struct Hits<'a> {
    edit: Edit<'a>,
    /// Whether an API fits each of its patterns, and has what is to be changed.
    patterns: Vec<(bool, bool)>,
    /// Whether any API has it.
    any: bool,
    /// Ids or kinds of steps that APIs have that are meant.
    near: BTreeSet<String>,
}

/// More names are not looked through for a misspelt one.
const MOST_NEAR: usize = 200;

impl<'a> Hits<'a> {
    fn new(edit: &Edit<'a>) -> Self {
        let patterns = vec![(false, false); edit.change.apis.len()];
        Self { edit: *edit, patterns, any: false, near: BTreeSet::new() }
    }

    fn note(&mut self, id: &str, steps: &[Expanded], applied: &Edits<'_>) {
        let hit = applied.iter().any(|edit| std::ptr::eq(edit.change, self.edit.change));
        self.any |= hit;
        for (pattern, (fits, has)) in self.edit.change.apis.iter().zip(&mut self.patterns) {
            if pattern.as_str() == id || id != Snapshot::FALLBACK && pattern.fits(id) {
                *fits = true;
                *has |= hit;
            }
        }
        if !hit && self.near.len() < MOST_NEAR {
            let by_kind = matches!(self.edit.change.steps.as_deref(), Some(StepChoice::Kind(_)));
            let names = steps.iter().map(|step| if by_kind { &step.kind } else { &step.id });
            self.near.extend(names.map(ToString::to_string));
        }
    }

    /// Tells what was not found.
    fn tell(&self, config: &Config, problems: &mut Problems) {
        let change = self.edit.change;
        let mut fitting = true;
        for (pattern, (fits, _)) in change.apis.iter().zip(&self.patterns) {
            if *fits {
                continue;
            }
            fitting = false;
            let ids = config.apis.iter().map(|api| &**api.id);
            let (message, help) = match pattern.is_id() {
                true => (
                    format!("there is no API `{}`", pattern.as_str()),
                    did_you_mean(pattern.as_str(), ids),
                ),
                false => (format!("no API's id fits `{}`", pattern.as_str()), None),
            };
            problems.push(Problem::new(pattern.span(), message).maybe_help(help));
        }
        if !fitting {
            return;
        }
        let (what, name, span) = match (&change.steps, &change.behind) {
            (Some(steps), _) => match &**steps {
                StepChoice::Id(id) => ("step", id, steps.span()),
                StepChoice::Kind(kind) => ("step of the kind", kind, steps.span()),
            },
            (None, Some(behind)) => ("step", &**behind, behind.span()),
            (None, None) => return,
        };
        let help = did_you_mean(name, self.near.iter().map(String::as_str));
        let idle = change.apis.iter().zip(&self.patterns).filter(|(_, (_, has))| !has);
        for (pattern, _) in idle {
            let message = match pattern.is_id() {
                true => format!("the API `{}` has no {what} `{name}`", pattern.as_str()),
                false => format!("no API that fits `{}` has a {what} `{name}`", pattern.as_str()),
            };
            problems.push(Problem::new(span, message).maybe_help(help.clone()));
        }
        if change.apis.is_empty() && !self.any {
            let message = format!("no API has a {what} `{name}`");
            problems.push(Problem::new(span, message).maybe_help(help));
        }
    }
}
