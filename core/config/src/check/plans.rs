//! Plans: how many, and that each change says one thing. What they change is found when chains are
//! compiled.

use crate::diag::{Problem, Problems};
use crate::model::{
    Change, Config, LONGEST_ABOUT, MOST_CHANGES, MOST_PLANS, Named, OneStep, Plan, StepBody,
};
use crate::yaml::{Located, Node, Span};

/// The most APIs and patterns of one change.
const MOST_PATTERNS: usize = 64;

pub(super) fn check(config: &Config, problems: &mut Problems) {
    if let Some((_, beyond)) = config.plans.iter().nth(MOST_PLANS) {
        let count = config.plans.len();
        let message = format!("expected up to {MOST_PLANS} plans, found {count}");
        problems.push(Problem::new(beyond.span, message));
    }
    for (name, plan) in &config.plans {
        // What was left out has been told.
        if !plan.whole {
            continue;
        }
        about(plan, problems);
        count(name, plan, problems);
        for one in &plan.changes {
            change(one, problems);
        }
    }
}

fn about(plan: &Plan, problems: &mut Problems) {
    let length = plan.about.chars().count();
    if length > LONGEST_ABOUT || plan.about.chars().any(char::is_control) {
        problems.push(Problem::new(
            plan.about.span(),
            format!("expected a line of up to {LONGEST_ABOUT} characters, found {length}"),
        ));
    }
}

fn count(name: &str, plan: &Named<Plan>, problems: &mut Problems) {
    let count = plan.changes.len();
    if count == 0 {
        problems.push(Problem::new(plan.span, format!("the plan `{name}` changes nothing")));
    }
    if let Some(beyond) = plan.changes.get(MOST_CHANGES) {
        let message = format!("expected up to {MOST_CHANGES} changes, found {count}");
        problems.push(Problem::new(beyond.span(), message));
    }
}

fn change(change: &Located<Change>, problems: &mut Problems) {
    let at = change.span();
    if let Some(beyond) = change.apis.get(MOST_PATTERNS) {
        let message = format!("expected up to {MOST_PATTERNS}, found {}", change.apis.len());
        problems.push(Problem::new(beyond.span(), message));
    }
    let forms = [
        ("with", change.with.is_some()),
        ("replace", change.replace.is_some()),
        ("remove", change.remove),
        ("add", change.add.is_some()),
    ];
    let given: Vec<&str> = forms.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    match given.as_slice() {
        [] => problems.push(
            Problem::new(at, "it is not said what changes")
                .help("write one of `with`, `replace`, `remove: true` and `add`"),
        ),
        ["add"] => adds(change, at, problems),
        [form] => edits(change, form, at, problems),
        [first, second, ..] => problems.push(
            Problem::new(at, format!("`{first}` and `{second}` in one change"))
                .help("write two changes; the second is made to what the first has made"),
        ),
    }
    if let Some(with) = &change.with {
        self::with(with, problems);
    }
    for step in change.replace.iter().chain(&change.add) {
        single(step, problems);
    }
}

fn with(with: &Node, problems: &mut Problems) {
    let message = match with.as_map() {
        Some(map) if !map.entries().is_empty() => return,
        Some(_) => "an empty map changes nothing".to_owned(),
        None => {
            format!("expected a map that changes the steps' config, found {}", with.describe())
        }
    };
    problems.push(Problem::new(with.span, message));
}

fn adds(change: &Change, at: Span, problems: &mut Problems) {
    if let Some(steps) = &change.steps {
        problems.push(
            Problem::new(steps.span(), "`steps` is about steps that are there")
                .help("`behind: STEP` says where `add` puts the new one"),
        );
    }
    if change.at.is_some() && change.behind.is_some() {
        problems.push(Problem::new(at, "either `at` or `behind`, not both"));
    }
}

fn edits(change: &Change, form: &str, at: Span, problems: &mut Problems) {
    if change.steps.is_none() {
        problems.push(
            Problem::new(at, format!("it is not said which steps `{form}` is about"))
                .help("write `steps: ID` or `steps: { kind: KIND }`"),
        );
    }
    let places = [change.at.as_ref().map(Located::span), change.behind.as_ref().map(Located::span)];
    for place in places.into_iter().flatten() {
        problems.push(Problem::new(place, "only `add` puts a step somewhere"));
    }
}

/// Chains are for chains.
fn single(step: &OneStep, problems: &mut Problems) {
    if let Some(step) = step.get()
        && let StepBody::Chain { span, .. } = &step.body
    {
        problems.push(
            Problem::new(*span, "a plan puts single steps, not chains")
                .help("write a change for each step"),
        );
    }
}
