//! What plans make of a chain: their changes, one after the other, to steps that are written out.

use std::sync::Arc;

use super::Job;
use super::expand::Expanded;
use crate::model::{Change, Config, Named, OneStep, Place, Plan, Step, StepBody, StepChoice};
use crate::snapshot::Snapshot;
use crate::source::merge;
use crate::yaml::{Digest, Located, Node, Span};

/// The changes of some plans, in the order of the YAML.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edits<'a>(Vec<Edit<'a>>);

/// One change of one plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edit<'a> {
    pub(crate) plan: &'a Arc<str>,
    /// Where the plan's name stands.
    pub(crate) place: Span,
    pub(crate) change: &'a Located<Change>,
    /// The change as it is written.
    node: Option<&'a Node>,
}

impl<'a> Edits<'a> {
    /// Those of the plans with these names.
    pub(crate) fn of(config: &'a Config, on: impl Fn(&str) -> bool) -> Self {
        let plans = config.plans.iter().filter(|(name, _)| on(name));
        Self(plans.flat_map(|(name, plan)| Self::alone(name.as_arc(), plan).0).collect())
    }

    /// Those of one plan.
    pub(crate) fn alone(name: &'a Arc<str>, plan: &'a Named<Plan>) -> Self {
        let nodes = plan.node.get("changes").and_then(Node::as_seq).unwrap_or_default();
        let edit =
            |(index, change)| Edit { plan: name, place: plan.span, change, node: nodes.get(index) };
        Self(plan.value.changes.iter().enumerate().map(edit).collect())
    }

    /// Those that are for this API.
    pub(crate) fn for_api(&self, id: &str) -> Self {
        Self(self.0.iter().filter(|edit| edit.is_for(id)).copied().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Edit<'a>> {
        self.0.iter()
    }

    /// Changes the steps of an API that all of them are for. Gives those that changed something.
    pub(super) fn apply(&self, steps: &mut Vec<Expanded>) -> Self {
        Self(self.0.iter().filter(|edit| edit.apply(steps)).copied().collect())
    }

    /// Digest of what they say, and of the modules that they put into chains.
    pub(super) fn key(&self, job: &Job<'_>) -> Digest {
        let mut parts = Vec::with_capacity(2 * self.0.len());
        for edit in &self.0 {
            parts.push(Digest::of_bytes(edit.plan.as_bytes()));
            parts.extend(edit.node.map(Digest::of));
            let put = edit.change.replace.iter().chain(&edit.change.add).filter_map(OneStep::get);
            for step in put {
                if let StepBody::Plugin { kind, .. } = &step.body {
                    parts.extend(job.modules.get(kind).map(|module| module.key));
                }
            }
        }
        Digest::all(&parts)
    }
}

impl Edit<'_> {
    /// What answers requests without API is no API: it has to be named, or steps are changed
    /// wherever they stand.
    pub(super) fn is_for(&self, id: &str) -> bool {
        let apis = &self.change.apis;
        if id == Snapshot::FALLBACK {
            let named = apis.iter().any(|pattern| pattern.as_str() == id);
            return named || apis.is_empty() && self.change.add.is_none();
        }
        apis.is_empty() || apis.iter().any(|pattern| pattern.fits(id))
    }

    /// Says whether it changed anything.
    fn apply(&self, steps: &mut Vec<Expanded>) -> bool {
        if let Some(step) = self.change.add.as_ref().and_then(OneStep::get) {
            return self.add(step, steps);
        }
        let Some(choice) = &self.change.steps else { return false };
        let mut changed = false;
        for step in steps.iter_mut().filter(|step| step.enabled && is_meant(choice, step)) {
            changed = true;
            step.plans.push(self.plan.clone());
            if let Some(with) = &self.change.with {
                turn(step, with);
                continue;
            }
            step.taken.push((step.kind.clone(), self.change.span()));
            match self.change.replace.as_ref().and_then(OneStep::get) {
                Some(other) => replace(step, other),
                None => step.enabled = false,
            }
        }
        changed
    }

    fn add(&self, step: &Step, steps: &mut Vec<Expanded>) -> bool {
        let StepBody::Plugin { kind, config, .. } = &step.body else { return false };
        let at = match (&self.change.behind, self.change.at.as_deref()) {
            (Some(behind), _) => {
                let found = steps.iter().position(|step| *step.id == ***behind && step.enabled);
                let Some(found) = found else { return false };
                found + 1
            }
            (None, Some(Place::First)) => {
                steps.iter().position(|step| !step.default).unwrap_or(steps.len())
            }
            (None, _) => steps.len(),
        };
        let id = match &step.id {
            Some((id, _)) => id.as_arc().clone(),
            None => format!("{}.{kind}", self.plan).into(),
        };
        steps.insert(
            at,
            Expanded {
                id,
                kind: kind.clone(),
                span: step.id_span(),
                config: config.clone(),
                plain: true,
                when: step.when.clone(),
                on_failure: step.on_failure.unwrap_or_default(),
                enabled: step.enabled,
                through: Vec::new(),
                overrides: Vec::new(),
                default: false,
                plans: vec![self.plan.clone()],
                taken: Vec::new(),
            },
        );
        true
    }
}

fn is_meant(choice: &StepChoice, step: &Expanded) -> bool {
    match choice {
        StepChoice::Id(id) => *step.id == **id,
        StepChoice::Kind(kind) => *step.kind == **kind,
    }
}

/// Nothing written is an empty map, which can be added to.
fn turn(step: &mut Expanded, with: &Node) {
    step.config = if step.config.is_null() { with.clone() } else { merge(&step.config, with) };
    step.plain = false;
    step.overrides.push(with.span);
}

fn replace(step: &mut Expanded, other: &Step) {
    let StepBody::Plugin { kind, config, .. } = &other.body else { return };
    if let Some((id, _)) = &other.id {
        step.id = id.as_arc().clone();
    }
    step.kind = kind.clone();
    step.span = other.id_span();
    step.config = config.clone();
    // Its value is not that of the chain's step, which is converted once for all APIs.
    step.plain = false;
    step.overrides = Vec::new();
    step.through = Vec::new();
    step.when = other.when.clone().or_else(|| step.when.take());
    step.on_failure = other.on_failure.unwrap_or_default();
    step.enabled = other.enabled;
}
