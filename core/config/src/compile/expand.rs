//! A list of steps with its chains written out, overrides merged in.

use std::sync::Arc;

use paifang_pipeline::{MAX_STEPS, OnFailure};

use super::edits::Edits;
use crate::diag::{Problem, Problems};
use crate::model::{Config, Step, StepBody, Steps};
use crate::source::merge;
use crate::yaml::{Entry, Node, Span};

/// One step of an API, written out.
#[derive(Debug, Clone)]
pub(crate) struct Expanded {
    /// Its id in the API.
    pub(crate) id: Arc<str>,
    /// The plugin's name.
    pub(crate) kind: Arc<str>,
    /// Where the kind, or a given id, is written.
    pub(crate) span: Span,
    /// Its config, overrides merged in.
    pub(crate) config: Node,
    /// The config is just what stands at the step: no override changed it.
    pub(crate) plain: bool,
    pub(crate) when: Option<Node>,
    pub(crate) on_failure: OnFailure,
    pub(crate) enabled: bool,
    /// The uses of chains that lead to it, outermost first.
    pub(crate) through: Vec<Span>,
    /// Where overrides of its config stand.
    pub(crate) overrides: Vec<Span>,
    /// It stands in `defaults`.
    pub(crate) default: bool,
    /// The plans that have changed it, or put it there.
    pub(crate) plans: Vec<Arc<str>>,
    /// Kinds of steps that plans have taken out of this place, with the changes that did.
    pub(crate) taken: Vec<(Arc<str>, Span)>,
}

/// The steps of an API.
pub(crate) struct Written<'a> {
    pub(crate) steps: Vec<Expanded>,
    /// Changes of plans that have changed something in them.
    pub(crate) applied: Edits<'a>,
}

/// All steps of an API: those of `defaults`, then its own, and what `edits`, which are all for it,
/// make of them. More than [`MAX_STEPS`] are a problem at `owner`.
pub(crate) fn expand<'a>(
    config: &Config,
    own: &Steps,
    edits: &Edits<'a>,
    owner: (&str, Span),
    problems: &mut Problems,
) -> Written<'a> {
    let mut out = Vec::new();
    let mut expander = Expander { config, out: &mut out, full: false };
    expander.steps(&config.defaults.handlers, &Use { default: true, ..Use::default() });
    expander.steps(own, &Use::default());
    let full = expander.full;
    let applied = if full { Edits::default() } else { edits.apply(&mut out) };
    let full = full || out.len() > MAX_STEPS;
    Written { steps: finish(out, full, owner, problems), applied }
}

/// Steps that stand by themselves, without those of `defaults`.
pub(crate) fn alone(
    config: &Config,
    own: &Steps,
    owner: (&str, Span),
    problems: &mut Problems,
) -> Vec<Expanded> {
    let mut out = Vec::new();
    let mut expander = Expander { config, out: &mut out, full: false };
    expander.steps(own, &Use::default());
    let full = expander.full;
    finish(out, full, owner, problems)
}

fn finish(
    steps: Vec<Expanded>,
    full: bool,
    (owner, span): (&str, Span),
    problems: &mut Problems,
) -> Vec<Expanded> {
    if full {
        problems.push(Problem::new(
            span,
            format!("{owner} has more than {MAX_STEPS} steps, with all its chains written out"),
        ));
        return Vec::new();
    }
    for (index, step) in steps.iter().enumerate() {
        if let Some(first) = steps[..index].iter().find(|first| first.id == step.id) {
            let mut problem =
                Problem::new(step.span, format!("two steps have the id `{}`", step.id))
                    .related(first.span, "first here")
                    .related(span, format!("in {owner}"))
                    .help("give one of them, or the chain it comes from, another `id:`");
            for through in step.through.iter().chain(&first.through) {
                problem = problem.related(*through, "through this chain");
            }
            problems.push(problem);
        }
    }
    steps
}

struct Expander<'a> {
    config: &'a Config,
    out: &'a mut Vec<Expanded>,
    full: bool,
}

/// How the steps being written out are used.
#[derive(Default, Clone)]
struct Use<'a> {
    /// In front of every id: the ids given to uses of chains.
    prefix: String,
    with: &'a [Entry],
    through: Vec<Span>,
    disabled: bool,
    default: bool,
}

impl Expander<'_> {
    fn steps(&mut self, steps: &Steps, used: &Use<'_>) {
        for step in steps.iter() {
            // Also ends what chains inside chains would make of a few lines.
            if self.out.len() >= MAX_STEPS {
                self.full = true;
            }
            if self.full {
                return;
            }
            match &step.body {
                StepBody::Plugin { kind, config, .. } => self.plugin(step, kind, config, used),
                StepBody::Chain { name, span, with } => {
                    let Some(chain) = self.config.chains.get(name) else { continue };
                    let mut through = used.through.clone();
                    through.push(*span);
                    let prefix = match &step.id {
                        Some((id, _)) => format!("{}{id}.", used.prefix),
                        None => used.prefix.clone(),
                    };
                    let disabled = used.disabled || !step.enabled;
                    let inner = Use { prefix, with, through, disabled, default: used.default };
                    self.steps(chain, &inner);
                }
            }
        }
    }

    fn plugin(&mut self, step: &Step, kind: &Arc<str>, config: &Node, used: &Use<'_>) {
        let change = used
            .with
            .iter()
            .find(|entry| &*entry.key.text == step.id())
            .filter(|entry| !entry.value.is_null());
        let (config, plain) = match change {
            None => (config.clone(), true),
            // Nothing written is an empty map, which an override can add to.
            Some(change) if config.is_null() => (change.value.clone(), false),
            Some(change) => (merge(config, &change.value), false),
        };
        let id = if used.prefix.is_empty() && step.id.is_none() {
            kind.clone()
        } else {
            format!("{}{}", used.prefix, step.id()).into()
        };
        self.out.push(Expanded {
            id,
            kind: kind.clone(),
            span: step.id_span(),
            config,
            plain,
            when: step.when.clone(),
            on_failure: step.on_failure.unwrap_or_default(),
            enabled: step.enabled && !used.disabled,
            through: used.through.clone(),
            overrides: change.iter().map(|change| change.key.span.to(change.value.span)).collect(),
            default: used.default,
            plans: Vec::new(),
            taken: Vec::new(),
        });
    }
}
