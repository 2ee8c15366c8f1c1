//! Chains: names that exist, no chain inside itself, overrides that meet a step.

use std::collections::{HashMap, VecDeque};

use crate::diag::{Problem, Problems, did_you_mean};
use crate::model::{Config, Step, StepBody, Steps};
use crate::yaml::Span;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    for (name, chain) in &config.chains {
        steps(config, chain, problems);
        cycle(config, name, chain.span, problems);
    }
    steps(config, &config.defaults.handlers, problems);
    for listener in &config.listeners {
        steps(config, &listener.accept, problems);
    }
    for api in &config.apis {
        steps(config, &api.handlers, problems);
    }
}

/// Every use of a chain: it exists, and `with` names its steps.
fn steps(config: &Config, steps: &Steps, problems: &mut Problems) {
    for step in steps.iter() {
        let StepBody::Chain { name, span, with } = &step.body else { continue };
        if !config.names.chains.contains_key(&**name) {
            problems.push(super::unknown("chain", name, *span, &config.names.chains));
            continue;
        }
        let Some(chain) = config.chains.get(name) else { continue };
        // A chain with a step that could not be read may have had the id.
        if chain.nodes().len() != chain.len() {
            continue;
        }
        for entry in with {
            let ids: Vec<&str> = chain.iter().map(Step::id).collect();
            let Some(target) = chain.iter().find(|step| step.id() == &*entry.key.text) else {
                problems.push(
                    Problem::new(
                        entry.key.span,
                        format!("the chain `{name}` has no step `{}`", entry.key.text),
                    )
                    .related(chain.span, "the chain")
                    .maybe_help(did_you_mean(&entry.key.text, ids)),
                );
                continue;
            };
            if !entry.value.is_null() && entry.value.as_map().is_none() {
                problems.push(Problem::new(
                    entry.value.span,
                    format!(
                        "expected a map that changes the step's config, found {}",
                        entry.value.describe()
                    ),
                ));
            }
            if let StepBody::Chain { name: inner, .. } = &target.body
                && config.chains.get(inner).is_some()
            {
                problems.push(
                    Problem::new(
                        entry.key.span,
                        format!("`{}` is a chain inside the chain `{name}`", entry.key.text),
                    )
                    .help("change its steps where it is used"),
                );
            }
        }
    }
}

/// Whether a chain comes back to itself. Told once, at the chain with the least name.
fn cycle(config: &Config, start: &str, span: Span, problems: &mut Problems) {
    // Breadth first: the shortest way back, and every chain is looked at once.
    let mut came_from: HashMap<&str, (&str, Span)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        let Some(chain) = config.chains.get(at) else { continue };
        for step in chain.iter() {
            let StepBody::Chain { name, span: through, .. } = &step.body else { continue };
            if &**name == start {
                let mut way = vec![(*through, "and back")];
                let mut least = true;
                let mut at = at;
                while let Some((before, through)) = came_from.get(at) {
                    least &= start <= at;
                    way.push((*through, "through this step"));
                    at = before;
                }
                if least {
                    let message = format!("the chain `{start}` stands inside itself");
                    let mut problem = Problem::new(span, message);
                    for (through, label) in way.into_iter().rev() {
                        problem = problem.related(through, label);
                    }
                    problems.push(problem);
                }
                return;
            }
            if !came_from.contains_key(&**name) {
                came_from.insert(name, (at, *through));
                queue.push_back(name);
            }
        }
    }
}
